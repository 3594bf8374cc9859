#include "gemma3n/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/test_tokenizer.h"

namespace gemma3n {
namespace {

Tokenizer test_tokenizer(const Json& config = Json()) {
  return Tokenizer::from_json(test_tokenizer_json().dump(), config.is_null() ? "" : config.dump());
}

std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> names;
  for (const TokenId id : tokenizer.encode(text, false)) {
    names.push_back(tokenizer.id_to_token(id).value());
  }
  return names;
}

using Pieces = std::vector<std::string>;

std::vector<TokenId> ids_of(const Tokenizer& tokenizer, const Pieces& names) {
  std::vector<TokenId> ids;
  for (const auto& name : names) ids.push_back(tokenizer.token_to_id(name).value());
  return ids;
}

TEST(Tokenizer, MergesByRankAndThenFromTheLeft) {
  const Tokenizer tokenizer = test_tokenizer();
  EXPECT_EQ(pieces(tokenizer, "hello"), Pieces({"hello"}));
  EXPECT_EQ(pieces(tokenizer, "hello hello"), Pieces({"hello", "▁hello"}));
  EXPECT_EQ(pieces(tokenizer, "hell"), Pieces({"hell"}));
  EXPECT_EQ(pieces(tokenizer, "lll"), Pieces({"ll", "l"}));
  // "a b" stands before "b c", so "bc" never forms here; then "ab c" does.
  EXPECT_EQ(pieces(tokenizer, "abc"), Pieces({"abc"}));
  EXPECT_EQ(pieces(tokenizer, "dbc"), Pieces({"d", "bc"}));
  EXPECT_EQ(pieces(tokenizer, ""), Pieces());
}

TEST(Tokenizer, WritesSpacesAsMarksAndReadsThemBack) {
  const Tokenizer tokenizer = test_tokenizer();
  EXPECT_EQ(pieces(tokenizer, " "), Pieces({"▁"}));
  EXPECT_EQ(pieces(tokenizer, "a   d"), Pieces({"a", "▁▁", "▁", "d"}));
  EXPECT_EQ(pieces(tokenizer, "     "), Pieces({"▁▁▁▁", "▁"}));
  // A mark in the text is the same as a space; that is lossy in the reference too.
  EXPECT_EQ(pieces(tokenizer, "a▁d"), Pieces({"a", "▁", "d"}));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("  a▁d ", false)), "  a d ");
}

TEST(Tokenizer, SpellsUnknownCharactersInBytes) {
  const Tokenizer tokenizer = test_tokenizer();
  EXPECT_EQ(pieces(tokenizer, "é"), Pieces({"é"}));
  EXPECT_EQ(pieces(tokenizer, "aè\n"), Pieces({"a", "<0xC3>", "<0xA8>", "<0x0A>"}));
  EXPECT_EQ(pieces(tokenizer, "😀"), Pieces({"<0xF0>", "<0x9F>", "<0x98>", "<0x80>"}));
  EXPECT_EQ(pieces(tokenizer, std::string_view("\0", 1)), Pieces({"<0x00>"}));
}

TEST(Tokenizer, MergesOfBytePiecesApply) {
  Json file = test_tokenizer_json();
  const auto next = static_cast<int>(file["model"]["vocab"].size());
  file["model"]["vocab"]["<0xC3><0xA8>"] = next;
  file["model"]["vocab"]["a<0xC3><0xA8>"] = next + 1;
  file["model"]["merges"].push_back({"<0xC3>", "<0xA8>"});
  file["model"]["merges"].push_back({"a", "<0xC3><0xA8>"});
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump());
  EXPECT_EQ(pieces(tokenizer, "dèaèd"), Pieces({"d", "<0xC3><0xA8>", "a<0xC3><0xA8>", "d"}));
}

