// generation_config.json <-> GenerationConfig.
#include <array>
#include <cmath>
#include <limits>

#include "base/mapped_file.h"
#include "base/utf8.h"
#include "checkpoint/json.h"
#include "checkpoint/printable.h"
#include "gemma3n/generation.h"

namespace gemma3n {
namespace {

constexpr std::size_t kMaxFileBytes = 4u << 20;
constexpr std::int64_t kMaxReturnSequences = 65536;  // more is a mistake, not a wish
constexpr std::int64_t kMaxAssistantTokens =
    256;  // a draft must fit one pass (KvCache::kMaxPassRows)

// ---- reading

[[noreturn]] void wrong_value(std::string_view key, std::string_view expected, const Json& got) {
  fail(ErrorCode::kInvalidArgument, key, ": expected ", expected, ", got ", quoted(got));
}

void read(std::string_view key, const Json& json, bool& out) {
  const auto* value = get_if<bool>(json);
  if (!value) wrong_value(key, "true or false", json);
  out = *value;
}

void read(std::string_view key, const Json& json, std::int64_t& out) {
  const auto* value = get_if<std::int64_t>(json);
  if (!value) wrong_value(key, "an integer", json);
  out = *value;
}

void read(std::string_view key, const Json& json, double& out) {
  if (const auto* integer = get_if<std::int64_t>(json)) {
    out = static_cast<double>(*integer);
  } else if (const auto* number = get_if<double>(json)) {
    out = *number;
  } else {
    wrong_value(key, "a number", json);
  }
}

void read(std::string_view key, const Json& json, TokenId& out) {
  const auto* value = get_if<std::int64_t>(json);
  if (!value || *value < 0 || *value > std::numeric_limits<TokenId>::max()) {
    wrong_value(key, "a token id", json);
  }
  out = static_cast<TokenId>(*value);
}

void read(std::string_view key, const Json& json, std::string& out) {
  const auto* value = get_if<std::string>(json);
  if (!value) wrong_value(key, "a string", json);
  out = *value;
}

void read(std::string_view key, const Json& json, CacheStorage& out) {
  std::string name;
  read(key, json, name);
  for (const auto storage : {CacheStorage::kF32, CacheStorage::kBF16, CacheStorage::kInt8}) {
    if (name == cache_storage_name(storage)) {
      out = storage;
      return;
    }
  }
  wrong_value(key, "f32, bf16 or int8", json);
}

template <typename T>
void read(std::string_view key, const Json& json, std::optional<T>& out) {
  read(key, json, out.emplace());
}

template <typename T>
void read(std::string_view key, const Json& json, std::vector<T>& out) {
  const auto* list = get_if<Json::Array>(json);
  if (!list) wrong_value(key, "a list", json);
  out.clear();
  for (const Json& item : *list) read(key, item, out.emplace_back());
}

// transformers takes one value where a list of one would do.
template <typename T>
void read_one_or_list(std::string_view key, const Json& json, std::vector<T>& out) {
  if (get_if<Json::Array>(json)) {
    read(key, json, out);
  } else {
    out.clear();
    read(key, json, out.emplace_back());
  }
}

// Each field of the file, once: reading and writing both go through this list.
template <typename Config, typename Visit>
void for_each_field(Config& c, Visit visit) {
  visit("max_new_tokens", c.max_new_tokens);
  visit("max_length", c.max_length);
  visit("min_new_tokens", c.min_new_tokens);
  visit("min_length", c.min_length);
  visit("do_sample", c.do_sample);
  visit("temperature", c.temperature);
  visit("top_k", c.top_k);
  visit("top_p", c.top_p);
  visit("min_p", c.min_p);
  visit("typical_p", c.typical_p);
  visit("repetition_penalty", c.repetition_penalty);
  visit("no_repeat_ngram_size", c.no_repeat_ngram_size);
  visit("bad_words_ids", c.bad_words_ids);
  visit("stop_strings", c.stop_strings);
  visit("eos_token_id", c.eos_token_id);
  visit("pad_token_id", c.pad_token_id);
  visit("bos_token_id", c.bos_token_id);
  visit("num_return_sequences", c.num_return_sequences);
  visit("cache_implementation", c.cache_implementation);
  visit("cache_storage", c.cache_storage);
  visit("prefill_chunk_size", c.prefill_chunk_size);
  visit("num_assistant_tokens", c.num_assistant_tokens);
  visit("num_assistant_tokens_schedule", c.num_assistant_tokens_schedule);
  visit("assistant_confidence_threshold", c.assistant_confidence_threshold);
  visit("output_scores", c.output_scores);
  visit("output_logits", c.output_logits);
}

// Options of transformers that change which tokens or scores come out, with the values at which
// they do nothing. Options that only matter together with one of these (length_penalty, ...) or
// that cannot change the result (use_cache, ...) are ignored like unknown keys. Ref: HF
// GenerationConfig; GenerationConfig.get_generation_mode
struct UnsupportedOption {
  std::string_view key;
  std::string_view neutral;  // JSON text; "null" is always neutral
};
constexpr std::array kUnsupportedOptions = {
    // other ways to search
    UnsupportedOption{"num_beams", "1"},
    UnsupportedOption{"num_beam_groups", "1"},
    UnsupportedOption{"diversity_penalty", "0.0"},
    UnsupportedOption{"penalty_alpha", "0.0"},
    UnsupportedOption{"dola_layers", "null"},
    UnsupportedOption{"constraints", "null"},
    UnsupportedOption{"force_words_ids", "null"},
    UnsupportedOption{"prompt_lookup_num_tokens", "null"},
    UnsupportedOption{"assistant_early_exit", "null"},
    UnsupportedOption{"assistant_ensemble_weight", "null"},
    UnsupportedOption{"is_assistant", "false"},
    UnsupportedOption{"use_mtp", "false"},
    UnsupportedOption{"speculation_type", "null"},
    UnsupportedOption{"token_healing", "false"},
    UnsupportedOption{"max_time", "null"},
    // other processors
    UnsupportedOption{"guidance_scale", "1.0"},
    UnsupportedOption{"sequence_bias", "null"},
    UnsupportedOption{"encoder_repetition_penalty", "1.0"},
    UnsupportedOption{"encoder_no_repeat_ngram_size", "0"},
    UnsupportedOption{"forced_bos_token_id", "null"},
    UnsupportedOption{"forced_eos_token_id", "null"},
    UnsupportedOption{"exponential_decay_length_penalty", "null"},
    UnsupportedOption{"suppress_tokens", "null"},
    UnsupportedOption{"begin_suppress_tokens", "null"},
    UnsupportedOption{"top_h", "null"},
    UnsupportedOption{"epsilon_cutoff", "0.0"},
    UnsupportedOption{"eta_cutoff", "0.0"},
    UnsupportedOption{"watermarking_config", "null"},
    UnsupportedOption{"renormalize_logits", "false"},
};

bool is_neutral(const Json& json, std::string_view neutral) {
  if (is_null(json)) return true;
  if (neutral == "null") return false;
  if (const auto* flag = get_if<bool>(json)) return neutral == (*flag ? "true" : "false");
  double number = 0.0;
  if (const auto* integer = get_if<std::int64_t>(json)) {
    number = static_cast<double>(*integer);
  } else if (const auto* real = get_if<double>(json)) {
    number = *real;
  } else {
    return false;
  }
  return neutral != "false" && number == (neutral.front() == '1' ? 1.0 : 0.0);
}

void refuse_unsupported_options(const Json::Object& object) {
  for (const auto& [key, neutral] : kUnsupportedOptions) {
    const Json* value = find(object, key);
    if (value && !is_neutral(*value, neutral)) {
      fail(ErrorCode::kUnsupported, key, ": expected ", neutral, ", got ", quoted(*value),
           "; this option is not supported, leave it out");
    }
  }
}

template <typename T>
void read_field(std::string_view key, const Json& json, T& out) {
  if constexpr (std::is_same_v<T, std::vector<TokenId>> ||
                std::is_same_v<T, std::vector<std::string>>) {
    read_one_or_list(key, json, out);
  } else {
    read(key, json, out);
  }
}

// ---- writing

Json to_json_value(const auto& value) { return Json{value}; }
Json to_json_value(TokenId value) { return Json{static_cast<std::int64_t>(value)}; }
Json to_json_value(CacheStorage value) { return Json{std::string(cache_storage_name(value))}; }

template <typename T>
Json to_json_value(const std::optional<T>& value) {
  return value ? to_json_value(*value) : Json{nullptr};
}

template <typename T>
Json to_json_value(const std::vector<T>& values) {
  Json::Array list;
  for (const T& value : values) list.push_back(to_json_value(value));
  return Json{std::move(list)};
}

// ---- checking

void expect(bool holds, std::string_view option, std::string_view expected, const auto& got) {
  if (!holds) {
    fail(ErrorCode::kInvalidArgument, "generation config: ", option, ": expected ", expected,
         ", got ", got);
  }
}

void check_lengths(const GenerationConfig& c) {
  if (c.max_new_tokens) {
    expect(*c.max_new_tokens > 0, "max_new_tokens", "1 or more", *c.max_new_tokens);
  }
  if (c.max_length) expect(*c.max_length > 0, "max_length", "1 or more", *c.max_length);
  expect(c.min_new_tokens >= 0, "min_new_tokens", "0 or more", c.min_new_tokens);
  expect(c.min_length >= 0, "min_length", "0 or more", c.min_length);
  expect(c.no_repeat_ngram_size >= 0, "no_repeat_ngram_size", "0 or more", c.no_repeat_ngram_size);
  expect(c.prefill_chunk_size >= 0, "prefill_chunk_size", "0 or more", c.prefill_chunk_size);
}

// They divide float32 scores, so they must not vanish as float32.
void check_divisor(std::string_view option, double value) {
  const auto single = static_cast<float>(value);
  expect(std::isnormal(single) && single > 0.0f, option, "a number above 0", value);
}

void check_sampling(const GenerationConfig& c) {
  check_divisor("temperature", c.temperature);
  check_divisor("repetition_penalty", c.repetition_penalty);
  expect(c.top_k >= 0, "top_k", "0 or more", c.top_k);
  expect(c.top_p >= 0.0 && c.top_p <= 1.0, "top_p", "a number from 0 to 1", c.top_p);
  expect(c.min_p >= 0.0 && c.min_p <= 1.0, "min_p", "a number from 0 to 1", c.min_p);
  expect(c.typical_p > 0.0 && c.typical_p <= 1.0, "typical_p", "a number above 0, at most 1",
         c.typical_p);
  expect(c.num_return_sequences >= 1 && c.num_return_sequences <= kMaxReturnSequences,
         "num_return_sequences", "1 to 65536", c.num_return_sequences);
  expect(c.num_return_sequences == 1 || c.do_sample, "num_return_sequences",
         "1 unless do_sample is set (greedy sequences would all be the same)",
         c.num_return_sequences);
}

void check_tokens(const GenerationConfig& c) {
  for (const TokenId id : c.eos_token_id) expect(id >= 0, "eos_token_id", "ids of 0 or more", id);
  if (c.pad_token_id) expect(*c.pad_token_id >= 0, "pad_token_id", "0 or more", *c.pad_token_id);
  if (c.bos_token_id) expect(*c.bos_token_id >= 0, "bos_token_id", "0 or more", *c.bos_token_id);
  for (const auto& word : c.bad_words_ids) {
    expect(!word.empty(), "bad_words_ids", "lists of at least one id", "an empty one");
    for (const TokenId id : word) expect(id >= 0, "bad_words_ids", "ids of 0 or more", id);
  }
  for (const std::string& text : c.stop_strings) {
    expect(!text.empty(), "stop_strings", "strings of at least one character", "an empty one");
    expect(is_valid_utf8(text), "stop_strings", "valid UTF-8", printable(text));
  }
}

void check_assistance(const GenerationConfig& c) {
  expect(c.num_assistant_tokens >= 1 && c.num_assistant_tokens <= kMaxAssistantTokens,
         "num_assistant_tokens", "1 to 256", c.num_assistant_tokens);
  const std::string& schedule = c.num_assistant_tokens_schedule;
  expect(schedule == "constant" || schedule == "heuristic" || schedule == "heuristic_transient",
         "num_assistant_tokens_schedule", "constant, heuristic or heuristic_transient",
         printable(schedule));
  const double threshold = c.assistant_confidence_threshold;
  expect(threshold >= 0.0 && threshold <= 1.0, "assistant_confidence_threshold",
         "a number from 0 to 1", threshold);
}

void check_cache(const std::string& name) {
  if (name != "dynamic" && name != "static" && name != "hybrid") {
    fail(ErrorCode::kUnsupported,
         "generation config: cache_implementation: expected dynamic, static or hybrid, got ",
         printable(name));
  }
}

// ---- config.json, for checkpoints without generation_config.json

// Ref: HF GenerationConfig.from_model_config: the top level first, then the text model's.
GenerationConfig from_model_config(std::string_view text, GenerationConfig config) {
  const Json::Object object = parse_json_object(text);
  const Json* nested = find(object, "text_config");
  const auto* text_config = nested ? get_if<Json::Object>(*nested) : nullptr;
  const auto id_of = [&](std::string_view key) -> const Json* {
    const Json* value = find(object, key);
    if ((!value || is_null(*value)) && text_config) value = find(*text_config, key);
    return value && !is_null(*value) ? value : nullptr;
  };

  const TextConfig defaults;
  config.eos_token_id.assign(defaults.eos_token_id.begin(), defaults.eos_token_id.end());
  if (defaults.pad_token_id) config.pad_token_id = static_cast<TokenId>(*defaults.pad_token_id);
  if (defaults.bos_token_id) config.bos_token_id = static_cast<TokenId>(*defaults.bos_token_id);
  if (const Json* value = id_of("eos_token_id")) {
    read_one_or_list("eos_token_id", *value, config.eos_token_id);
  }
  if (const Json* value = id_of("pad_token_id")) read("pad_token_id", *value, config.pad_token_id);
  if (const Json* value = id_of("bos_token_id")) read("bos_token_id", *value, config.bos_token_id);
  return config;
}

GenerationConfig from_file(std::string_view json, GenerationConfig config) {
  const Json::Object object = parse_json_object(json);
  refuse_unsupported_options(object);
  for_each_field(config, [&](std::string_view key, auto& field) {
    const Json* value = find(object, key);
    if (value && !is_null(*value)) read_field(key, *value, field);
  });
  config.validate();
  return config;
}

}  // namespace

GenerationConfig GenerationConfig::from_json(std::string_view json) { return from_file(json, {}); }

GenerationConfig GenerationConfig::from_pretrained(const std::filesystem::path& model_dir) {
  return from_pretrained(model_dir, {});
}

GenerationConfig GenerationConfig::from_pretrained(const std::filesystem::path& model_dir,
                                                   const GenerationConfig& defaults) {
  const bool has_own_file = std::filesystem::exists(model_dir / "generation_config.json");
  const char* name = has_own_file ? "generation_config.json" : "config.json";
  const std::string text = read_text_file(model_dir / name, kMaxFileBytes);
  try {
    return has_own_file ? from_file(text, defaults) : from_model_config(text, defaults);
  } catch (const Error& error) {
    fail(error.code(), name, ": ", error.what());
  }
}

std::string GenerationConfig::to_json() const {
  Json::Object object;
  for_each_field(*this, [&](std::string_view key, const auto& field) {
    object.push_back({std::string(key), to_json_value(field)});
  });
  return to_text(object);
}

void GenerationConfig::validate() const {
  check_lengths(*this);
  check_sampling(*this);
  check_tokens(*this);
  check_assistance(*this);
  check_cache(cache_implementation);
}

}  // namespace gemma3n
