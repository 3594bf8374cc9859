// Files that are not Gemma's tokenizer, or not a tokenizer, or made to hurt: each is refused with
// the right code and a message that names the field.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/tokenizer.h"
#include "tokenizer/test_tokenizer.h"

namespace gemma3n {
namespace {

constexpr ErrorCode kCorrupt = ErrorCode::kCorruptData;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

// One change of the good file. `value` is JSON; "-" removes the field.
struct Change {
  const char* where;  // JSON pointer
  const char* value;
  ErrorCode code;
  const char* message;  // part of it
};

const Change kChanges[] = {
    {"", "[]", kCorrupt, "expected an object"},
    {"", "7", kCorrupt, "expected an object"},
    {"/model", "-", kCorrupt, "\"model\" is missing"},
    {"/model", "null", kCorrupt, "model: expected an object"},
    {"/model", "[]", kCorrupt, "model: expected an object"},
    {"/version", "\"2.0\"", kUnsupported, "version"},
    {"/version", "1.0", kCorrupt, "version: expected a string"},
    {"/something", "1", kUnsupported, "unknown field \"something\""},
    // another algorithm
    {"/model/type", "\"Unigram\"", kUnsupported, "model.type: expected BPE"},
    {"/model/type", "\"WordPiece\"", kUnsupported, "model.type"},
    {"/model/type", "null", kCorrupt, "model.type: expected a string"},
    {"/model/type", "-", kCorrupt, "\"type\" is missing"},
    {"/model/dropout", "0.1", kUnsupported, "model.dropout: expected null"},
    {"/model/continuing_subword_prefix", "\"##\"", kUnsupported, "continuing_subword_prefix"},
    {"/model/end_of_word_suffix", "\"</w>\"", kUnsupported, "end_of_word_suffix"},
    {"/model/byte_fallback", "false", kUnsupported, "model.byte_fallback"},
    {"/model/byte_fallback", "-", kUnsupported, "model.byte_fallback"},
    {"/model/byte_fallback", "1", kCorrupt, "true or false"},
    {"/model/ignore_merges", "true", kUnsupported, "model.ignore_merges"},
    {"/model/ignore_merges", "\"no\"", kCorrupt, "true or false"},
    {"/model/fuse_unk", "[]", kCorrupt, "model.fuse_unk"},
    {"/model/unk_token", "3", kCorrupt, "model.unk_token"},
    {"/model/new_option", "null", kUnsupported, "unknown field \"new_option\""},
    {"/normalizer", "null", kUnsupported, "normalizer: expected"},
    {"/normalizer", "-", kUnsupported, "normalizer: expected"},
    {"/normalizer", R"({"type":"NFKC"})", kUnsupported, "normalizer: expected"},
    {"/normalizer/content", "\"_\"", kUnsupported, "normalizer: expected"},
    {"/normalizer/pattern", R"({"Regex":" "})", kUnsupported, "normalizer: expected"},
    {"/normalizer/pattern/String", "\"  \"", kUnsupported, "normalizer: expected"},
    {"/normalizer/extra", "1", kUnsupported, "normalizer: expected"},
    {"/pre_tokenizer/behavior", "\"Isolated\"", kUnsupported, "pre_tokenizer: expected"},
    {"/pre_tokenizer/invert", "true", kUnsupported, "pre_tokenizer: expected"},
    {"/pre_tokenizer", R"({"type":"Whitespace"})", kUnsupported, "pre_tokenizer: expected"},
    {"/pre_tokenizer", "\"Split\"", kUnsupported, "pre_tokenizer: expected"},
    {"/decoder", "null", kUnsupported, "decoder: expected"},
    {"/decoder", R"({"type":"ByteLevel"})", kUnsupported, "decoder: expected"},
    {"/decoder/decoders/2", R"({"type":"Strip","content":" ","start":1,"stop":0})", kUnsupported,
     "decoder: expected"},
    {"/decoder/decoders/3", R"({"type":"Fuse"})", kUnsupported, "decoder: expected"},
    {"/decoder/decoders", "[]", kUnsupported, "decoder: expected"},
    // the vocabulary
    {"/model/vocab", "-", kCorrupt, "\"vocab\" is missing"},
    {"/model/vocab", "[]", kCorrupt, "model.vocab: expected an object"},
    {"/model/vocab", "{}", kCorrupt, "model.merges"},
    {"/model/vocab/h", "-1", kCorrupt, "expected an unsigned integer, got -1"},
    {"/model/vocab/h", "1.5", kCorrupt, "expected an unsigned integer"},
    {"/model/vocab/h", "1e3", kCorrupt, "expected an unsigned integer"},
    {"/model/vocab/h", "\"9\"", kCorrupt, "expected an unsigned integer, got \"9\""},
    {"/model/vocab/h", "null", kCorrupt, "expected an unsigned integer"},
    {"/model/vocab/h", "2147483648", kUnsupported, "supported are ids below 1048576"},
    {"/model/vocab/h", "18446744073709551615", kUnsupported, "supported are ids below 1048576"},
    {"/model/vocab/h", "1048576", kUnsupported, "supported are ids below 1048576"},
    {"/model/vocab/h", "2", kCorrupt, "id 2 belongs to two tokens, \"<bos>\" and \"h\""},
    {"/model/vocab/", "5000", kCorrupt, "token 5000 is empty"},
    {"/model/vocab/<0x00>", "-", kUnsupported, "byte token <0x00> is missing"},
    {"/model/vocab/<0xFF>", "-", kUnsupported, "byte token <0xFF> is missing"},
    // the merges
    {"/model/merges", "-", kCorrupt, "\"merges\" is missing"},
    {"/model/merges", "{}", kCorrupt, "model.merges: expected an array"},
    {"/model/merges/0", "[\"h\"]", kCorrupt, "expected pairs, got an array of 1"},
    {"/model/merges/0", "[\"h\",\"e\",\"l\"]", kCorrupt, "expected pairs, got an array of 3"},
    {"/model/merges/0", "[\"h\",1]", kCorrupt, "model.merges: expected a string, got 1"},
    {"/model/merges/0", "[\"h\",\"zz\"]", kCorrupt, "\"zz\" is not in model.vocab"},
    {"/model/merges/0", "[\"d\",\"d\"]", kCorrupt, "\"dd\" is not in model.vocab"},
    {"/model/merges/0", "[\"\",\"h\"]", kCorrupt, "\"\" is not in model.vocab"},
    {"/model/merges/0", "\"h e\"", kCorrupt, "expected all strings or all pairs"},
    {"/model/merges/0", "7", kCorrupt, "model.merges: expected a string, got 7"},
    {"/model/merges", "[\"he\"]", kCorrupt, "two tokens with a space between, got \"he\""},
    {"/model/merges", "[\"h e l\"]", kCorrupt, "two tokens with a space between"},
    {"/model/merges", "[\"\"]", kCorrupt, "two tokens with a space between"},
    // added tokens
    {"/added_tokens", "{}", kCorrupt, "added_tokens: expected an array"},
    {"/added_tokens/0", "\"<pad>\"", kCorrupt, "added_tokens[0]: expected an object"},
    {"/added_tokens/0/id", "-", kCorrupt, "\"id\" is missing"},
    {"/added_tokens/0/id", "\"0\"", kCorrupt, "added_tokens[0].id"},
    {"/added_tokens/0/id", "1", kCorrupt, "added_tokens[0].id: expected 0 for \"<pad>\", got 1"},
    {"/added_tokens/0/id", "-1", kCorrupt, "added_tokens[0].id"},
    {"/added_tokens/0/content", "-", kCorrupt, "\"content\" is missing"},
    {"/added_tokens/0/content", "\"\"", kCorrupt, "added_tokens[0].content: is empty"},
    {"/added_tokens/0/content", "null", kCorrupt, "added_tokens[0].content"},
    {"/added_tokens/0/content", "\"<unknown>\"", kCorrupt, "added_tokens[0].id: expected"},
    {"/added_tokens/1/content", "\"<pad>\"", kCorrupt, "\"<pad>\" appears twice"},
    {"/added_tokens/0/single_word", "true", kUnsupported, "single_word"},
    {"/added_tokens/0/single_word", "0", kCorrupt, "added_tokens[0].single_word"},
    {"/added_tokens/0/special", "\"true\"", kCorrupt, "added_tokens[0].special"},
    {"/added_tokens/0/lstrip", "null", kCorrupt, "added_tokens[0].lstrip"},
    {"/added_tokens/0/regex", "true", kUnsupported, "unknown field \"regex\""},
    // the post-processor
    {"/post_processor/type", "\"RobertaProcessing\"", kUnsupported, "post_processor.type"},
    {"/post_processor/type", "-", kCorrupt, "\"type\" is missing"},
    {"/post_processor", "[]", kCorrupt, "post_processor: expected an object"},
    {"/post_processor/single", "\"$A\"", kCorrupt, "post_processor.single: expected an array"},
    {"/post_processor/single", "[]", kUnsupported, "expected the sequence A once"},
    {"/post_processor/single/1/Sequence/id", "\"B\"", kUnsupported, "expected the sequence A once"},
    {"/post_processor/single/2", R"({"Sequence":{"id":"A","type_id":0}})", kUnsupported,
     "expected the sequence A once"},
    {"/post_processor/single/0/SpecialToken/id", "\"<eos>\"", kCorrupt, "\"<eos>\" is missing"},
    {"/post_processor/single/0/SpecialToken/id", "2", kCorrupt, "expected a string"},
    {"/post_processor/special_tokens", "-", kCorrupt, "\"special_tokens\" is missing"},
    {"/post_processor/special_tokens/<bos>/ids", "[9999]", kCorrupt, "no token has id 9999"},
    {"/post_processor/special_tokens/<bos>/ids", "[-2]", kCorrupt, "expected an unsigned integer"},
    {"/post_processor/special_tokens/<bos>/ids", "2", kCorrupt, "expected an array"},
};

std::string changed(const Change& change) {
  Json file = test_tokenizer_json();
  const Json::json_pointer where{change.where};
  if (std::string_view(change.value) == "-") {
    file[where.parent_pointer()].erase(where.back());
  } else {
    file[where] = Json::parse(change.value);
  }
  return file.dump();
}

void expect_refused(const std::string& json, const std::string& config, ErrorCode code,
                    std::string_view message) {
  const auto start = std::chrono::steady_clock::now();
  try {
    Tokenizer::from_json(json, config);
    ADD_FAILURE() << "accepted, expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    const std::string_view found = error.what();
    EXPECT_NE(found.find(message), found.npos) << found << "\nexpected in it: " << message;
    EXPECT_EQ(found.find('\n'), found.npos) << found;
    EXPECT_LT(found.size(), 600u) << "a message is no dump of the file";
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(HostileTokenizerJson, EachChangeOfTheGoodFileIsRefused) {
  ASSERT_GE(std::size(kChanges), 80u);
  Tokenizer::from_json(test_tokenizer_json().dump());  // unchanged, it is good
  for (const Change& change : kChanges) {
    SCOPED_TRACE(std::string(change.where) + " = " + change.value);
    expect_refused(changed(change), "", change.code, change.message);
  }
}

TEST(HostileTokenizerJson, BrokenJsonIsRefused) {
  const std::string good = test_tokenizer_json().dump();
  const std::vector<std::string> broken = {"",
                                           "{",
                                           std::string(1, '\0'),
                                           "nul",
                                           good + "x",
                                           good + good,
                                           "\xEF\xBB\xBF[",
                                           "{\"model\":\"\xFF\"}",
                                           good.substr(0, good.size() - 1),
                                           std::string(1 << 20, '['),
                                           "{\"model\":" + std::string(5000, '{') + "}"};
  for (const std::string& json : broken) {
    expect_refused(json, "", kCorrupt, "");
  }
}

TEST(HostileTokenizerJson, EveryTruncationIsRefused) {
  const std::string good = test_tokenizer_json().dump();
  for (std::size_t size = 0; size < good.size(); size += 7) {
    EXPECT_THROW(Tokenizer::from_json(good.substr(0, size)), Error) << size;
  }
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(HostileTokenizerJson, RepeatedKeysAreRefused) {
  const std::string good = test_tokenizer_json().dump();
  expect_refused(replaced(good, "\"version\":", "\"version\":\"1.0\",\"version\":"), "", kCorrupt,
                 "\"version\" appears twice");
  expect_refused(replaced(good, "\"dropout\":", "\"dropout\":null,\"dropout\":"), "", kCorrupt,
                 "\"dropout\" appears twice");
  expect_refused(replaced(good, "\"<pad>\":0", "\"<pad>\":0,\"<pad>\":777"), "", kCorrupt,
                 "\"<pad>\" has two ids, 0 and 777");
  expect_refused(replaced(good, "\"invert\":false", "\"invert\":false,\"invert\":true"), "",
                 kUnsupported, "pre_tokenizer: expected");
}

TEST(HostileTokenizerJson, LongValuesAreRefusedAndNotPrinted) {
  Json file = test_tokenizer_json();
  file["added_tokens"][0]["content"] = std::string(1 << 20, 'x') + "\n";
  expect_refused(file.dump(), "", kUnsupported, "supported are up to 256");
  file = test_tokenizer_json();
  file["model"]["type"] = std::string(1 << 20, '\n');
  expect_refused(file.dump(), "", kUnsupported, "model.type");
  file = test_tokenizer_json();
  for (int i = 0; i < 100; ++i)
    file["post_processor"]["single"].push_back(file["post_processor"]["single"][0]);
  expect_refused(file.dump(), "", kUnsupported, "expected at most 64 items");
  file = test_tokenizer_json();
  file["added_tokens"][5]["normalized"] = true;
  file["added_tokens"][5]["content"] = "a b";
  expect_refused(file.dump(), "", kUnsupported, "has a space and is normalized");
}

TEST(HostileTokenizerConfig, IsRefused) {
  const std::string good = test_tokenizer_json().dump();
  const struct {
    const char* config;
    const char* message;
  } rows[] = {
      {"[]", "tokenizer_config.json: expected an object"},
      {"{", "tokenizer_config.json: not valid JSON"},
      {R"({"bos_token": 2})", "bos_token: expected a string"},
      {R"({"bos_token": ""})", "bos_token.content: is empty"},
      {R"({"bos_token": {}})", "bos_token.content: is missing"},
      {R"({"bos_token": "<s>"})", "bos_token: \"<s>\" is not in tokenizer.json"},
      {R"({"image_token": "<img>"})", "image_token: \"<img>\" is not in tokenizer.json"},
      {R"({"tokenizer_class": 3})", "tokenizer_class: expected a string"},
      {R"({"extra_special_tokens": "x"})", "expected a list or an object"},
      {R"({"extra_special_tokens": ["zzz"]})", "\"zzz\" is not in tokenizer.json"},
      {R"({"additional_special_tokens": [7]})", "expected a string, got number"},
      {R"({"added_tokens_decoder": []})", "added_tokens_decoder: expected an object"},
      {R"({"added_tokens_decoder": {"x": {"content": "<pad>"}}})", "expected ids as keys"},
      {R"({"added_tokens_decoder": {"-1": {"content": "<pad>"}}})", "expected ids as keys"},
      {R"({"added_tokens_decoder": {"99999999999": {"content": "<pad>"}}})",
       "expected ids as keys"},
      {R"({"added_tokens_decoder": {"1": {"content": "<pad>"}}})",
       "no token \"<pad>\" with this id"},
      {R"({"added_tokens_decoder": {"0": {"content": "<pad>", "special": 1}}})", "special"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.config);
    expect_refused(good, row.config, kCorrupt, row.message);
  }
  expect_refused(good,
                 R"({"added_tokens_decoder": {"0": {"content": "<pad>", "single_word": true}}})",
                 kUnsupported, "single_word");
}

TEST(HostileTokenizerConfig, NumbersBeyond64BitsAreNoObstacle) {
  const std::string config = R"({"model_max_length": 1000000000000000019884624838656})";
  EXPECT_EQ(Tokenizer::from_json(test_tokenizer_json().dump(), config).encode("").size(), 1u);
}

class TokenizerFiles : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  ErrorCode code_of_loading() {
    try {
      Tokenizer::from_pretrained(folder_);
    } catch (const Error& error) {
      EXPECT_NE(std::string_view(error.what()).find(".json"), std::string_view::npos);
      return error.code();
    }
    ADD_FAILURE() << "loaded";
    return ErrorCode::kInternal;
  }
  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("gemma3n_tokenizer_" + std::to_string(getpid()));
};

TEST_F(TokenizerFiles, AreReadFromAFolder) {
  write("tokenizer.json", test_tokenizer_json().dump());
  EXPECT_EQ(Tokenizer::from_pretrained(folder_).eos_token_id(), 1);
  write("special_tokens_map.json", R"({"eos_token": {"content": "<turn>", "lstrip": false}})");
  EXPECT_EQ(Tokenizer::from_pretrained(folder_).eos_token_id(), 5);
  write("tokenizer_config.json", R"({"eos_token": "<unk>"})");
  EXPECT_EQ(Tokenizer::from_pretrained(folder_).eos_token_id(), 5) << "the map overrides";
  write("tokenizer_config.json", R"({"eos_token": "<unk>", "added_tokens_decoder": {}})");
  EXPECT_EQ(Tokenizer::from_pretrained(folder_).eos_token_id(), 3) << "unless there is a list";
}

TEST_F(TokenizerFiles, MustBeThereAndBeFiles) {
  EXPECT_EQ(code_of_loading(), ErrorCode::kNotFound);
  std::filesystem::create_directory(folder_ / "tokenizer.json");
  EXPECT_EQ(code_of_loading(), kCorrupt);
  std::filesystem::remove(folder_ / "tokenizer.json");
  write("tokenizer.json", "{}");
  EXPECT_EQ(code_of_loading(), kCorrupt);
  write("tokenizer.json", test_tokenizer_json().dump());
  write("special_tokens_map.json", "[]");
  EXPECT_EQ(code_of_loading(), kCorrupt);
}

}  // namespace
}  // namespace gemma3n
