#include "json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "unicode.h"

namespace gemma3n::cli {

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