// The definition itself: the merge that stands first in the list, leftmost first, until none fits.
Pieces merged_by_definition(Pieces tokens, const Json& merges) {
  std::map<std::pair<std::string, std::string>, std::size_t> ranks;
  std::size_t rank = 0;
  for (const auto& pair : merges) ranks[{pair[0], pair[1]}] = rank++;
  for (;;) {
    std::size_t best_rank = rank, best = 0;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto found = ranks.find({tokens[i], tokens[i + 1]});
      if (found != ranks.end() && found->second < best_rank) best_rank = found->second, best = i;
    }
    if (best_rank == rank) return tokens;
    tokens[best] += tokens[best + 1];
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Tokenizer, MergesAsTheDefinitionSays) {
  const Json file = test_tokenizer_json();
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump());
  std::mt19937 rng(1);
  for (int round = 0; round < 300; ++round) {
    Pieces characters;
    std::string text;
    for (std::size_t n = rng() % 40; n > 0; --n) {
      constexpr const char* kLetters[] = {"▁", "h", "e", "l", "o", "a", "b", "c", "é"};
      characters.push_back(kLetters[rng() % std::size(kLetters)]);
      text += characters.back();
    }
    EXPECT_EQ(pieces(tokenizer, text), merged_by_definition(characters, file["model"]["merges"]));
  }
}

// Segments of more than 4096 bytes are encoded in blocks; the borders must not be seen. Here every
// letter joins every other, in a random order of merges, and some merges take byte tokens.
TEST(Tokenizer, MergesLongSegmentsAsTheDefinitionSays) {
  std::mt19937 rng(2);
  for (int round = 0; round < 3; ++round) {
    Json file = test_tokenizer_json();
    Json& vocab = file["model"]["vocab"];
    Pieces symbols = {"a", "b", "c", "<0xC3>", "<0xA8>"}, known = symbols;
    Json merges = Json::array();
    auto id = static_cast<int>(vocab.size());
    while (merges.size() < 60) {
      const std::string left = known[rng() % known.size()], right = known[rng() % known.size()];
      merges.push_back({left, right});
      if (!vocab.contains(left + right)) vocab[left + right] = id++;
      if (left.size() + right.size() < 14) known.push_back(left + right);
    }
    std::shuffle(merges.begin(), merges.end(), rng);
    file["model"]["merges"] = merges;
    Pieces characters;
    std::string text;
    while (text.size() < 5000) {
      const std::size_t letter = rng() % 4;
      text += letter == 3 ? "è" : symbols[letter];
      characters.push_back(symbols[letter]);
      if (letter == 3) characters.push_back(symbols[4]);
    }
    const auto tokens = pieces(Tokenizer::from_json(file.dump()), text);
    EXPECT_EQ(tokens, merged_by_definition(characters, merges)) << "round " << round;
  }
}

// x0 x1 x2 ... where the pair furthest to the right merges first: what the first character becomes
// depends on the last one, however far away it is.
TEST(Tokenizer, MergesThatDependOnTheFarEndAreRight) {
  Json file = test_tokenizer_json();
  Json& vocab = file["model"]["vocab"];
  constexpr char32_t kFirst = 0x4E00;
  constexpr std::size_t kLength = 9000;
  const auto x = [](std::size_t i) {
    std::string text;
    append_utf8(text, kFirst + static_cast<char32_t>(i));
    return text;
  };
  auto id = static_cast<int>(vocab.size());
  std::string text;
  Json merges = Json::array();
  for (std::size_t i = 0; i < kLength; ++i) {
    vocab[x(i)] = id++;
    if (i + 1 < kLength) vocab[x(i) + x(i + 1)] = id++;
    text += x(i);
  }
  for (std::size_t i = kLength - 1; i-- > 0;) merges.push_back({x(i), x(i + 1)});
  file["model"]["merges"] = merges;
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump());
  for (const std::size_t length : {kLength, kLength - 1}) {
    const auto tokens = pieces(tokenizer, std::string_view(text).substr(0, 3 * length));
    ASSERT_EQ(tokens.size(), (length + 1) / 2);
    EXPECT_EQ(tokens.front(), length % 2 == 0 ? x(0) + x(1) : x(0));
    EXPECT_EQ(tokens.back(), x(length - 2) + x(length - 1));
  }
}

