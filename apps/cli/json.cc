#include "json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace gemma3n::cli {
namespace {

// The length of the well-formed UTF-8 sequence at the front of `text`; 0 if there is none.
// Ref: Unicode 15, table 3-7.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xc0u) == 0x80u; };
  const unsigned first = at(0);
  const unsigned second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && second < 0xa0) return 0;  // overlong
    if (first == 0xed && second > 0x9f) return 0;  // surrogate
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && second < 0x90) return 0;  // overlong
    if (first == 0xf4 && second > 0x8f) return 0;  // above U+10FFFF
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string json_quoted(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0) {
      quoted += "\xef\xbf\xbd";
    } else if (first == '"' || first == '\\') {
      quoted += {'\\', text.front()};
    } else if (first == '\n') {
      quoted += "\\n";
    } else if (first < 0x20 || first == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", first);
      quoted += escaped;
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + '"';
}

Json& Json::key(std::string_view name) {
  separate();
  text_ += json_quoted(name) + ": ";
  needs_comma_ = false;
  return *this;
}

Json& Json::value(double number) {
  if (!std::isfinite(number)) return raw("null");
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

Json& Json::open(char bracket) {
  separate();
  text_ += bracket;
  needs_comma_ = false;
  return *this;
}

Json& Json::close(char bracket) {
  text_ += bracket;
  needs_comma_ = true;
  return *this;
}

Json& Json::raw(std::string_view literal) {
  separate();
  text_ += literal;
  needs_comma_ = true;
  return *this;
}

void Json::separate() {
  if (needs_comma_) text_ += ", ";
}

}  // namespace gemma3n::cli
