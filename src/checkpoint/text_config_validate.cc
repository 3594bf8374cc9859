// What makes a TextConfig a model that can run.
#include <algorithm>
#include <string>

#include "checkpoint/config_fields.h"
#include "checkpoint/printable.h"
#include "checkpoint/text_config_limits.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {
namespace {

constexpr double kAnyNumber = 1e308;

std::string field(std::string_view key) { return "text_config." + std::string(key); }

template <typename... Parts>
[[noreturn]] void refuse(std::string_view key, const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, field(key), ": ", parts...);
}

void validate_sizes(const TextConfig& c) {
  const auto size = [](std::string_view key, std::int64_t value, std::int64_t highest) {
    expect_range(field(key), value, std::int64_t{1}, highest);
  };
  size("vocab_size", c.vocab_size, kMaxTokens);
  size("vocab_size_per_layer_input", c.vocab_size_per_layer_input, kMaxTokens);
  size("hidden_size", c.hidden_size, kMaxWidth);
  expect_range(field("hidden_size_per_layer_input"), c.hidden_size_per_layer_input, std::int64_t{0},
               kMaxWidth);
  size("num_attention_heads", c.num_attention_heads, kMaxWidth);
  size("num_key_value_heads", c.num_key_value_heads, kMaxWidth);
  size("head_dim", c.head_dim, kMaxWidth);
  size("max_position_embeddings", c.max_position_embeddings, kMaxTokens);
  size("sliding_window", c.sliding_window, kMaxTokens);
  size("altup_num_inputs", c.altup_num_inputs, kMaxStreams);
  size("laurel_rank", c.laurel_rank, kMaxWidth);
  expect_range(field("altup_active_idx"), c.altup_active_idx, std::int64_t{0},
               c.altup_num_inputs - 1);
}

void validate_heads(const TextConfig& c) {
  if (c.hidden_size % c.num_attention_heads != 0) {
    refuse("hidden_size", "expected a multiple of num_attention_heads = ", c.num_attention_heads,
           ", got ", c.hidden_size);
  }
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    refuse("num_key_value_heads",
           "expected a divisor of num_attention_heads = ", c.num_attention_heads, ", got ",
           c.num_key_value_heads);
  }
  if (c.head_dim % 2 != 0) {
    refuse("head_dim", "expected an even number, as rotary embedding turns pairs, got ",
           c.head_dim);
  }
  if (c.num_attention_heads * c.head_dim > kMaxWidth) {
    refuse("head_dim", "expected at most ", kMaxWidth, " over all heads, got ",
           c.num_attention_heads * c.head_dim);
  }
}

void validate_lists(const TextConfig& c) {
  const auto length = [&](std::string_view key, std::size_t count) {
    if (count == static_cast<std::size_t>(c.num_hidden_layers)) return;
    refuse(key, "expected ", c.num_hidden_layers, " entries, one per layer, got ", count);
  };
  length("intermediate_size", c.intermediate_size.size());
  length("layer_types", c.layer_types.size());
  length("activation_sparsity_pattern", c.activation_sparsity_pattern.size());
  for (const std::int64_t width : c.intermediate_size) {
    expect_range(field("intermediate_size"), width, std::int64_t{1}, kMaxWidth);
  }
  for (const double sparsity : c.activation_sparsity_pattern) {
    expect_range(field("activation_sparsity_pattern"), sparsity, -kAnyNumber, 1.0);
  }
}

// Ref: HF Gemma3nTextModel.__init__, "layer types producing a cache"
void validate_kv_sharing(const TextConfig& c) {
  expect_range(field("num_kv_shared_layers"), c.num_kv_shared_layers, std::int64_t{0},
               c.num_hidden_layers - 1);
  const auto owners_end = c.layer_types.begin() + c.first_kv_shared_layer();
  for (auto layer = owners_end; layer != c.layer_types.end(); ++layer) {
    if (std::find(c.layer_types.begin(), owners_end, *layer) == owners_end) {
      refuse("num_kv_shared_layers", "layer ", layer - c.layer_types.begin(), " is a ",
             *layer == AttentionType::kFull ? "full" : "sliding",
             "_attention layer that shares keys and values, but none of the first ",
             c.first_kv_shared_layer(), " layers is; got ", c.num_kv_shared_layers);
    }
  }
}

