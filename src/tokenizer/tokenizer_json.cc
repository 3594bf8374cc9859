#include "tokenizer/tokenizer_json.h"

#include <simdjson.h>

#include <algorithm>
#include <initializer_list>
#include <set>

namespace gemma3n {
namespace {

// Reading JSON that must have exactly the fields we know.

using Json = simdjson::dom::element;

// A value for a message.
std::string shown(const Json& element) {
  if (element.is_object()) return "an object";
  if (element.is_array()) return "an array";
  std::string_view string;
  if (element.get(string) == simdjson::SUCCESS) return quoted_text(string);
  return simdjson::to_string(element);
}

// A parsed document. Elements point into it, so it stays where it is.
class JsonDocument {
 public:
  explicit JsonDocument(const std::string& text);
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;
  Json root() const { return root_; }

 private:
  simdjson::dom::parser parser_;
  Json root_;
};

JsonDocument::JsonDocument(const std::string& text) {
  const auto error = parser_.parse(text).get(root_);
  if (error == simdjson::CAPACITY) {
    fail(ErrorCode::kUnsupported, "the file has ", text.size(),
         " bytes, supported are up to 4 GiB");
  }
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  if (error) fail(ErrorCode::kCorruptData, "not valid JSON: ", simdjson::error_message(error));
}

// The value as a T. Throws: kCorruptData naming `where` and what stands there instead.
template <typename T>
T as(const Json& element, std::string_view where, const char* type) {
  T value;
  if (element.get(value) != simdjson::SUCCESS) {
    fail(ErrorCode::kCorruptData, where, ": expected ", type, ", got ", shown(element));
  }
  return value;
}

simdjson::dom::object as_object(const Json& element, std::string_view where) {
  return as<simdjson::dom::object>(element, where, "an object");
}

simdjson::dom::array as_array(const Json& element, std::string_view where) {
  return as<simdjson::dom::array>(element, where, "an array");
}

std::string_view as_string(const Json& element, std::string_view where) {
  return as<std::string_view>(element, where, "a string");
}

std::uint64_t as_unsigned(const Json& element, std::string_view where) {
  return as<std::uint64_t>(element, where, "an unsigned integer");
}

bool as_bool(const Json& element, std::string_view where) {
  return as<bool>(element, where, "true or false");
}

// All keys must be different and among `keys`.
void expect_keys(const Json& element, std::string_view where,
                 std::initializer_list<std::string_view> keys) {
  std::vector<bool> seen(keys.size());
  for (const auto& [key, value] : as_object(element, where)) {
    const auto known = std::find(keys.begin(), keys.end(), key);
    if (known == keys.end()) {
      fail(ErrorCode::kUnsupported, where, ": unknown field ", quoted_text(key));
    }
    auto is_second = seen[static_cast<std::size_t>(known - keys.begin())];
    if (is_second)
      fail(ErrorCode::kCorruptData, where, ": field ", quoted_text(key), " appears twice");
    is_second = true;
  }
}

// The value of a key, or nothing if it is absent.
std::optional<Json> field(const Json& object, std::string_view key) {
  Json value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

Json required(const Json& object, std::string_view key, std::string_view where) {
  as_object(object, where);
  const auto value = field(object, key);
  if (!value) fail(ErrorCode::kCorruptData, where, ": field \"", key, "\" is missing");
  return *value;
}

bool bool_or(const Json& object, std::string_view key, bool absent, std::string_view where) {
  const auto value = field(object, key);
  return value ? as_bool(*value, where) : absent;
}

// The order of keys does not count.
bool equal(const Json& a, const Json& b) {
  if (a.type() != b.type()) return false;
  if (a.is_object()) {
    std::size_t fields = 0, others = 0;
    for (const auto& [key, value] : as_object(a, "")) {
      const auto other = field(b, key);
      if (!other || !equal(value, *other)) return false;
      ++fields;
    }
    for ([[maybe_unused]] const auto& unused : as_object(b, "")) ++others;
    return fields == others;
  }
  if (a.is_array()) {
    const auto left = as_array(a, ""), right = as_array(b, "");
    auto r = right.begin();
    for (const Json& value : left) {
      if (r == right.end() || !equal(value, *r)) return false;
      ++r;
    }
    return r == right.end();
  }
  return simdjson::to_string(a) == simdjson::to_string(b);
}

// What Gemma's file says; anything else means another algorithm.
constexpr const char* kNormalizer = R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})";
constexpr const char* kPreTokenizer =
    R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false})";
constexpr const char* kDecoder =
    R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
    R"({"type":"ByteFallback"},{"type":"Fuse"}]})";

void expect_step(Json file, std::string_view name, const char* expected) {
  const auto found = field(file, name);
  if (!found || !equal(*found, JsonDocument(expected).root())) {
    fail(ErrorCode::kUnsupported, name, ": expected ", expected, ", got ",
         found ? shown(*found) : "nothing");
  }
}

