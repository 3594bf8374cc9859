// UTF-8 as Unicode 15 defines it: shortest form only, no surrogates, at most U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemma3n {

// U+FFFD, what stands for bytes that are no character.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// Length in bytes of the longest prefix that is valid UTF-8; bytes.size() if all of it is.
// The offset it returns is where the first broken (or cut off) character begins.
std::size_t valid_utf8_prefix(std::string_view bytes);

inline bool is_valid_utf8(std::string_view bytes) {
  return valid_utf8_prefix(bytes) == bytes.size();
}

// Bytes of the character that begins with `lead`, which must be the first byte of valid UTF-8.
inline std::size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The character at text[pos], and `pos` moved behind it. `text` must be valid UTF-8 and `pos` the
// start of a character of it.   for (std::size_t i = 0; i < s.size();) use(next_code_point(s, i));
char32_t next_code_point(std::string_view text, std::size_t& pos);

// Appends the UTF-8 form of `code_point`, which must be a Unicode scalar value.
void append_utf8(std::string& out, char32_t code_point);

// Number of characters of valid UTF-8.
std::size_t count_code_points(std::string_view text);

}  // namespace gemma3n