void validate_numbers(const TextConfig& c) {
  expect_range(field("initializer_range"), c.initializer_range, 0.0, kAnyNumber);
  expect_range(field("rms_norm_eps"), c.rms_norm_eps, 0.0, 1.0);
  expect_range(field("attention_dropout"), c.attention_dropout, 0.0, 1.0);
  expect_above(field("final_logit_softcapping"), c.final_logit_softcapping, 0.0);
  expect_range(field("altup_coef_clip"), c.altup_coef_clip, 0.0, kAnyNumber);
  try {
    activation_from_name(c.hidden_activation);
  } catch (const Error& error) {
    fail(error.code(), "text_config.", error.what());  // begins with the key
  }
}

void validate_token_ids(const TextConfig& c) {
  const auto id = [&](std::string_view key, std::int64_t value) {
    expect_range(field(key), value, std::int64_t{0}, c.vocab_size - 1);
  };
  if (c.pad_token_id) id("pad_token_id", *c.pad_token_id);
  if (c.bos_token_id) id("bos_token_id", *c.bos_token_id);
  for (const std::int64_t eos : c.eos_token_id) id("eos_token_id", eos);
}

void validate_rope(const std::string& path, const RopeParameters& r) {
  expect_known_rope_type(path + "rope_type", r.rope_type);
  expect_above(path + "rope_theta", r.rope_theta, 0.0);
  expect_above(path + "factor", r.factor, 0.0);
  expect_range(path + "original_max_position_embeddings", r.original_max_position_embeddings,
               std::int64_t{0}, kMaxTokens);
  if (r.rope_type == "llama3") {
    expect_above(path + "low_freq_factor", r.low_freq_factor, 0.0);
    expect_above(path + "high_freq_factor", r.high_freq_factor, r.low_freq_factor);
  }
  if (r.rope_type == "yarn") {
    expect_above(path + "rope_theta", r.rope_theta, 1.0);  // its logarithm is divided by
    expect_above(path + "beta_fast", r.beta_fast, 0.0);
    expect_above(path + "beta_slow", r.beta_slow, 0.0);
    if (r.attention_factor) expect_above(path + "attention_factor", *r.attention_factor, 0.0);
    if (r.mscale) expect_range(path + "mscale", *r.mscale, 0.0, kAnyNumber);
    if (r.mscale_all_dim) expect_range(path + "mscale_all_dim", *r.mscale_all_dim, 0.0, kAnyNumber);
  }
}

}  // namespace

void expect_layer_count(std::int64_t num_hidden_layers) {
  expect_range(field("num_hidden_layers"), num_hidden_layers, std::int64_t{1}, kMaxLayers);
}

void expect_known_rope_type(std::string_view name, std::string_view rope_type) {
  if (rope_type == "default" || rope_type == "linear" || rope_type == "llama3" ||
      rope_type == "yarn") {
    return;
  }
  fail(ErrorCode::kUnsupported, name, ": expected default, linear, llama3 or yarn, got ",
       printable(rope_type));
}

void TextConfig::derive_defaults() {
  constexpr std::int64_t kDefaultWidth = 16384;
  constexpr std::size_t kSparseLayers = 10, kFullEvery = 5;
  constexpr double kSparsity = 0.95;
  expect_layer_count(num_hidden_layers);
  const auto L = static_cast<std::size_t>(num_hidden_layers);
  if (intermediate_size.empty()) intermediate_size.assign(L, kDefaultWidth);
  if (layer_types.empty()) {
    for (std::size_t i = 0; i < L; ++i) {
      layer_types.push_back((i + 1) % kFullEvery == 0 ? AttentionType::kFull
                                                      : AttentionType::kSliding);
    }
  }
  if (activation_sparsity_pattern.empty()) {
    activation_sparsity_pattern.assign(L, 0.0);
    if (L > kSparseLayers)
      std::fill_n(activation_sparsity_pattern.begin(), kSparseLayers, kSparsity);
  }
}

void TextConfig::validate() const {
  expect_layer_count(num_hidden_layers);
  validate_sizes(*this);
  validate_heads(*this);
  validate_lists(*this);
  validate_kv_sharing(*this);
  validate_numbers(*this);
  validate_token_ids(*this);
  validate_rope(field("rope_parameters.sliding_attention."), rope_sliding);
  validate_rope(field("rope_parameters.full_attention."), rope_full);
}

std::int64_t TextConfig::first_kv_shared_layer() const {
  return num_hidden_layers - num_kv_shared_layers;
}

std::int64_t TextConfig::kv_layer(std::int64_t i) const {
  const auto type = [&](std::int64_t layer) {
    return layer_types.at(static_cast<std::size_t>(layer));
  };
  std::int64_t owner = i < first_kv_shared_layer() ? i : first_kv_shared_layer() - 1;
  while (owner > 0 && type(owner) != type(i)) --owner;
  return owner;
}

}  // namespace gemma3n
