// Error messages about what came from outside.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "gemma3n/error.h"

namespace gemma3n {

// `text` on one line: bytes other than printable ASCII become \xNN, and what is longer than
// kMaxPrintable is cut, so no file can forge or flood a log.
inline constexpr std::size_t kMaxPrintable = 160;
std::string printable(std::string_view text);

// Runs `read()`; its errors get "<place>: " in front.
template <typename Read>
auto naming_place(std::string_view place, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    fail(error.code(), place, ": ", error.what());
  }
}

}  // namespace gemma3n