TEST(Tokenizer, RefusesInvalidUtf8AndSaysWhere) {
  const Tokenizer tokenizer = test_tokenizer();
  try {
    tokenizer.encode("hello\xFF");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(error.what(), "encode: the text is not valid UTF-8 at byte 5");
  }
  EXPECT_THROW(tokenizer.encode("\xE2\x96"), Error);
}

TEST(Tokenizer, FindsAddedTokensInsideText) {
  const Tokenizer tokenizer = test_tokenizer();
  EXPECT_EQ(pieces(tokenizer, "a<bos>b<turn>"), Pieces({"a", "<bos>", "b", "<turn>"}));
  // Merges do not reach across an added token, and "<bos" alone is text.
  EXPECT_EQ(pieces(tokenizer, "a<pad>b").size(), 3u);
  EXPECT_EQ(pieces(tokenizer, "<bos").front(), "<0x3C>");
  EXPECT_EQ(pieces(tokenizer, "<bo<bos>").back(), "<bos>");
}

TEST(Tokenizer, TakesTheLongestAddedTokenThatStartsFirst) {
  Json file = test_tokenizer_json();
  int id = static_cast<int>(file["model"]["vocab"].size());
  for (const char* content : {"ab", "abcd", "bcdab"}) {
    const bool in_vocabulary = file["model"]["vocab"].contains(content);
    const int own = in_vocabulary ? file["model"]["vocab"][content].get<int>() : id++;
    file["added_tokens"].push_back(added_token_json(own, content, false));
  }
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump());
  EXPECT_EQ(pieces(tokenizer, "abcdab"), Pieces({"abcd", "ab"}));
  EXPECT_EQ(pieces(tokenizer, "abcbcdab"), Pieces({"ab", "c", "bcdab"}));
}

TEST(Tokenizer, StripsWhitespaceAroundAddedTokensThatAskForIt) {
  Json file = test_tokenizer_json();
  file["added_tokens"][4]["lstrip"] = true;  // <mask>
  file["added_tokens"][5]["rstrip"] = true;  // <turn>
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump());
  EXPECT_EQ(pieces(tokenizer, "a \n\u00A0<mask> a"), Pieces({"a", "<mask>", "▁", "a"}));
  EXPECT_EQ(pieces(tokenizer, "a <turn>\u3000 \ta"), Pieces({"a", "▁", "<turn>", "a"}));
  EXPECT_EQ(pieces(tokenizer, "<turn>  <mask>"), Pieces({"<turn>", "<mask>"}));
}

TEST(Tokenizer, FindsNormalizedAddedTokensAfterNormalisation) {
  Json file = test_tokenizer_json();
  const auto id = static_cast<int>(file["model"]["vocab"].size());
  auto token = added_token_json(id, "▁d", false);
  token["normalized"] = true;
  file["added_tokens"].push_back(token);
  EXPECT_EQ(pieces(Tokenizer::from_json(file.dump()), "a d"), Pieces({"a", "▁d"}));
  file["added_tokens"].back()["normalized"] = false;
  EXPECT_EQ(pieces(Tokenizer::from_json(file.dump()), "a d"), Pieces({"a", "▁", "d"}));
}

TEST(Tokenizer, PutsThePostProcessorsTokensAround) {
  EXPECT_EQ(test_tokenizer().encode("a").front(), 2);
  EXPECT_EQ(test_tokenizer().encode("").size(), 1u);
  EXPECT_EQ(test_tokenizer().encode("a", false).size(), 1u);

  Json file = test_tokenizer_json();
  file["post_processor"]["single"].push_back({{"SpecialToken", {{"id", "<bos>"}, {"type_id", 0}}}});
  file["post_processor"]["special_tokens"]["<bos>"]["ids"] = {2, 5};
  const std::vector<TokenId> expected = {2, 5, 2, 5};
  EXPECT_EQ(Tokenizer::from_json(file.dump()).encode(""), expected);
  file["post_processor"] = nullptr;
  EXPECT_TRUE(Tokenizer::from_json(file.dump()).encode("").empty());
}

