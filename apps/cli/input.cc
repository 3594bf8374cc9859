#include "input.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "gemma3n/error.h"
#include "messages.h"

namespace gemma3n::cli {
namespace {

// Far more than any context holds; a limit so that `< /dev/zero` ends in a message.
constexpr std::size_t kMaxInputBytes = std::size_t{64} << 20;

}  // namespace

std::string read_standard_input() {
  if (::isatty(STDIN_FILENO) == 1) print_note("reading standard input; end with Ctrl-D");
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
    if (text.size() > kMaxInputBytes) {
      fail(ErrorCode::kInvalidArgument, "standard input: expected at most ", kMaxInputBytes,
           " bytes, got more");
    }
  }
}

std::string text_or_standard_input(const std::optional<std::string>& argument) {
  return argument && *argument != "-" ? *argument : read_standard_input();
}

}  // namespace gemma3n::cli
