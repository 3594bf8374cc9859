#include "input.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "gemma3n/error.h"
#include "messages.h"

namespace gemma3n::cli {

bool standard_input_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

std::string read_standard_input(std::size_t max_bytes) {
  if (standard_input_is_terminal()) print_note("reading standard input; end with Ctrl-D");
  std::string text;
  std::array<char, 1 << 16> block;
  while (true) {
    const ssize_t n = ::read(STDIN_FILENO, block.data(), block.size());
    if (n == 0) return text;
    if (n < 0) {
      if (errno == EINTR) continue;
      fail(ErrorCode::kInvalidArgument, "cannot read standard input: ", std::strerror(errno));
    }
    text.append(block.data(), static_cast<std::size_t>(n));
    if (text.size() > max_bytes) {
      fail(ErrorCode::kInvalidArgument, "standard input: expected at most ", max_bytes,
           " bytes, got more");
    }
  }
}

std::string without_surrounding_space(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

std::string text_or_standard_input(const std::optional<std::string>& argument) {
  return argument && *argument != "-" ? *argument : read_standard_input();
}

}  // namespace gemma3n::cli
