// What transformers makes of texts and ids: tools/reference/make_tokenizer_fixture.py wrote the
// files beside this one.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gemma3n/tokenizer.h"

namespace gemma3n {
namespace {

using Ids = std::vector<TokenId>;

template <typename Check>
void for_each_case(const char* key, std::size_t at_least, Check check) {
  std::ifstream file(GEMMA3N_TOKENIZER_FIXTURE "/cases.jsonl");
  std::size_t count = 0;
  for (std::string line; std::getline(file, line);) {
    const auto golden = nlohmann::json::parse(line);
    if (!golden.contains(key)) continue;
    check(golden);
    ++count;
  }
  EXPECT_GE(count, at_least);
}

std::string stream(const Tokenizer& tokenizer, const Ids& ids, bool skip_special_tokens) {
  StreamingDecoder decoder(tokenizer, skip_special_tokens);
  std::string text;
  for (const TokenId id : ids) text += decoder.push(id);
  return text + decoder.finish();
}

TEST(TokenizerGolden, EncodesAsTransformersDoes) {
  const Tokenizer tokenizer = Tokenizer::from_pretrained(GEMMA3N_TOKENIZER_FIXTURE);
  for_each_case("text", 2000, [&](const nlohmann::json& golden) {
    const std::string text = golden["text"];
    EXPECT_EQ(tokenizer.encode(text), golden["ids"].get<Ids>()) << golden["text"];
    EXPECT_EQ(tokenizer.encode(text, false), golden["plain_ids"].get<Ids>()) << golden["text"];
  });
}

TEST(TokenizerGolden, DecodesAsTransformersDoes) {
  const Tokenizer tokenizer = Tokenizer::from_pretrained(GEMMA3N_TOKENIZER_FIXTURE);
  for_each_case("decoded", 400, [&](const nlohmann::json& golden) {
    const Ids ids = golden["ids"];
    EXPECT_EQ(tokenizer.decode(ids), golden["decoded"].get<std::string>()) << golden["ids"];
    EXPECT_EQ(tokenizer.decode(ids, true), golden["skipped"].get<std::string>()) << golden["ids"];
    EXPECT_EQ(stream(tokenizer, ids, false), golden["decoded"].get<std::string>());
    EXPECT_EQ(stream(tokenizer, ids, true), golden["skipped"].get<std::string>());
  });
}

// Cutting a text where no merge can reach must not be seen: all cases as one text are the tokens
// of the cases one by one, wherever an added token that takes no whitespace stands between.
TEST(TokenizerGolden, LongTextsAreTheirParts) {
  const Tokenizer tokenizer = Tokenizer::from_pretrained(GEMMA3N_TOKENIZER_FIXTURE);
  std::string text;
  Ids expected;
  for_each_case("text", 2000, [&](const nlohmann::json& golden) {
    text += golden["text"].get<std::string>() + "<pad>";
    for (const TokenId id : golden["plain_ids"]) expected.push_back(id);
    expected.push_back(*tokenizer.token_to_id("<pad>"));
  });
  EXPECT_EQ(tokenizer.encode(text, false), expected);
}

}  // namespace
}  // namespace gemma3n
