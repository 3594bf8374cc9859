// Text that comes in through standard input or an argument.
#pragma once

#include <optional>
#include <string>

namespace gemma3n::cli {

// All of standard input, byte for byte. Tells a person at a terminal that it is being read.
// Throws: kInvalidArgument if it is longer than 64 MiB or cannot be read.
std::string read_standard_input();

// `argument`, or standard input if it is absent or "-".
std::string text_or_standard_input(const std::optional<std::string>& argument);

}  // namespace gemma3n::cli