TEST(Tokenizer, AddBosAndAddEosChangeNothing) {
  const std::vector<TokenId> bos = {2};
  EXPECT_EQ(test_tokenizer({{"add_bos_token", false}, {"add_eos_token", true}}).encode(""), bos);
}

TEST(Tokenizer, KnowsWhichTokensAreSpecial) {
  const Tokenizer plain = test_tokenizer();
  EXPECT_TRUE(plain.is_special(2));
  EXPECT_TRUE(plain.is_special(4)) << "<mask> has no flag, but Gemma's class names it";
  EXPECT_FALSE(plain.is_special(5));
  EXPECT_FALSE(plain.is_special(-1));
  EXPECT_FALSE(plain.is_special(1 << 30));

  EXPECT_FALSE(test_tokenizer({{"tokenizer_class", "PreTrainedTokenizerFast"}}).is_special(4));
  EXPECT_TRUE(test_tokenizer({{"image_token", "<turn>"}}).is_special(5));
  EXPECT_TRUE(test_tokenizer({{"image_token", {{"content", "<turn>"}}}}).is_special(5));
  EXPECT_TRUE(test_tokenizer({{"extra_special_tokens", {{"x_token", "<turn>"}}}}).is_special(5));
  // A list gives no names; it makes tokens special only if they were no added tokens before.
  EXPECT_FALSE(test_tokenizer({{"extra_special_tokens", Json::array({"<turn>"})}}).is_special(5));
  const Tokenizer with_new = test_tokenizer({{"extra_special_tokens", Json::array({"ab"})}});
  EXPECT_TRUE(with_new.is_special(with_new.token_to_id("ab").value()));
  EXPECT_EQ(pieces(with_new, "abc"), Pieces({"ab", "c"})) << "found in text, so no merge";

  Json token = {{"content", "<turn>"}, {"special", true}, {"normalized", false}};
  EXPECT_TRUE(test_tokenizer({{"added_tokens_decoder", {{"5", token}}}}).is_special(5));
}

TEST(Tokenizer, TakesSpelledTokensForTextIfAskedTo) {
  const Tokenizer tokenizer = test_tokenizer();
  const auto count = [&](SpelledTokens spelled, TokenId id) {
    const auto ids = tokenizer.encode("a<turn><eos>b", true, spelled);
    EXPECT_EQ(tokenizer.decode(ids), "<bos>a<turn><eos>b");
    return std::ranges::count(ids, id);
  };
  constexpr TokenId kEos = 1, kTurn = 5;
  EXPECT_EQ(count(SpelledTokens::kAll, kEos), 1);
  EXPECT_EQ(count(SpelledTokens::kAll, kTurn), 1);
  EXPECT_EQ(count(SpelledTokens::kNotSpecial, kEos), 0);
  EXPECT_EQ(count(SpelledTokens::kNotSpecial, kTurn), 1);
  EXPECT_EQ(count(SpelledTokens::kNone, kEos), 0);
  EXPECT_EQ(count(SpelledTokens::kNone, kTurn), 0);
}

TEST(Tokenizer, ListsItsAddedTokensAndItsSizes) {
  Json file = test_tokenizer_json();
  const auto base = static_cast<int>(file["model"]["vocab"].size());
  file["added_tokens"].push_back(added_token_json(base, "<new>", true));
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump());
  EXPECT_EQ(tokenizer.base_vocab_size(), static_cast<std::size_t>(base));
  EXPECT_EQ(tokenizer.vocab_size(), static_cast<std::size_t>(base + 1));
  EXPECT_EQ(tokenizer.id_limit(), base + 1);
  const auto& added = tokenizer.added_tokens();
  ASSERT_EQ(added.size(), 7u);
  EXPECT_TRUE(std::ranges::is_sorted(added, {}, &AddedToken::id));
  EXPECT_EQ(added[5].content, "<turn>");
  EXPECT_FALSE(added[5].special);
  EXPECT_EQ(added[6].content, "<new>");
  EXPECT_EQ(added[6].id, base);
  EXPECT_TRUE(added[6].special);
  EXPECT_TRUE(std::ranges::equal(tokenizer.prefix(), std::vector<TokenId>{2}));
  EXPECT_TRUE(tokenizer.suffix().empty());
}

