#include "checkpoint/text_config.h"

#include <algorithm>

#include "checkpoint/config_fields.h"
#include "checkpoint/printable.h"
#include "checkpoint/text_config_limits.h"

namespace gemma3n {
namespace {

constexpr std::string_view kPath = "text_config.";
constexpr std::string_view kModelType = "gemma3n_text";
constexpr std::string_view kSliding = "sliding_attention", kFull = "full_attention";

// The fields whose JSON form is that of their type. The rest has functions of its own below.
template <typename Visitor, typename Config>
void visit_fields(Visitor& visit, Config& c) {
  visit("vocab_size", c.vocab_size);
  visit("vocab_size_per_layer_input", c.vocab_size_per_layer_input);
  visit("hidden_size", c.hidden_size);
  visit("hidden_size_per_layer_input", c.hidden_size_per_layer_input);
  visit("num_hidden_layers", c.num_hidden_layers);
  visit("num_attention_heads", c.num_attention_heads);
  visit("num_key_value_heads", c.num_key_value_heads);
  visit("head_dim", c.head_dim);
  visit("hidden_activation", c.hidden_activation);
  visit("max_position_embeddings", c.max_position_embeddings);
  visit("initializer_range", c.initializer_range);
  visit("rms_norm_eps", c.rms_norm_eps);
  visit("use_cache", c.use_cache);
  visit("pad_token_id", c.pad_token_id);
  visit("bos_token_id", c.bos_token_id);
  visit("tie_word_embeddings", c.tie_word_embeddings);
  visit("attention_bias", c.attention_bias);
  visit("sliding_window", c.sliding_window);
  visit("final_logit_softcapping", c.final_logit_softcapping);
  visit("altup_active_idx", c.altup_active_idx);
  visit("altup_coef_clip", c.altup_coef_clip);
  visit("altup_correct_scale", c.altup_correct_scale);
  visit("altup_num_inputs", c.altup_num_inputs);
  visit("num_kv_shared_layers", c.num_kv_shared_layers);
  visit("laurel_rank", c.laurel_rank);
}

template <typename Visitor, typename Rope>
void visit_rope_fields(Visitor& visit, Rope& r) {
  visit("rope_type", r.rope_type);
  visit("rope_theta", r.rope_theta);
  if (r.rope_type == "default") return;
  visit("factor", r.factor);
  if (r.rope_type == "linear") return;
  visit("original_max_position_embeddings", r.original_max_position_embeddings);
  if (r.rope_type == "llama3") {
    visit("low_freq_factor", r.low_freq_factor);
    visit("high_freq_factor", r.high_freq_factor);
  } else if (r.rope_type == "yarn") {
    visit("beta_fast", r.beta_fast);
    visit("beta_slow", r.beta_slow);
    visit("attention_factor", r.attention_factor);
    visit("mscale", r.mscale);
    visit("mscale_all_dim", r.mscale_all_dim);
    visit("truncate", r.truncate);
  }
}

// Removes `key` if its value is null: HF's rope functions treat null as absent.
void drop_null(Json::Object& object, std::string_view key) {
  std::erase_if(object, [&](const auto& m) { return m.key == key && is_null(m.value); });
}

// "rope_type" was once spelled "type"; the new spelling wins.
void rename_old_type(Json::Object& object) {
  if (find(object, "rope_type") != nullptr) return;
  for (auto& member : object) {
    if (member.key == "type") member.key = "rope_type";
  }
}

// Ref: HF modeling_rope_utils, required keys of each _validate_*_rope_parameters
void require_keys(const Json::Object& object, const RopeParameters& rope, const std::string& path) {
  std::vector<std::string_view> required;
  if (rope.rope_type == "linear" || rope.rope_type == "yarn") required = {"factor"};
  if (rope.rope_type == "llama3") {
    required = {"factor", "low_freq_factor", "high_freq_factor"};
  }
  for (const auto key : required) {
    if (find(object, key) != nullptr) continue;
    fail(ErrorCode::kInvalidArgument, path, key, ": missing, but rope_type ", rope.rope_type,
         " needs it");
  }
}

void read_rope(Json::Object object, const std::string& path, RopeParameters& rope) {
  rename_old_type(object);
  for (const auto key : {"beta_fast", "beta_slow", "original_max_position_embeddings"}) {
    drop_null(object, key);
  }
  if (const Json* type = find(object, "rope_type")) {
    const auto* text = get_if<std::string>(*type);
    if (text == nullptr) FieldReader({}, path).refuse("rope_type", "a string", *type);
    rope.rope_type = *text;
  }
  expect_known_rope_type(path + "rope_type", rope.rope_type);
  require_keys(object, rope, path);
  const bool extends_length = rope.rope_type == "llama3" || rope.rope_type == "yarn";
  const bool gives_original =
      extends_length && find(object, "original_max_position_embeddings") != nullptr;
  FieldReader reader(std::move(object), path);
  visit_rope_fields(reader, rope);
  if (gives_original) {
    expect_range(path + "original_max_position_embeddings", rope.original_max_position_embeddings,
                 std::int64_t{1}, kMaxTokens);
  }
  double rotated_share = 1.0;
  reader("partial_rotary_factor", rotated_share);
  // Plain rotary embedding ignores it. Ref: HF Gemma3nTextRotaryEmbedding
  if (rope.rope_type != "default" && rotated_share != 1.0) {
    fail(ErrorCode::kUnsupported, path, "partial_rotary_factor: expected 1, got ", rotated_share);
  }
}

// The old form has rope_theta, rope_local_base_freq and rope_scaling beside the other fields; the
// new one has rope_parameters with an object for each attention type, and the old keys as defaults.
// Ref: HF Gemma3nTextConfig.convert_rope_params_to_dict
// Differs: a rope_scaling with only the old spelling "type" counts, as in transformers 4.
void read_rope_parameters(FieldReader& reader, TextConfig& c) {
  reader("rope_theta", c.rope_full.rope_theta);
  reader("rope_local_base_freq", c.rope_sliding.rope_theta);
  expect_above(reader.path() + "rope_theta", c.rope_full.rope_theta, 0.0);
  expect_above(reader.path() + "rope_local_base_freq", c.rope_sliding.rope_theta, 0.0);
  Json::Object scaling = reader.take_object("rope_scaling");

  const std::string path = reader.path() + "rope_parameters.";
  FieldReader by_type(reader.take_object("rope_parameters"), path);
  Json::Object full = by_type.take_object(kFull);
  Json::Object sliding = by_type.take_object(kSliding);
  for (const auto* key : {"rope_type", "type", "rope_theta", "factor"}) {
    if (const auto flat = by_type.take(key); flat && full.empty() && sliding.empty()) {
      fail(ErrorCode::kInvalidArgument, path, key, ": expected one object for ", kSliding,
           " and one for ", kFull, ", got one for both");
    }
  }
  if (!scaling.empty()) rename_old_type(scaling);
  for (auto& member : scaling) {
    std::erase_if(full, [&](const auto& m) { return m.key == member.key; });
    full.push_back(std::move(member));
  }
  read_rope(std::move(full), path + std::string(kFull) + ".", c.rope_full);
  read_rope(std::move(sliding), path + std::string(kSliding) + ".", c.rope_sliding);
}

Json::Object write_rope(const RopeParameters& rope) {
  FieldWriter writer;
  visit_rope_fields(writer, rope);
  Json::Object object = writer.take();
  if (rope.original_max_position_embeddings == 0) {
    std::erase_if(object,
                  [](const auto& m) { return m.key == "original_max_position_embeddings"; });
  }
  return object;
}

void expect_length(std::string_view key, std::size_t length, const TextConfig& c) {
  if (length == static_cast<std::size_t>(c.num_hidden_layers)) return;
  fail(ErrorCode::kInvalidArgument, kPath, key, ": expected ", c.num_hidden_layers,
       " entries, one per layer, got ", length);
}

void read_intermediate_size(FieldReader& reader, TextConfig& c) {
  const auto json = reader.take("intermediate_size");
  if (!json) return;
  if (const auto* one = get_if<std::int64_t>(*json)) {
    c.intermediate_size.assign(static_cast<std::size_t>(c.num_hidden_layers), *one);
    return;
  }
  if (get_if<Json::Array>(*json) == nullptr) {
    reader.refuse("intermediate_size", "an integer or a list of integers", *json);
  }
  FieldReader list({{"intermediate_size", *json}}, reader.path());
  list("intermediate_size", c.intermediate_size);
  expect_length("intermediate_size", c.intermediate_size.size(), c);
}

void read_layer_types(FieldReader& reader, TextConfig& c) {
  const auto json = reader.take("layer_types");
  if (!json || is_null(*json)) return;
  const auto* array = get_if<Json::Array>(*json);
  if (array == nullptr) reader.refuse("layer_types", "a list of strings", *json);
  expect_length("layer_types", array->size(), c);
  for (const Json& item : *array) {
    const auto* text = get_if<std::string>(item);
    if (text == nullptr) reader.refuse("layer_types", "a list of strings", *json);
    if (*text != kSliding && *text != kFull) {
      fail(ErrorCode::kUnsupported, kPath, "layer_types: expected ", kSliding, " or ", kFull,
           ", got ", printable(*text));
    }
    c.layer_types.push_back(*text == kFull ? AttentionType::kFull : AttentionType::kSliding);
  }
}

void read_sparsity(FieldReader& reader, TextConfig& c) {
  auto json = reader.take("activation_sparsity_pattern");
  if (!json || is_null(*json)) return;
  FieldReader list({{"activation_sparsity_pattern", std::move(*json)}}, reader.path());
  list("activation_sparsity_pattern", c.activation_sparsity_pattern);
  expect_length("activation_sparsity_pattern", c.activation_sparsity_pattern.size(), c);
}

}  // namespace

TextConfig read_text_config(Json::Object object) {
  FieldReader reader(std::move(object), std::string(kPath));
  std::string model_type(kModelType);
  reader("model_type", model_type);
  if (model_type != kModelType) {
    fail(ErrorCode::kUnsupported, kPath, "model_type: expected ", kModelType, ", got ",
         printable(model_type));
  }
  TextConfig c;
  visit_fields(reader, c);
  expect_layer_count(c.num_hidden_layers);
  read_token_ids(reader, "eos_token_id", c.eos_token_id);
  std::optional<double> dropout = c.attention_dropout;
  reader("attention_dropout", dropout);
  c.attention_dropout = dropout.value_or(0.0);
  read_intermediate_size(reader, c);
  read_layer_types(reader, c);
  read_sparsity(reader, c);
  read_rope_parameters(reader, c);
  c.extra_json = reader.extra_json();
  c.derive_defaults();
  c.validate();
  return c;
}

Json::Object write_text_config(const TextConfig& c) {
  FieldWriter writer;
  writer("model_type", std::string(kModelType));
  visit_fields(writer, c);
  write_token_ids(writer, "eos_token_id", c.eos_token_id);
  writer("attention_dropout", c.attention_dropout);
  writer("intermediate_size", c.intermediate_size);
  Json::Array types;
  for (const AttentionType type : c.layer_types) {
    types.push_back({std::string(type == AttentionType::kFull ? kFull : kSliding)});
  }
  writer.put("layer_types", {std::move(types)});
  writer("activation_sparsity_pattern", c.activation_sparsity_pattern);
  writer.put("rope_parameters",
             {Json::Object{{std::string(kFull), {write_rope(c.rope_full)}},
                           {std::string(kSliding), {write_rope(c.rope_sliding)}}}});
  writer.put_extra(c.extra_json);
  return writer.take();
}

TextConfig TextConfig::from_json(std::string_view json) {
  return read_text_config(parse_json_object(json));
}

std::string TextConfig::to_json() const { return to_text(write_text_config(*this)); }

}  // namespace gemma3n
