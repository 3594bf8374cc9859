#include "generation/text_stream.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "generation/scripted_model.h"

namespace gemma3n {
namespace {

using Ids = std::vector<TokenId>;
using Strings = std::vector<std::string>;

enum : TokenId { kPad, kEos, kBos, kUnk, kTurn, kFirstByte = 100 };
// Ids from 5 on.
const Strings kWords = {"st",           "op", "opera", "las", "topper",      "\xE2\x96\x81hello",
                        "\xE2\x96\x81", "x",  "\n",    "END", "caf\xC3\xA9", "stops"};

TokenId word(std::string_view piece) {
  const auto at = std::ranges::find(kWords, piece);
  EXPECT_NE(at, kWords.end()) << piece;
  return static_cast<TokenId>(at - kWords.begin()) + 5;
}
TokenId byte(unsigned value) { return kFirstByte + static_cast<TokenId>(value); }

// A tokenizer.json of Gemma's kind: special tokens, a few words and all byte-fallback tokens.
std::string tokenizer_json() {
  const Strings special = {"<pad>", "<eos>", "<bos>", "<unk>", "<end_of_turn>"};
  std::string added, vocab;
  const auto add_to_vocab = [&](const std::string& piece, std::size_t id) {
    vocab += (vocab.empty() ? "\"" : ",\"") + piece + "\":" + std::to_string(id);
  };
  for (std::size_t i = 0; i < special.size(); ++i) {
    added +=
        std::string(i ? "," : "") + R"({"id":)" + std::to_string(i) + R"(,"content":")" +
        special[i] +
        R"(","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true})";
    add_to_vocab(special[i], i);
  }
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    add_to_vocab(kWords[i] == "\n" ? "\\n" : kWords[i], special.size() + i);
  }
  for (unsigned i = 0; i < 256; ++i) {
    char piece[8];
    std::snprintf(piece, sizeof piece, "<0x%02X>", i);
    add_to_vocab(piece, kFirstByte + i);
  }
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)" + added +
         R"(],"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},)"
         R"("pre_tokenizer":{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false},)"
         R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<bos>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)"
         R"("pair":[{"SpecialToken":{"id":"<bos>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<bos>","type_id":1}},{"Sequence":{"id":"B","type_id":1}}],)"
         R"("special_tokens":{"<bos>":{"id":"<bos>","ids":[2],"tokens":["<bos>"]}}},)"
         R"("decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"}]},)"
         R"("model":{"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"ignore_merges":false,"vocab":{)" +
         vocab + R"(},"merges":[]}})";
}

const Tokenizer& tokenizer() {
  static const Tokenizer instance = Tokenizer::from_json(tokenizer_json());
  return instance;
}

// What the stream gives for each token, and last what finish() gives.
Strings pieces(const Strings& stop_strings, const Ids& ids, const Ids& prompt = {}) {
  TextStream stream(tokenizer(), stop_strings, prompt);
  Strings out;
  for (const TokenId id : ids) {
    out.push_back(stream.push(id));
    if (stream.stopped()) break;
  }
  out.push_back(stream.finish());
  return out;
}

std::string joined(const Strings& strings) {
  std::string out;
  for (const std::string& text : strings) out += text;
  return out;
}

TEST(TokenBytes, AreThePieceWithSpacesOrTheFallbackByte) {
  EXPECT_EQ(token_bytes(tokenizer(), word("\xE2\x96\x81hello")), " hello");
  EXPECT_EQ(token_bytes(tokenizer(), byte(0xE2)), "\xE2");
  EXPECT_EQ(token_bytes(tokenizer(), byte(0)), std::string(1, '\0'));
  EXPECT_EQ(token_bytes(tokenizer(), kTurn), "<end_of_turn>");
  EXPECT_EQ(token_bytes(tokenizer(), 5000), "");
}

TEST(TextStream, EmitsEachTokenAtOnceWithoutStopStrings) {
  EXPECT_EQ(pieces({}, {word("x"), word("\xE2\x96\x81hello"), kEos}),
            (Strings{"x", " hello", "", ""}));
}

TEST(TextStream, NeverSplitsACharacter) {
  // U+20AC in three byte tokens.
  const auto out = pieces({}, {byte(0xE2), byte(0x82), byte(0xAC), word("x")});
  EXPECT_EQ(joined(out), "\xE2\x82\xACx");
  for (const std::string& piece : out) EXPECT_TRUE(piece.empty() || piece[0] != '\x82') << piece;
  EXPECT_EQ(out[0] + out[1], "");
}

TEST(TextStream, HoldsBackWhatMayBecomeAStopString) {
  EXPECT_EQ(pieces({"stop"}, {word("x"), word("st"), word("x")}), (Strings{"x", "", "stx", ""}));
  EXPECT_EQ(pieces({"stop"}, {word("st")}), (Strings{"", "st"}));
}