TEST(Tokenizer, NamesTokens) {
  const Tokenizer tokenizer =
      test_tokenizer({{"eos_token", "<turn>"}, {"pad_token", nullptr}, {"boi_token", "<turn>"}});
  EXPECT_EQ(tokenizer.bos_token_id(), 2);
  EXPECT_EQ(tokenizer.eos_token_id(), 5);
  EXPECT_EQ(tokenizer.pad_token_id(), std::nullopt);
  EXPECT_EQ(tokenizer.unk_token_id(), 3);
  EXPECT_EQ(tokenizer.named_token("boi_token"), "<turn>");
  EXPECT_EQ(tokenizer.named_token("boa_token"), std::nullopt);
}

TEST(Tokenizer, LooksPiecesUpBothWays) {
  const Tokenizer tokenizer = test_tokenizer();
  EXPECT_EQ(tokenizer.token_to_id("<0x0A>"), 6 + 10);
  EXPECT_EQ(tokenizer.id_to_token(16), "<0x0A>");
  EXPECT_EQ(tokenizer.token_to_id("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.token_to_id(""), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(-1), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(static_cast<TokenId>(tokenizer.vocab_size())), std::nullopt);
  for (TokenId id = 0; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id) {
    EXPECT_EQ(tokenizer.token_to_id(tokenizer.id_to_token(id).value()), id);
  }
}

TEST(Tokenizer, DecodesBytesOnlyInWholeValidRows) {
  const Tokenizer tokenizer = test_tokenizer();
  const auto decoded = [&](const Pieces& names) {
    return tokenizer.decode(ids_of(tokenizer, names));
  };
  EXPECT_EQ(decoded({"a", "<0xC3>", "<0xA8>", "b"}), "aèb");
  EXPECT_EQ(decoded({"<0xC3>", "a", "<0xA8>"}), "�a�");
  // One broken byte spoils the row, the valid characters in it included.
  EXPECT_EQ(decoded({"<0xC3>", "<0xA8>", "<0xC3>", "b"}), "���b");
  EXPECT_EQ(decoded({"<0x41>", "<bos>", "<0x42>"}), "A<bos>B");
}

TEST(Tokenizer, SkipsSpecialTokensAndUnknownIds) {
  const Tokenizer tokenizer = test_tokenizer();
  const auto ids = ids_of(tokenizer, {"<bos>", "a", "<turn>", "<mask>", "<eos>"});
  EXPECT_EQ(tokenizer.decode(ids), "<bos>a<turn><mask><eos>");
  EXPECT_EQ(tokenizer.decode(ids, true), "a<turn>");
  const std::vector<TokenId> unknown = {-5, 1 << 29, 6 + 0xC3, 1 << 20, 6 + 0xA8};
  EXPECT_EQ(tokenizer.decode(unknown), "è") << "what is left out does not end a row of bytes";
}

TEST(StreamingDecoder, GivesTheTextOfDecodeInWholeCharacters) {
  const Tokenizer tokenizer = test_tokenizer();
  const auto ids = ids_of(tokenizer, {"<bos>", "▁hello", "<0xF0>", "<0x9F>", "<eos>", "<0x98>",
                                      "<0x80>", "é", "<0xC3>", "▁", "<0xC3>", "<0xA8>"});
  for (const bool skip : {false, true}) {
    StreamingDecoder decoder(tokenizer, skip);
    for (int round = 0; round < 2; ++round) {  // finish() makes it as new
      std::string text;
      for (const TokenId id : ids) text += decoder.push(id);
      EXPECT_FALSE(text.ends_with("è"));
      text += decoder.finish();
      EXPECT_EQ(text, tokenizer.decode(ids, skip));
    }
  }
  StreamingDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(tokenizer.token_to_id("<0xC3>").value()), "");
  EXPECT_EQ(decoder.push(tokenizer.token_to_id("<0xA8>").value()), "");
  EXPECT_EQ(decoder.push(tokenizer.token_to_id("a").value()), "èa");
}

}  // namespace
}  // namespace gemma3n
