// Text that comes in through standard input or an argument.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gemma3n::cli {

// Far more text than any context holds; a limit so that `< /dev/zero` ends in a message.
constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;

// All of standard input, byte for byte. Tells a person at a terminal that it is being read.
// Throws: kInvalidArgument if it is longer than `max_bytes` or cannot be read.
std::string read_standard_input(std::size_t max_bytes = kMaxTextBytes);

bool standard_input_is_terminal();

// `argument`, or standard input if it is absent or "-".
std::string text_or_standard_input(const std::optional<std::string>& argument);

std::string without_surrounding_space(std::string_view text);

}  // namespace gemma3n::cli