// Splitting at spaces does nothing after normalisation, so it may also be left out.
void expect_pre_tokenizer(Json file) {
  const auto found = field(file, "pre_tokenizer");
  if (found && !found->is_null()) expect_step(file, "pre_tokenizer", kPreTokenizer);
}

bool is_null_or_empty(const std::optional<Json>& value) {
  std::string_view string;
  return !value || value->is_null() || (value->get(string) == simdjson::SUCCESS && string.empty());
}

void expect_model_options(Json model) {
  expect_keys(model, "model",
              {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
               "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  const auto type = as_string(required(model, "type", "model"), "model.type");
  if (type != "BPE")
    fail(ErrorCode::kUnsupported, "model.type: expected BPE, got ", quoted_text(type));
  for (const auto name : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!is_null_or_empty(field(model, name))) {
      fail(ErrorCode::kUnsupported, "model.", name, ": expected null, got ",
           shown(*field(model, name)));
    }
  }
  if (!bool_or(model, "byte_fallback", false, "model.byte_fallback")) {
    fail(ErrorCode::kUnsupported, "model.byte_fallback: expected true, got false");
  }
  if (bool_or(model, "ignore_merges", false, "model.ignore_merges")) {
    fail(ErrorCode::kUnsupported, "model.ignore_merges: expected false, got true");
  }
  // Every byte has a token, so neither of these has any effect.
  bool_or(model, "fuse_unk", false, "model.fuse_unk");
  const auto unk = field(model, "unk_token");
  if (unk && !unk->is_null()) as_string(*unk, "model.unk_token");
}

Vocabulary read_vocabulary(Json model) {
  const auto vocab = as_object(required(model, "vocab", "model"), "model.vocab");
  Vocabulary vocabulary(vocab.size());
  try {
    for (const auto& [piece, id] : vocab) vocabulary.add(piece, as_unsigned(id, "id"));
  } catch (const Error& error) {
    fail(error.code(), "model.vocab: ", error.what());
  }
  return vocabulary;
}

// A merge is ["a", "b"] or, in older files, "a b".
class MergeReader {
 public:
  explicit MergeReader(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  std::vector<MergeRule> read(Json model) {
    const auto merges = as_array(required(model, "merges", "model"), "model.merges");
    std::vector<MergeRule> rules;
    rules.reserve(merges.size());
    for (const Json& merge : merges) {
      if (merge.is_array()) {
        ++pairs_;
        const auto [left, right] = pair_of(merge);
        rules.push_back(rule(left, right));
      } else {
        ++lines_;
        const auto line = as_string(merge, "model.merges");
        if (line.starts_with("#version")) continue;  // the first line of a merges.txt
        const auto space = line.find(' ');
        if (space == std::string_view::npos ||
            line.find(' ', space + 1) != std::string_view::npos) {
          fail(ErrorCode::kCorruptData,
               "model.merges: expected two tokens with a space between, got ", quoted_text(line));
        }
        rules.push_back(rule(line.substr(0, space), line.substr(space + 1)));
      }
    }
    if (pairs_ > 0 && lines_ > 0) {
      fail(ErrorCode::kCorruptData, "model.merges: expected all strings or all pairs, got ", lines_,
           " strings and ", pairs_, " pairs");
    }
    return rules;
  }

 private:
  static std::pair<std::string_view, std::string_view> pair_of(Json merge) {
    const auto parts = as_array(merge, "model.merges");
    if (parts.size() != 2) {
      fail(ErrorCode::kCorruptData, "model.merges: expected pairs, got an array of ", parts.size());
    }
    return {as_string(parts.at(0), "model.merges"), as_string(parts.at(1), "model.merges")};
  }

  TokenId token(std::string_view piece) const {
    const TokenId id = vocabulary_.find(piece);
    if (id == kNoToken) {
      fail(ErrorCode::kCorruptData, "model.merges: ", quoted_text(piece), " is not in model.vocab");
    }
    return id;
  }

  MergeRule rule(std::string_view left, std::string_view right) {
    joined_.assign(left);
    joined_.append(right);
    return {token(left), token(right), token(joined_)};
  }

  const Vocabulary& vocabulary_;
  std::string joined_;
  std::size_t pairs_ = 0, lines_ = 0;
};

AddedToken read_added_token(Json token, const std::string& where) {
  AddedToken added;
  added.content = as_string(required(token, "content", where), where + ".content");
  added.lstrip = bool_or(token, "lstrip", false, where + ".lstrip");
  added.rstrip = bool_or(token, "rstrip", false, where + ".rstrip");
  added.special = bool_or(token, "special", false, where + ".special");
  added.normalized = bool_or(token, "normalized", !added.special, where + ".normalized");
  expect_supported(added, bool_or(token, "single_word", false, where + ".single_word"), where);
  return added;
}

// Tokens that model.vocab does not have get ids from its size on, as `tokenizers` does it.
std::vector<AddedToken> read_added_tokens(Json file, Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  const auto found = field(file, "added_tokens");
  if (!found) return tokens;
  std::set<std::string, std::less<>> contents;
  std::uint64_t next_id = vocabulary.size();
  for (const Json& token : as_array(*found, "added_tokens")) {
    const std::string where = "added_tokens[" + std::to_string(tokens.size()) + "]";
    expect_keys(token, where,
                {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken added = read_added_token(token, where);
    const std::uint64_t id = as_unsigned(required(token, "id", where), where + ".id");
    if (!contents.insert(added.content).second) {
      fail(ErrorCode::kCorruptData, where, ": ", quoted_text(added.content), " appears twice");
    }
    added.id = vocabulary.find(added.content);
    const std::uint64_t expected =
        added.id != kNoToken ? static_cast<std::uint64_t>(added.id) : next_id;
    if (id != expected) {
      fail(ErrorCode::kCorruptData, where, ".id: expected ", expected, " for ",
           quoted_text(added.content), ", got ", id,
           "; model.vocab must hold a token whose id does not continue its own");
    }
    if (added.id == kNoToken) {
      vocabulary.add(added.content, next_id);
      added.id = static_cast<TokenId>(next_id++);
    }
    tokens.push_back(std::move(added));
  }
  return tokens;
}

// The ids of one "SpecialToken" of the template.
std::vector<TokenId> template_ids(Json post_processor, Json special, const Vocabulary& vocabulary) {
  const std::string where = "post_processor.special_tokens";
  const auto name = as_string(required(special, "id", where), where);
  const Json tokens = required(post_processor, "special_tokens", "post_processor");
  std::vector<TokenId> ids;
  for (const Json& id : as_array(required(required(tokens, name, where), "ids", where), where)) {
    const std::uint64_t token = as_unsigned(id, where);
    if (token >= vocabulary.id_limit() || vocabulary.piece(static_cast<TokenId>(token)).empty()) {
      fail(ErrorCode::kCorruptData, where, ": no token has id ", token);
    }
    ids.push_back(static_cast<TokenId>(token));
  }
  return ids;
}

// Each item looks its token up in a list that may be as long as the file.
constexpr std::size_t kMaxTemplateItems = 64;

void read_post_processor(Json file, TokenizerJson& result) {
  const auto found = field(file, "post_processor");
  if (!found || found->is_null()) return;
  const auto type = as_string(required(*found, "type", "post_processor"), "post_processor.type");
  if (type != "TemplateProcessing") {
    fail(ErrorCode::kUnsupported, "post_processor.type: expected TemplateProcessing, got ",
         quoted_text(type));
  }
  expect_keys(*found, "post_processor", {"type", "single", "pair", "special_tokens"});
  const std::string where = "post_processor.single";
  const auto items = as_array(required(*found, "single", "post_processor"), where);
  if (items.size() > kMaxTemplateItems) {
    fail(ErrorCode::kUnsupported, where, ": expected at most ", kMaxTemplateItems, " items, got ",
         items.size());
  }
  bool behind = false;
  for (const Json& item : items) {
    expect_keys(item, where, {"SpecialToken", "Sequence"});
    if (const auto special = field(item, "SpecialToken")) {
      const auto ids = template_ids(*found, *special, result.vocabulary);
      auto& list = behind ? result.suffix : result.prefix;
      list.insert(list.end(), ids.begin(), ids.end());
      continue;
    }
    const Json sequence = required(item, "Sequence", where);
    if (behind || as_string(required(sequence, "id", where), where) != "A") {
      fail(ErrorCode::kUnsupported, where, ": expected the sequence A once");
    }
    behind = true;
  }
  if (!behind) fail(ErrorCode::kUnsupported, where, ": expected the sequence A once");
}

}  // namespace

TokenizerJson parse_tokenizer_json(const std::string& json) {
  const JsonDocument document(json);
  const Json file = document.root();
  expect_keys(file, "the file",
              {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
               "post_processor", "decoder", "model"});
  if (const auto version = field(file, "version")) {
    if (as_string(*version, "version") != "1.0") {
      fail(ErrorCode::kUnsupported, "version: expected \"1.0\", got ", shown(*version));
    }
  }
  const Json model = required(file, "model", "the file");
  expect_model_options(model);
  expect_step(file, "normalizer", kNormalizer);
  expect_pre_tokenizer(file);
  expect_step(file, "decoder", kDecoder);

  TokenizerJson result;
  result.vocabulary = read_vocabulary(model);
  result.base_vocab_size = result.vocabulary.size();
  result.merges = MergeReader(result.vocabulary).read(model);
  result.added_tokens = read_added_tokens(file, result.vocabulary);
  read_post_processor(file, result);
  return result;
}

}  // namespace gemma3n
