// Gemma's normaliser: a space is written "▁" (U+2581). Nothing else changes.
#pragma once

#include <string>
#include <string_view>

namespace gemma3n {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // ▁

// Replaces every `from` in `text` by `to` and appends the result.
inline void append_replaced(std::string_view text, std::string_view from, std::string_view to,
                            std::string& out) {
  for (;;) {
    const std::size_t at = text.find(from);
    out.append(text.substr(0, at));
    if (at == std::string_view::npos) return;
    out.append(to);
    text.remove_prefix(at + from.size());
  }
}

inline void append_normalized(std::string_view text, std::string& out) {
  append_replaced(text, " ", kSpaceMark, out);
}

inline void append_denormalized(std::string_view piece, std::string& out) {
  append_replaced(piece, kSpaceMark, " ", out);
}

}  // namespace gemma3n
