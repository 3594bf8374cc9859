// Standard output, checked: a full disk or a closed pipe is noticed, never passed over.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace gemma3n::cli {

// Standard output could not take the result: a full disk, an I/O error.
class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The reader of our output is gone: there is nobody to tell, so the program ends quietly.
class ClosedPipe : public std::exception {
 public:
  const char* what() const noexcept override { return "standard output is closed"; }
};

// A buffered writer to a file descriptor. Not thread-safe.
class Output {
 public:
  explicit Output(int descriptor);  // does not own it

  bool is_terminal() const { return is_terminal_; }
  bool at_line_start() const { return at_line_start_; }

  // Bytes as they are.   Throws: OutputError, ClosedPipe.
  void write(std::string_view bytes);
  // The same, but on a terminal control characters are shown instead of obeyed, so that a model
  // cannot move the cursor or rename the window.
  void write_untrusted(std::string_view text);
  void flush();
  // Flushes and closes, for the errors that a file system reports only then. Nothing may follow.
  void close();

 private:
  int descriptor_;
  bool is_terminal_;
  bool at_line_start_ = true;
  std::string buffer_;
};

}  // namespace gemma3n::cli
