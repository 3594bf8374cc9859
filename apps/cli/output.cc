#include "output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "messages.h"

namespace gemma3n::cli {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;

[[noreturn]] void throw_write_error(int error) {
  if (error == EPIPE) throw ClosedPipe();
  throw OutputError(std::string("cannot write to standard output: ") + std::strerror(error));
}

// Waits until a non-blocking descriptor takes more.
void wait_writable(int descriptor) {
  pollfd wanted = {descriptor, POLLOUT, 0};
  if (::poll(&wanted, 1, -1) < 0 && errno != EINTR) throw_write_error(errno);
}

}  // namespace

Output::Output(int descriptor) : descriptor_(descriptor), is_terminal_(::isatty(descriptor) == 1) {}

void Output::write(std::string_view bytes) {
  if (bytes.empty()) return;
  buffer_ += bytes;
  at_line_start_ = bytes.back() == '\n';
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::write_untrusted(std::string_view text) {
  if (is_terminal_) {
    write(visible_controls(text));
  } else {
    write(text);
  }
}

void Output::flush() {
  // What fails to be written is dropped: a caller that goes on after the error must not repeat it.
  const std::string pending = std::move(buffer_);
  buffer_.clear();
  std::size_t done = 0;
  while (done < pending.size()) {
    const ssize_t n = ::write(descriptor_, pending.data() + done, pending.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_writable(descriptor_);
    } else if (errno != EINTR) {
      throw_write_error(errno);
    }
  }
}

void Output::close() {
  flush();
  if (::close(descriptor_) < 0 && errno != EINTR && errno != EBADF) throw_write_error(errno);
}

}  // namespace gemma3n::cli