// The list of cases in the documentation of HF StopStringCriteria.
TEST(TextStream, StopsAcrossTokenBorders) {
  EXPECT_EQ(joined(pieces({"stop"}, {word("st"), word("op")})), "");
  EXPECT_EQ(joined(pieces({"stop"}, {word("x"), word("st"), word("opera")})), "x");
  EXPECT_EQ(joined(pieces({"stop"}, {word("las"), word("topper")})), "la");
  EXPECT_EQ(joined(pieces({"stop"}, {word("stops"), word("x")})), "");
  EXPECT_EQ(joined(pieces({"stop"}, {word("st"), word("x"), word("op")})), "stxop");
}

TEST(TextStream, StopsInsideByteTokens) {
  // "caf" and the two bytes of U+00E9, of which the stop string is one character.
  EXPECT_EQ(joined(pieces({"\xC3\xA9"}, {word("x"), byte(0xC3), byte(0xA9)})), "x");
  EXPECT_EQ(joined(pieces({"\xC3\xA9"}, {word("caf\xC3\xA9")})), "caf");
}

TEST(TextStream, FindsSpecialTokensAsStopStrings) {
  EXPECT_EQ(joined(pieces({"<end_of_turn>"}, {word("x"), kTurn, word("x")})), "x");
  EXPECT_EQ(joined(pieces({"d_of"}, {word("x"), kTurn, word("x")})), "x");  // specials have no text
}

TEST(TextStream, LetsAStopStringBeginInThePrompt) {
  EXPECT_EQ(joined(pieces({"\n\n"}, {word("\n"), word("x")}, {word("x"), word("\n")})), "");
  EXPECT_EQ(joined(pieces({"\n\n"}, {word("x"), word("\n")}, {word("\n"), word("\n")})), "x\n");
}

TEST(TextStream, GivesTheTextOfDecodeWhateverTheStopStrings) {
  std::uint32_t state = 1;
  for (std::size_t round = 0; round < 200; ++round) {
    Ids ids(1 + round % 9);
    for (TokenId& id : ids) {
      state = state * 1664525u + 1013904223u;
      const auto pick = state >> 20;
      id = pick % 3 ? static_cast<TokenId>(5 + pick % kWords.size()) : byte(0xC0 + pick % 16);
    }
    const std::string expected = tokenizer().decode(ids, true);
    EXPECT_EQ(joined(pieces({}, ids)), expected);
    EXPECT_EQ(joined(pieces({"stopstopstop!", "hello there", "\xC3\xA9\xC3\xA9!"}, ids)), expected);
  }
}

// ---- through the loop

GenerateOutput say(const Ids& ids, GenerationConfig config, Strings* streamed) {
  ScriptedModel model{400, [&](std::span<const TokenId> so_far, std::span<float> logits) {
                        logits[static_cast<std::size_t>(ids.at(so_far.size() - 1))] = 1.0f;
                      }};
  GenerateOptions options;
  options.on_token = [&](const GenerationStep& step) {
    if (streamed) streamed->emplace_back(step.text);
    return true;
  };
  config.max_new_tokens = static_cast<std::int64_t>(ids.size());
  return run_generation(model.language_model(1), {{kBos}}, config, &tokenizer(), options);
}

TEST(GenerationText, IsStreamedAndReturned) {
  GenerationConfig config;
  config.eos_token_id = {kEos};
  Strings streamed;
  const auto out = say({word("x"), word("\xE2\x96\x81hello"), kEos, word("x")}, config, &streamed);
  EXPECT_EQ(out.text, Strings{"x hello"});
  EXPECT_EQ(streamed, (Strings{"x", " hello", ""}));
  EXPECT_EQ(out.finish_reasons, std::vector{FinishReason::kEos});
}

TEST(GenerationText, EndsBeforeAStopStringWhileTheSequenceKeepsIt) {
  GenerationConfig config;
  config.stop_strings = {"stop", "END"};
  Strings streamed;
  const auto out = say({word("x"), word("st"), word("opera"), word("x")}, config, &streamed);
  EXPECT_EQ(out.text, Strings{"x"});
  EXPECT_EQ(joined(streamed), "x");
  EXPECT_EQ(out.new_tokens[0], (Ids{word("x"), word("st"), word("opera")}));
  EXPECT_EQ(out.finish_reasons, std::vector{FinishReason::kStopString});
}

TEST(GenerationText, GivesWhatWasHeldBackWithTheLastToken) {
  GenerationConfig config;
  config.stop_strings = {"stop"};
  Strings streamed;
  const auto out = say({word("x"), word("st")}, config, &streamed);
  EXPECT_EQ(streamed, (Strings{"x", "st"}));
  EXPECT_EQ(out.text, Strings{"xst"});
  EXPECT_EQ(out.finish_reasons, std::vector{FinishReason::kLength});
}

