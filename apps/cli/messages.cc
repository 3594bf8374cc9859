#include "messages.h"

#include <unistd.h>

#include <cstdio>

#include "progress.h"

namespace gemma3n::cli {
namespace {

std::string show_controls(std::string_view text, std::string_view allowed) {
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    if (byte < 0x20 && allowed.find(text[i]) == std::string_view::npos) {
      shown += {'^', static_cast<char>(byte + '@')};
    } else if (byte == 0x7f) {
      shown += "^?";
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      char name[16];
      std::snprintf(name, sizeof name, "<U+%04X>", next);
      shown += name;
      ++i;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

// One write, so that messages of several threads do not mix.
void print_line(std::string_view prefix, std::string_view message) {
  Progress::clear_line();
  const std::string line = std::string(prefix) + visible_line(message) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

std::string visible_controls(std::string_view text) { return show_controls(text, "\n\t"); }
std::string visible_line(std::string_view text) { return show_controls(text, ""); }

void print_error(std::string_view message) { print_line("gemma3n: error: ", message); }
void print_warning(std::string_view message) { print_line("gemma3n: warning: ", message); }
void print_note(std::string_view message) { print_line("", message); }

}  // namespace gemma3n::cli
