#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

namespace gemma3n::cli {
namespace {

// There is one terminal, so there is one line on it.
std::atomic<bool> line_is_shown = false;

}  // namespace

Progress::Progress(std::string label) : label_(std::move(label)) {}

void Progress::update(double fraction) {
  if (::isatty(STDERR_FILENO) != 1) return;
  const int percent = static_cast<int>(100.0 * std::clamp(fraction, 0.0, 1.0));
  if (percent == shown_percent_) return;
  shown_percent_ = percent;
  line_is_shown = true;
  std::fprintf(stderr, "\r%s %3d%%\033[K", label_.c_str(), percent);
  std::fflush(stderr);
}

void Progress::clear_line() {
  if (!line_is_shown.exchange(false)) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace gemma3n::cli
