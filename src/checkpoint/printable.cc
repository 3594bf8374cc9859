#include "checkpoint/printable.h"

namespace gemma3n {

std::string printable(std::string_view text) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  std::string out;
  for (const char character : text.substr(0, kMaxPrintable)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte < 0x7f) {
      out += character;
    } else {
      out.append("\\x").append(1, kHexDigits[byte >> 4]).append(1, kHexDigits[byte & 15]);
    }
  }
  if (text.size() > kMaxPrintable) out += "...";
  return out;
}

}  // namespace gemma3n
