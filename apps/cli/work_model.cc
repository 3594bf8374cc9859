#include "work_model.h"

#include <algorithm>
#include <cmath>

#include "options.h"

namespace gemma3n::cli {
namespace {

// Of a number of the cache; a head of int8 has a scale.
double cache_value_bytes(CacheStorage cache, const TextConfig& config) {
  constexpr double kScaleBytes = 4;
  switch (cache) {
    case CacheStorage::kInt8:
      return 1 + kScaleBytes / static_cast<double>(config.head_dim);
    case CacheStorage::kBF16:
      return 2;
    case CacheStorage::kF32:
      break;
  }
  return 4;
}

bool is_sliding(const TextConfig& c, std::int64_t layer) {
  return c.layer_types.at(static_cast<std::size_t>(layer)) == AttentionType::kSliding;
}

// Keys that the queries at `position` of the first `layers` layers see, together.
double visible_keys(const TextConfig& c, std::int64_t layers, std::int64_t position) {
  double keys = 0;
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto seen = position + 1;
    keys += static_cast<double>(is_sliding(c, i) ? std::min(seen, c.sliding_window) : seen);
  }
  return keys;
}

// Scores and weighted sums of values.
double attention_ops(const TextConfig& c, double keys) {
  return 2 * 2 * static_cast<double>(c.num_attention_heads * c.head_dim) * keys;
}

// 3 of "layers.3.mlp.up_proj.weight"; absent for matrices outside the layers.
std::optional<std::int64_t> layer_of(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  if (!name.starts_with(kLayers)) return std::nullopt;
  name.remove_prefix(kLayers.size());
  return parse_integer(name.substr(0, name.find('.')), "layer");
}

// What a pass of `tokens` rows, of which the last is wanted, does with a matrix.
struct Use {
  double rows = 0;       // that are multiplied by it
  double share = 1;      // of it, for one row
  double looked_up = 0;  // of its rows, copied
};

Use use_of(const TextConfig& c, const MatrixInfo& m, double tokens) {
  if (m.name.starts_with("embed_tokens_per_layer.")) return {.looked_up = tokens};
  if (m.name.starts_with("embed_tokens.")) {
    return {.rows = c.tie_word_embeddings ? 1.0 : 0.0, .looked_up = tokens};
  }
  if (m.name.starts_with("altup_unembed_projections.") || m.name.starts_with("lm_head.")) {
    return {.rows = 1};
  }
  const auto owners = static_cast<double>(c.first_kv_shared_layer());
  if (m.name.starts_with("per_layer_model_projection.")) {  // a slice for each layer
    const double owned = owners / static_cast<double>(c.num_hidden_layers);
    return {.rows = owned * tokens + (1 - owned)};
  }
  const auto layer = layer_of(m.name);
  if (!layer) return {.rows = tokens};
  Use use = {.rows = *layer < c.first_kv_shared_layer() ? tokens : 1};
  const bool is_neurons = m.name.find(".up_proj.") != std::string::npos ||
                          m.name.find(".down_proj.") != std::string::npos;
  if (is_neurons) use.share -= c.activation_sparsity_pattern.at(static_cast<std::size_t>(*layer));
  return use;
}

Work work_of(const MatrixInfo& m, const Use& use) {
  double size = 1;
  for (const auto dimension : m.shape) size *= static_cast<double>(dimension);
  const auto bytes = static_cast<double>(m.bytes);
  const double ops = 2 * size * use.share * use.rows;
  const bool is_int8 = m.storage.starts_with("q");
  Work work = {.f32_ops = is_int8 ? 0 : ops, .int8_ops = is_int8 ? ops : 0};
  if (use.rows > 0) {
    // Each row chooses its own neurons; of several rows' choices, all are read.
    work.bytes = bytes * (1 - std::pow(1 - use.share, use.rows));
  } else {
    work.bytes = std::min(bytes, use.looked_up * bytes / static_cast<double>(m.shape.at(0)));
  }
  return work;
}

Work matrices_work(const TextConfig& c, std::span<const MatrixInfo> matrices, double tokens) {
  Work total;
  for (const auto& matrix : matrices) total += work_of(matrix, use_of(c, matrix, tokens));
  return total;
}

}  // namespace

Work& Work::operator+=(const Work& more) {
  f32_ops += more.f32_ops;
  int8_ops += more.int8_ops;
  bytes += more.bytes;
  return *this;
}

Bound bound_of(const Work& work, const MachineLimits& limits) {
  const double reading = work.bytes / limits.read_bytes_per_second;
  const double computing =
      work.f32_ops / limits.f32_flops_per_second + work.int8_ops / limits.int8_ops_per_second;
  return {std::max(reading, computing), reading > computing};
}

Work prefill_work(const TextConfig& config, std::span<const MatrixInfo> matrices,
                  std::int64_t prompt_tokens) {
  Work work = matrices_work(config, matrices, static_cast<double>(prompt_tokens));
  const auto last = prompt_tokens - 1;
  double keys = visible_keys(config, config.num_hidden_layers, last);
  for (std::int64_t t = 0; t < last; ++t) {
    keys += visible_keys(config, config.first_kv_shared_layer(), t);
  }
  work.f32_ops += attention_ops(config, keys);
  return work;
}

Work decode_work(const TextConfig& config, std::span<const MatrixInfo> matrices, CacheStorage cache,
                 std::int64_t context_tokens) {
  Work work = matrices_work(config, matrices, 1);
  const double keys = visible_keys(config, config.num_hidden_layers, context_tokens);
  work.f32_ops += attention_ops(config, keys);
  const auto key_values = static_cast<double>(2 * config.num_key_value_heads * config.head_dim);
  work.bytes += key_values * keys * cache_value_bytes(cache, config);
  return work;
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
