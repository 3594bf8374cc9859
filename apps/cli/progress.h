// A percentage on standard error while a person waits. Nothing at all unless that is a terminal.
#pragma once

#include <string>

namespace gemma3n::cli {

class Progress {
 public:
  explicit Progress(std::string label);  // "loading"
  ~Progress() { clear_line(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(double fraction);  // 0 to 1; draws only when the shown number changes
  // Removes whatever line is being shown. Called before anything else is printed.
  static void clear_line();

 private:
  std::string label_;
  int shown_percent_ = -1;
};

}  // namespace gemma3n::cli
