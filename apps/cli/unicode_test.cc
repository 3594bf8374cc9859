#include "unicode.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

TEST(Unicode, DecodesCharactersOfEveryLength) {
  EXPECT_EQ(code_points("a\u00e9\u2581\U0001f600"), U"a\u00e9\u2581\U0001f600");
  EXPECT_EQ(code_points(""), U"");
}

TEST(Unicode, ReplacesEachByteThatIsNoUtf8) {
  EXPECT_EQ(code_points("a\xff\xe2\x96z"), U"a\ufffd\ufffd\ufffdz");
  EXPECT_EQ(code_points("\xed\xa0\x80"), U"\ufffd\ufffd\ufffd");  // a surrogate
}

TEST(Unicode, KnowsLowerCaseInManyAlphabets) {
  const std::u32string upper =
      U"AZ\u00c4\u00d8\u0100\u0178\u0395\u03a9\u0416\u042f\u0531\u10a0\U00010400\u1e9e";
  const std::u32string lower =
      U"az\u00e4\u00f8\u0101\u00ff\u03b5\u03c9\u0436\u044f\u0561\u2d00\U00010428\u00df";
  for (std::size_t i = 0; i < upper.size(); ++i) {
    EXPECT_EQ(to_lower(upper[i]), lower[i]) << i;
    EXPECT_EQ(to_lower(lower[i]), lower[i]) << i;
  }
  EXPECT_EQ(to_lower(U'\u0130'), U'i');
  for (const char32_t c : {U'\0', U'7', U'\u00d7', U'\u4e2d', char32_t{0x10ffff}}) {
    EXPECT_EQ(to_lower(c), c);
  }
}

TEST(Unicode, TellsWordsSpacesAndTheRestApart) {
  // Letters, a vowel sign, a combining accent, digits, a fraction.
  for (const char32_t c :
       std::u32string(U"aZ\u00df\u0416\u0643\u0915\u093f\u0301\u4e2d\u304b09\u0663\u00bd")) {
    EXPECT_EQ(kind_of(c), CharKind::kWord) << std::hex << static_cast<unsigned>(c);
  }
  for (const char32_t c : {U' ', U'\n', U'\t', U'\u00a0', U'\u2009', U'\u3000'}) {
    EXPECT_EQ(kind_of(c), CharKind::kSpace) << std::hex << static_cast<unsigned>(c);
  }
  // Also: dandas, an Arabic comma, a bracket of Chinese, the euro, a zero-width joiner, an emoji.
  for (const char32_t c : {U'.', U'-', U'\'', U'$', U'_', U'\0', U'\u00bf', U'\u2019', U'\u0964',
                           U'\u060c', U'\u300c', U'\u20ac', U'\u200d', U'\U0001f600'}) {
    EXPECT_EQ(kind_of(c), CharKind::kOther) << std::hex << static_cast<unsigned>(c);
  }
}

}  // namespace
}  // namespace gemma3n::cli
