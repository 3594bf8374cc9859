#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <utility>

namespace gemma3n::cli {
namespace {

constexpr int kBarWidth = 20;

// There is one terminal, so there is one line on it.
std::atomic<bool> line_is_shown = false;

}  // namespace

Progress::Progress(std::string label) : label_(std::move(label)) {}

void Progress::update(double fraction, std::string_view details) {
  if (::isatty(STDERR_FILENO) != 1) return;
  const double done = std::clamp(fraction, 0.0, 1.0);
  std::string bar(kBarWidth, ' ');
  std::fill_n(bar.begin(), static_cast<int>(kBarWidth * done), '#');
  char percent[8];
  std::snprintf(percent, sizeof percent, "] %3d%%", static_cast<int>(100.0 * done));
  std::string line = label_ + " [" + bar + percent;
  if (!details.empty()) line.append("  ").append(details);
  if (line == shown_) return;
  shown_ = std::move(line);
  line_is_shown = true;
  std::fprintf(stderr, "\r%s\033[K", shown_.c_str());
  std::fflush(stderr);
}

void Progress::clear_line() {
  if (!line_is_shown.exchange(false)) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace gemma3n::cli
