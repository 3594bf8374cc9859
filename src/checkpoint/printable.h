// Text from outside inside an error message.
#pragma once

#include <string>
#include <string_view>

namespace gemma3n {

// `text` on one line: bytes other than printable ASCII become \xNN, and what is longer than
// kMaxPrintable is cut, so no file can forge or flood a log.
inline constexpr std::size_t kMaxPrintable = 160;
std::string printable(std::string_view text);

}  // namespace gemma3n
