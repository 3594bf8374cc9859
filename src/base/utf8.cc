#include "base/utf8.h"

#include <cstring>

namespace gemma3n {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080u;

unsigned byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

bool is_continuation(unsigned byte) { return (byte & 0xC0) == 0x80; }

// Length of the valid character at bytes[i], or 0.
// Ref: Unicode 15, table 3-7 (well-formed UTF-8 byte sequences).
std::size_t valid_character(std::string_view bytes, std::size_t i) {
  const unsigned lead = byte_at(bytes, i);
  const std::size_t left = bytes.size() - i;
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4 || left < 2) return 0;

  // Only the second byte has a range that depends on the first.
  const unsigned lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  const unsigned second = byte_at(bytes, i + 1);
  if (second < lowest || second > highest) return 0;

  const std::size_t length = utf8_length(bytes[i]);
  if (left < length) return 0;
  for (std::size_t k = 2; k < length; ++k) {
    if (!is_continuation(byte_at(bytes, i + k))) return 0;
  }
  return length;
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    std::uint64_t eight;
    if (bytes.size() - i >= sizeof(eight)) {
      std::memcpy(&eight, bytes.data() + i, sizeof(eight));
      if ((eight & kHighBits) == 0) {
        i += sizeof(eight);
        continue;
      }
    }
    const std::size_t length = valid_character(bytes, i);
    if (length == 0) return i;
    i += length;
  }
  return i;
}

char32_t next_code_point(std::string_view text, std::size_t& pos) {
  const std::size_t length = utf8_length(text[pos]);
  unsigned code = byte_at(text, pos);
  if (length > 1) code &= 0x7Fu >> length;
  for (std::size_t k = 1; k < length; ++k) code = (code << 6) | (byte_at(text, pos + k) & 0x3F);
  pos += length;
  return code;
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto code = static_cast<std::uint32_t>(code_point);
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto put_continuation = [&](unsigned shift) { put(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put_continuation(0);
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put_continuation(6);
    put_continuation(0);
  } else {
    put(0xF0 | (code >> 18));
    put_continuation(12);
    put_continuation(6);
    put_continuation(0);
  }
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += !is_continuation(static_cast<unsigned char>(c));
  return count;
}

}  // namespace gemma3n