TEST(GenerationText, IsCompleteAfterACancellation) {
  ScriptedModel model{400, [](std::span<const TokenId>, std::span<float> logits) {
                        logits[static_cast<std::size_t>(word("st"))] = 1.0f;
                      }};
  GenerationConfig config;
  config.stop_strings = {"stop"};
  GenerateOptions options;
  int calls = 0;
  options.on_token = [&](const GenerationStep&) { return ++calls < 2; };
  const auto out = run_generation(model.language_model(1), {{kBos}}, config, &tokenizer(), options);
  EXPECT_EQ(out.text, Strings{"stst"});
  EXPECT_EQ(out.finish_reasons, std::vector{FinishReason::kCancelled});
}

// Two sequences that say "x", "st", "st", ...; "st" waits for "stop".
GenerateOutput say_to(const GenerateOptions& options) {
  ScriptedModel model{400, [](std::span<const TokenId> ids, std::span<float> logits) {
                        logits[static_cast<std::size_t>(word(ids.size() < 2 ? "x" : "st"))] = 1.0f;
                      }};
  GenerationConfig config;
  config.stop_strings = {"stop"};
  config.max_new_tokens = 4;
  return run_generation(model.language_model(2), {{kBos}, {kEos}}, config, &tokenizer(), options);
}

TEST(OnText, HearsThePiecesThatMakeUpTheText) {
  Strings heard(2);
  GenerateOptions options;
  options.on_text = [&](std::size_t sequence, std::string_view text) {
    EXPECT_FALSE(text.empty());
    heard[sequence] += text;
    return true;
  };
  EXPECT_EQ(say_to(options).text, (Strings{"xststst", "xststst"}));
  EXPECT_EQ(heard, (Strings{"xststst", "xststst"}));
}

TEST(OnText, HearsWhatWasHeldBackAfterACancellation) {
  Strings heard(2);
  GenerateOptions options;
  int calls = 0;
  options.on_token = [&](const GenerationStep&) { return ++calls < 4; };  // in the second step
  options.on_text = [&](std::size_t sequence, std::string_view text) {
    heard[sequence] += text;
    return true;
  };
  EXPECT_EQ(say_to(options).text, (Strings{"xst", "xst"}));
  EXPECT_EQ(heard, (Strings{"xst", "xst"}));
}

TEST(OnText, HearsTheSameFromAnAssistedModel) {
  const Script words = [](std::span<const TokenId> ids, std::span<float> logits) {
    std::vector<float> scores(kWords.size());
    pseudo_random(ids, scores);
    std::ranges::copy(scores, logits.begin() + word("st"));
    logits[byte(0xC3)] = 3.5f;
  };
  const Script mostly = [&](std::span<const TokenId> ids, std::span<float> logits) {
    words(ids, logits);
    if (ids.size() % 4 == 0) logits[static_cast<std::size_t>(word("las"))] = 9.0f;
  };
  int stopped = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    GenerationConfig config;
    config.max_new_tokens = 30;
    config.stop_strings = {"stop", "END", "xx", "\n hello"};
    config.assistant_confidence_threshold = 0.0;
    const auto say = [&](bool is_assisted) {
      Strings heard;
      GenerateOptions options;
      options.on_token = [&](const GenerationStep& step) {
        heard.push_back("token " + std::to_string(step.sequence) + " " + std::string(step.text));
        return true;
      };
      options.on_text = [&](std::size_t sequence, std::string_view text) {
        heard.push_back("text " + std::to_string(sequence) + " " + std::string(text));
        return seed % 3 > 0 || heard.size() < seed;
      };
      ScriptedModel model{400, words}, assistant{400, mostly};
      const LanguageModel large = model.language_model(3), small = assistant.language_model(3);
      const std::vector<Ids> prompts = {{kBos, byte(seed)}, {byte(seed)}, {word("st")}};
      const auto out = run_generation(large, prompts, config, &tokenizer(), options,
                                      is_assisted ? &small : nullptr);
      for (const auto reason : out.finish_reasons) stopped += reason == FinishReason::kStopString;
      return std::tuple(heard, out.text, out.sequences, out.finish_reasons, model.cache);
    };
    EXPECT_EQ(say(true), say(false)) << seed;
  }
  EXPECT_GT(stopped, 200);
}

TEST(OnText, CancelsAndIsNotCalledAgain) {
  int calls = 0;
  GenerateOptions options;
  options.on_text = [&](std::size_t, std::string_view) { return ++calls < 3; };
  const auto out = say_to(options);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(out.finish_reasons, std::vector(2, FinishReason::kCancelled));
  EXPECT_EQ(out.new_tokens[0].size(), out.new_tokens[1].size());
}

}  // namespace
}  // namespace gemma3n
