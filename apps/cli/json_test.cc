#include "json.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace gemma3n::cli {
namespace {

TEST(Json, WritesNestedValuesWithTheirCommas) {
  const std::vector<int> ids = {1, 2, 3};
  Json json;
  json.begin_object().member("a", 1).member("ids", std::span<const int>(ids));
  json.key("list").begin_array();
  json.begin_object().member("x", true).end_object();
  json.begin_object().end_object();
  json.end_array().member("z", "end").end_object();
  EXPECT_EQ(json.text(), R"({"a": 1, "ids": [1, 2, 3], "list": [{"x": true}, {}], "z": "end"})");
}

TEST(Json, WritesNumbersThatReadBackExactly) {
  Json json;
  json.begin_array().value(0.1).value(1e300).value(std::uint64_t{18446744073709551615u});
  json.value(std::numeric_limits<double>::infinity()).end_array();
  EXPECT_EQ(json.text(), "[0.1, 1e+300, 18446744073709551615, null]");
}

TEST(Json, EscapesQuotesBackslashesAndControls) {
  EXPECT_EQ(json_quoted("a\"b\\c\n\x01\x7f"), R"("a\"b\\c\n\u0001\u007f")");
}

TEST(Json, KeepsWellFormedTextAsItIs) { EXPECT_EQ(json_quoted("é ▁ 😀"), "\"é ▁ 😀\""); }

// One replacement for each byte that begins no well-formed sequence: a stray byte, an overlong
// form, a surrogate, a value above U+10FFFF, a sequence cut short.
TEST(Json, ReplacesBytesThatAreNotUtf8) {
  const std::string replaced = "\xef\xbf\xbd";
  EXPECT_EQ(json_quoted("\xff"), "\"" + replaced + "\"");
  EXPECT_EQ(json_quoted("\xc0\xaf"), "\"" + replaced + replaced + "\"");
  EXPECT_EQ(json_quoted("\xed\xa0\x80"), "\"" + replaced + replaced + replaced + "\"");
  EXPECT_EQ(json_quoted("\xf4\x90\x80\x80"),
            "\"" + replaced + replaced + replaced + replaced + "\"");
  EXPECT_EQ(json_quoted("a\xe2\x96"), "\"a" + replaced + replaced + "\"");
}

}  // namespace
}  // namespace gemma3n::cli
