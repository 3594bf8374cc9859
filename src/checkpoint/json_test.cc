#include "checkpoint/json.h"

#include <gtest/gtest.h>

#include "checkpoint/printable.h"

namespace gemma3n {
namespace {

std::string again(std::string_view text) { return to_text(parse_json_object(text)); }

TEST(Json, ReadsAndWritesEveryKindOfValue) {
  const std::string text =
      R"({"a": 1, "b": [1.5, true, false, null, []], "c": {"d": "x\"\\é", "e": {}}, "f": -3, "g": 1.0})";
  EXPECT_EQ(again(text), text);
}

TEST(Json, KeepsIntegersAndRealNumbersApart) {
  const auto object = parse_json_object(R"({"i": 9223372036854775807, "r": 1e2, "z": -0.0})");
  EXPECT_NE(get_if<std::int64_t>(*find(object, "i")), nullptr);
  EXPECT_NE(get_if<double>(*find(object, "r")), nullptr);
  EXPECT_EQ(again(R"({"r": 1e2, "s": 1e-300, "z": -0.0})"),
            R"({"r": 100.0, "s": 1e-300, "z": -0.0})");
}

TEST(Json, ControlCharactersSurvive) {
  EXPECT_EQ(again(R"({"a": "\u0000\n"})"), R"({"a": "\u0000\u000a"})");
}

TEST(Json, RefusesWhatReadersUnderstandDifferently) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "no text"},
      {"[]", "expected a JSON object"},
      {"{} {}", "behind the end"},
      {"{}x", "not valid JSON"},
      {R"({"a":1,"a":2})", "a: the key is given twice"},
      {R"({"a":1,"\u0061":2})", "a: the key is given twice"},
      {R"({"b":[{"c":{"x":1,"x":1}}]})", "b.c.x: the key is given twice"},
      {R"({"a":NaN})", "a: not valid JSON"},
      {R"({"a":{"b":1e999}})", "a.b: not valid JSON: not a number"},
      {R"({"a":18446744073709551615})", "beyond 64 bits"},
      {R"({"a":01})", "a: not valid JSON"},
      {R"({"a":[1,]})", "a: not valid JSON"},
      {R"({"a":nul})", "a: not valid JSON: a word"},
      {R"({"a":truth})", "a: not valid JSON: a word"},
      {R"({"a":"\ud800"})", "a broken escape"},
      {"{\"a\":\"\n\"}", "control character"},
      {"{\"a\":\"\xff\"}", "not UTF-8"},
      {R"({"a":"x)", "a string without end"},
  };
  for (const auto& [text, message] : cases) {
    try {
      parse_json_object(text);
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos)
          << text << ": " << error.what();
    }
  }
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_NO_THROW(parse_json_object(nested(kMaxJsonDepth - 1)));
  EXPECT_THROW(parse_json_object(nested(kMaxJsonDepth)), Error);
  EXPECT_THROW(parse_json_object(nested(1'000'000)), Error);
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(printable("a\nb\x1b\xC3\xA9"), "a\\x0ab\\x1b\\xc3\\xa9");
  EXPECT_EQ(printable(std::string(kMaxPrintable, 'x')), std::string(kMaxPrintable, 'x'));
  EXPECT_EQ(printable(std::string(kMaxPrintable + 1, 'x')),
            std::string(kMaxPrintable, 'x') + "...");
}

}  // namespace
}  // namespace gemma3n
