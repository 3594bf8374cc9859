// A bar on standard error while a person waits. Nothing at all unless that is a terminal.
#pragma once

#include <string>
#include <string_view>

namespace gemma3n::cli {

class Progress {
 public:
  explicit Progress(std::string label);  // "loading"
  ~Progress() { clear_line(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // fraction: 0 to 1. Draws "label  12%  details", and only when that is another line than before.
  void update(double fraction, std::string_view details = {});
  // Removes whatever line is being shown. Called before anything else is printed.
  static void clear_line();

 private:
  std::string label_;
  std::string shown_;
};

}  // namespace gemma3n::cli
