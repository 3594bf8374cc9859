#include "tokenizer/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

namespace gemma3n {
namespace {

// Not simdjson: "model_max_length" is usually 10^30, which only this parser takes.
using Json = nlohmann::json;

[[noreturn]] void fail_type(const std::string& where, const char* expected, const Json& value) {
  fail(ErrorCode::kCorruptData, where, ": expected ", expected, ", got ",
       value.is_string() ? quoted_text(value.get_ref<const std::string&>())
                         : std::string(value.type_name()));
}

const std::string& as_string(const Json& value, const std::string& where) {
  if (!value.is_string()) fail_type(where, "a string", value);
  return value.get_ref<const std::string&>();
}

bool as_bool(const Json& value, const std::string& where) {
  if (!value.is_boolean()) fail_type(where, "true or false", value);
  return value.get<bool>();
}

void expect_object(const Json& value, const std::string& where) {
  if (!value.is_object()) fail_type(where, "an object", value);
}

bool flag(const Json& token, const char* name, bool absent, const std::string& where) {
  const auto found = token.find(name);
  return found == token.end() ? absent : as_bool(*found, where + "." + name);
}

// An object with the fields of an added token; "special" may be missing.
AddedToken read_added_token(const Json& token, const std::string& where) {
  expect_object(token, where);
  const auto content = token.find("content");
  if (content == token.end()) fail(ErrorCode::kCorruptData, where, ".content: is missing");
  AddedToken added;
  added.content = as_string(*content, where + ".content");
  added.lstrip = flag(token, "lstrip", false, where);
  added.rstrip = flag(token, "rstrip", false, where);
  added.special = flag(token, "special", false, where);
  added.normalized = flag(token, "normalized", !added.special, where);
  expect_supported(added, flag(token, "single_word", false, where), where);
  return added;
}

// "<bos>", or an object. Tokens that are named are special whatever their flag says.
AddedToken read_special_token(const Json& value, const std::string& where) {
  AddedToken token;
  if (value.is_object()) {
    token = read_added_token(value, where);
  } else {
    token.content = as_string(value, where);
    expect_supported(token, false, where);
  }
  token.special = true;
  return token;
}

void read_named_tokens(const Json& object, const std::string& where, TokenizerConfig& config) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_null()) {
      config.named_tokens.insert_or_assign(name, std::nullopt);
    } else {
      config.named_tokens.insert_or_assign(name, read_special_token(value, where + "." + name));
    }
  }
}

// A list of tokens, or an object that gives each a name.
void read_extra_tokens(const Json& value, const std::string& where, TokenizerConfig& config) {
  if (value.is_null()) return;
  if (value.is_object()) return read_named_tokens(value, where, config);
  if (!value.is_array()) fail_type(where, "a list or an object", value);
  for (const Json& token : value) {
    config.extra_special_tokens.push_back(read_special_token(token, where));
  }
}

bool is_standard_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// The fields of either file that hold tokens.
void read_token_fields(const Json& file, const std::string& file_name, TokenizerConfig& config) {
  for (const auto& [key, value] : file.items()) {
    const std::string where = file_name + ": " + key;
    const bool may_be_token = value.is_string() || value.is_object();
    if (key == "extra_special_tokens" || key == "additional_special_tokens") {
      read_extra_tokens(value, where, config);
    } else if (is_standard_name(key) && value.is_null()) {
      config.named_tokens.insert_or_assign(key, std::nullopt);
    } else if (is_standard_name(key) || (key.ends_with("_token") && may_be_token)) {
      config.named_tokens.insert_or_assign(key, read_special_token(value, where));
    }
  }
}

void read_added_tokens_decoder(const Json& tokens, TokenizerConfig& config) {
  const std::string name = "tokenizer_config.json: added_tokens_decoder";
  expect_object(tokens, name);
  for (const auto& [key, value] : tokens.items()) {
    AddedToken token = read_added_token(value, name + "." + key);
    const char* const end = key.data() + key.size();
    const auto [stop, error] = std::from_chars(key.data(), end, token.id);
    if (error != std::errc() || stop != end || token.id < 0) {
      fail(ErrorCode::kCorruptData, name, ": expected ids as keys, got ", quoted_text(key));
    }
    config.added_tokens_decoder.push_back(std::move(token));
  }
}

bool names_gemma_class(const Json& file) {
  const auto name = file.find("tokenizer_class");
  if (name == file.end() || name->is_null()) return true;
  const auto& text = as_string(*name, "tokenizer_config.json: tokenizer_class");
  return text == "GemmaTokenizer" || text == "GemmaTokenizerFast";
}

Json parse_object(const std::string& json, const std::string& file_name) {
  Json file = Json::parse(json, nullptr, false);
  if (file.is_discarded()) fail(ErrorCode::kCorruptData, file_name, ": not valid JSON");
  expect_object(file, file_name);
  return file;
}

}  // namespace

TokenizerConfig parse_tokenizer_config(const std::string& config_json,
                                       const std::string& special_map_json) {
  TokenizerConfig config;
  bool has_decoder = false;
  if (!config_json.empty()) {
    const Json file = parse_object(config_json, "tokenizer_config.json");
    read_token_fields(file, "tokenizer_config.json", config);
    config.has_gemma_defaults = names_gemma_class(file);
    has_decoder = file.contains("added_tokens_decoder");
    if (has_decoder) read_added_tokens_decoder(file["added_tokens_decoder"], config);
  }
  if (!special_map_json.empty() && !has_decoder) {
    const std::string name = "special_tokens_map.json";
    read_token_fields(parse_object(special_map_json, name), name, config);
  }
  return config;
}

}  // namespace gemma3n
