#include "work_model.h"

#include <algorithm>

namespace gemma3n::cli {
namespace {

// The dimensions under their names in MODEL.md, as floating point because products are large.
struct Dimensions {
  explicit Dimensions(const TextConfig& c)
      : D(static_cast<double>(c.hidden_size)),
        H(static_cast<double>(c.num_attention_heads)),
        K(static_cast<double>(c.num_key_value_heads)),
        E(static_cast<double>(c.head_dim)),
        A(static_cast<double>(c.altup_num_inputs)),
        R(static_cast<double>(c.laurel_rank)),
        P(static_cast<double>(c.hidden_size_per_layer_input)),
        V(static_cast<double>(c.vocab_size)) {}
  double D, H, K, E, A, R, P, V;
};

// Weights of layer `i` that a token's row meets; each is one multiply-add.
double layer_weights(const TextConfig& c, std::int64_t i) {
  const Dimensions d(c);
  const auto at = static_cast<std::size_t>(i);
  const double F = static_cast<double>(c.intermediate_size.at(at));
  const double density = 1.0 - c.activation_sparsity_pattern.at(at);

  const double queries_and_output = 2 * d.D * d.H * d.E;
  const double keys_and_values = i < c.first_kv_shared_layer() ? 2 * d.D * d.K * d.E : 0;
  const double laurel = 2 * d.D * d.R;
  const double mlp = d.D * F * (1 + 2 * density);  // gate_proj; up_proj and down_proj
  const double altup = d.A * d.D + d.A * d.A * d.A + d.A * d.A;
  const double per_layer_input = 2 * d.D * d.P;
  return queries_and_output + keys_and_values + laurel + mlp + altup + per_layer_input;
}

// The first `layers` layers and what comes before them.
double row_weights(const TextConfig& c, std::int64_t layers) {
  const Dimensions d(c);
  const double per_layer_model_projection = static_cast<double>(layers) * d.P * d.D;
  double weights = per_layer_model_projection + (d.A - 1) * d.D * d.D;  // altup_projections
  for (std::int64_t i = 0; i < layers; ++i) weights += layer_weights(c, i);
  return weights;
}

double head_weights(const TextConfig& c) {
  const Dimensions d(c);
  return (d.A - 1) * d.D * d.D + d.V * d.D;  // altup_unembed_projections, vocabulary
}

// Keys that a query at `position` sees in layer `i`.
double visible_keys(const TextConfig& c, std::int64_t i, std::int64_t position) {
  const bool is_sliding = c.layer_types.at(static_cast<std::size_t>(i)) == AttentionType::kSliding;
  const auto seen = position + 1;
  return static_cast<double>(is_sliding ? std::min(seen, c.sliding_window) : seen);
}

// Scores and weighted sum of values.
double attention_multiply_adds(const TextConfig& c, std::int64_t layers, std::int64_t position) {
  const Dimensions d(c);
  double keys = 0;
  for (std::int64_t i = 0; i < layers; ++i) keys += visible_keys(c, i, position);
  return 2 * d.H * d.E * keys;
}

}  // namespace

double prefill_multiply_adds(const TextConfig& config, std::int64_t prompt_tokens) {
  const auto owners = config.first_kv_shared_layer();
  const auto last = prompt_tokens - 1;
  double total = static_cast<double>(last) * row_weights(config, owners);
  for (std::int64_t t = 0; t < last; ++t) total += attention_multiply_adds(config, owners, t);
  return total + decode_weights(config) +
         attention_multiply_adds(config, config.num_hidden_layers, last);
}

double decode_weights(const TextConfig& config) {
  return row_weights(config, config.num_hidden_layers) + head_weights(config);
}

double decode_cache_values(const TextConfig& config, std::int64_t context_tokens) {
  const Dimensions d(config);
  double keys = 0;
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    keys += visible_keys(config, i, context_tokens);
  }
  return 2 * d.K * d.E * keys;
}

std::optional<double> vision_multiply_adds(const VisionConfig& config, std::int64_t size) {
  constexpr std::int64_t kCountedSize = 768;
  constexpr double kCounted = 436e9;
  const bool is_published = config.model_args_json == "null" || config.model_args_json == "{}";
  if (size != kCountedSize || !is_published) return std::nullopt;
  return kCounted;
}

double audio_multiply_adds(const AudioConfig& config, std::int64_t seconds) {
  constexpr double kFramesPerSecond = 100;
  // Of D x D: queries, keys, values and output; two feed-forwards of 4 D, up and down; the light
  // convolution's gated entry and its exit.
  constexpr double kSquares = 4 + 2 * (4 + 4) + (2 + 1);
  double frames = static_cast<double>(seconds) * kFramesPerSecond;
  double bins = static_cast<double>(config.input_feat_size), channels = 1, total = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& stride = config.sscp_conv_stride_size[i];
    const auto& kernel = config.sscp_conv_kernel_size[i];
    frames /= static_cast<double>(stride[0]);
    bins /= static_cast<double>(stride[1]);
    const auto out = static_cast<double>(config.sscp_conv_channel_size[i]);
    total += frames * bins * out * channels * static_cast<double>(kernel[0] * kernel[1]);
    channels = out;
  }
  const auto D = static_cast<double>(config.hidden_size);
  const auto keys =
      static_cast<double>(config.conf_attention_chunk_size + config.conf_attention_context_left -
                          1 + config.conf_attention_context_right);
  total += frames * bins * channels * D;
  const double layer = kSquares * D * D + 2 * keys * D;
  return total + frames * layer * static_cast<double>(config.conf_num_hidden_layers);
}

Config published_towers() {
  Config config;
  TextConfig& text = config.text_config;
  text.num_hidden_layers = 5;  // four sliding and a full one
  text.num_kv_shared_layers = 0;
  text.intermediate_size.assign(5, 64);
  text.derive_defaults();
  return config;
}

TextConfig published_config(std::string_view name) {
  TextConfig config;  // the defaults are those of E4B
  if (name == "e2b") {
    config.num_hidden_layers = 30;
    config.num_kv_shared_layers = 10;
    config.intermediate_size.assign(30, 8192);
  } else if (name != "e4b") {
    fail(ErrorCode::kInvalidArgument, "--synthetic: expected e2b or e4b, got '", name, "'");
  }
  config.derive_defaults();
  config.validate();
  return config;
}

}  // namespace gemma3n::cli
