#include "processors/jinja/unicode.h"

#include <gtest/gtest.h>

#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

TEST(Unicode, CaseMappingsMayChangeTheLength) {
  EXPECT_EQ(upper("straße"), "STRASSE");
  EXPECT_EQ(upper("ﬁ"), "FI");
  EXPECT_EQ(lower("İ"), "i\u0307");
  EXPECT_EQ(title("ǆ ǅ ßa"), "ǅ ǅ Ssa");
  EXPECT_EQ(capitalize("éCOLE"), "École");
  EXPECT_EQ(swap_case("aÉß"), "AéSS");
}

TEST(Unicode, SigmaAtTheEndOfAWordIsFinal) {
  EXPECT_EQ(lower("ΟΔΥΣΣΕΥΣ ΣΑΣ"), "οδυσσευς σας");
  EXPECT_EQ(lower("Σ"), "σ");
  EXPECT_EQ(lower("ΑΣ.Β"), "ασ.β");  // a full stop between letters does not end the word
}

TEST(Unicode, CategoriesAreThoseOfPython) {
  EXPECT_TRUE(is_alpha(U'é') && is_alpha(U'世') && !is_alpha(U'1'));
  EXPECT_TRUE(is_decimal(U'٣') && is_digit(U'²') && !is_decimal(U'²') && is_numeric(U'½'));
  EXPECT_TRUE(is_space(0xA0) && is_space(0x2028) && is_space(0x1F) && !is_space(0x200B));
  EXPECT_TRUE(is_printable(U'世') && !is_printable(0x200B) && !is_printable(0xE000));
  EXPECT_TRUE(is_title(U'ǅ') && !is_upper(U'ǅ') && is_upper(U'Σ') && is_lower(U'ß'));
  EXPECT_TRUE(is_identifier_start(U'é') && !is_identifier_start(U'1') && is_identifier_part(U'1'));
}

TEST(Text, FloatsAreWrittenAsPythonWritesThem) {
  EXPECT_EQ(float_text(1.0), "1.0");
  EXPECT_EQ(float_text(0.1), "0.1");
  EXPECT_EQ(float_text(1e15), "1000000000000000.0");
  EXPECT_EQ(float_text(1e16), "1e+16");
  EXPECT_EQ(float_text(0.0001), "0.0001");
  EXPECT_EQ(float_text(0.00001), "1e-05");
  EXPECT_EQ(float_text(-0.0), "-0.0");
  EXPECT_EQ(float_text(5e-324), "5e-324");
}

TEST(Text, NumbersAreReadAsPythonReadsThem) {
  EXPECT_EQ(parse_int(" 1_000 "), 1000);
  EXPECT_EQ(parse_int("-0x1F", 16), -31);
  EXPECT_EQ(parse_int("1__0"), std::nullopt);
  EXPECT_EQ(parse_int("1.5"), std::nullopt);
  EXPECT_EQ(parse_float("1_0.5e1"), 105.0);
  EXPECT_EQ(parse_float("1e"), std::nullopt);
  EXPECT_EQ(parse_float("nano"), std::nullopt);
}

TEST(Text, SplittingKeepsPythonsEmptyParts) {
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(split("a,,b", ",", -1), (Parts{"a", "", "b"}));
  EXPECT_EQ(split("", ",", -1), (Parts{""}));
  EXPECT_EQ(split("  a \u00a0b ", std::nullopt, -1), (Parts{"a", "b"}));
  EXPECT_EQ(split(" a b  c ", std::nullopt, 1), (Parts{"a", "b  c "}));
  EXPECT_EQ(split_from_right(" a b  c ", std::nullopt, 1), (Parts{" a b", "c"}));
  EXPECT_EQ(split_from_right("a.b.c", ".", 1), (Parts{"a.b", "c"}));
  EXPECT_EQ(split_lines("a\r\nb\u2028\nc"), (Parts{"a", "b", "", "c"}));
}

TEST(Text, ReprChoosesItsQuotes) {
  EXPECT_EQ(quoted("it's"), "\"it's\"");
  EXPECT_EQ(quoted("'\""), "'\\'\"'");
  EXPECT_EQ(quoted("a\n\x01é\u200b😀"), "'a\\n\\x01é\\u200b😀'");
}

}  // namespace
}  // namespace gemma3n::jinja
