// Lines from a person, with editing and history, or from a file or pipe.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace gemma3n::cli {

struct Line {
  enum class Kind { kText, kInterrupted, kEnd };  // kInterrupted: Ctrl-C instead of a line
  Kind kind = Kind::kEnd;
  std::string text;  // without the line feed
};

struct LineEditor;  // the line editing library's state

class LineReader {
 public:
  // `history_file` keeps the lines from one run to the next; empty = nothing is kept.
  LineReader(const std::string& prompt, const std::filesystem::path& history_file);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // Is a person typing? Only then is there a prompt (on standard error) and a history.
  bool is_interactive() const { return editor_ != nullptr; }
  Line read();

 private:
  std::unique_ptr<LineEditor> editor_;
};

// $XDG_STATE_HOME/gemma3n/history, or ~/.local/state/gemma3n/history; empty if neither is known.
// Ref: XDG Base Directory Specification 0.8.
std::filesystem::path history_path();

}  // namespace gemma3n::cli
