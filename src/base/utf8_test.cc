#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gemma3n {
namespace {

std::string encoded(char32_t code_point) {
  std::string out;
  append_utf8(out, code_point);
  return out;
}

bool is_scalar_value(std::uint32_t code) {
  return code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
}

// The definition itself, slow: decode by the bit pattern and require the shortest form back.
bool is_one_character(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte(0);
  const std::size_t length = lead < 0x80             ? 1
                             : (lead & 0xE0) == 0xC0 ? 2
                             : (lead & 0xF0) == 0xE0 ? 3
                             : (lead & 0xF8) == 0xF0 ? 4
                                                     : 0;
  if (length == 0 || bytes.size() != length) return false;
  std::uint32_t code = length == 1 ? lead : lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return false;
    code = (code << 6) | (byte(i) & 0x3Fu);
  }
  return is_scalar_value(code) && encoded(code) == bytes;
}

TEST(Utf8, EveryScalarValueSurvivesTheRoundTrip) {
  for (std::uint32_t code = 0; code <= 0x10FFFF; ++code) {
    if (!is_scalar_value(code)) continue;
    const std::string text = encoded(code);
    std::size_t pos = 0;
    ASSERT_TRUE(is_valid_utf8(text)) << code;
    ASSERT_EQ(utf8_length(text[0]), text.size()) << code;
    ASSERT_EQ(next_code_point(text, pos), code);
    ASSERT_EQ(pos, text.size());
  }
}

TEST(Utf8, EveryShortSequenceIsJudgedAsTheDefinitionSays) {
  // All leads with two or three bytes, the rest taken from the edges of the allowed ranges.
  const std::string edges("\x00\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xFF", 10);
  for (int lead = 0x80; lead <= 0xFF; ++lead) {
    std::vector<std::string> level = {std::string(1, static_cast<char>(lead))};
    for (int length = 1; length <= 4; ++length) {
      std::vector<std::string> longer;
      for (const auto& bytes : level) {
        EXPECT_EQ(is_valid_utf8(bytes), is_one_character(bytes)) << testing::PrintToString(bytes);
        // Continue only what is no character yet, so that each string stays one candidate.
        if (is_one_character(bytes)) continue;
        for (const char c : edges) {
          if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) longer.push_back(bytes + c);
        }
      }
      level = std::move(longer);
    }
  }
}

TEST(Utf8, PrefixEndsWhereTheFirstBrokenCharacterBegins) {
  const std::string good = "a long enough ASCII start, then é€😀";
  for (const std::string bad : {"\x80", "\xC3", "\xC0\x80", "\xE2\x82", "\xED\xA0\x80",
                                "\xF0\x9F\x98", "\xF4\x90\x80\x80", "\xFF"}) {
    EXPECT_EQ(valid_utf8_prefix(good + bad), good.size()) << testing::PrintToString(bad);
    EXPECT_EQ(valid_utf8_prefix(good + bad + "xxxxxxxxxxxxxxxx"), good.size());
    EXPECT_EQ(valid_utf8_prefix(bad), 0u);
  }
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
  EXPECT_EQ(valid_utf8_prefix(std::string_view("\0", 1)), 1u);
}

TEST(Utf8, CountsCharactersNotBytes) {
  EXPECT_EQ(count_code_points(""), 0u);
  EXPECT_EQ(count_code_points("aé€😀"), 4u);
  EXPECT_EQ(count_code_points(kReplacementCharacter), 1u);
}

}  // namespace
}  // namespace gemma3n
