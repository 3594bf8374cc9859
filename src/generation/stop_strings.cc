#include "generation/stop_strings.h"

#include <algorithm>

namespace gemma3n {

StopStringMatcher::StopStringMatcher(std::span<const std::string> stop_strings) {
  for (const std::string& text : stop_strings) {
    patterns_.push_back(make_pattern(text));
    longest_ = std::max(longest_, text.size());
  }
}

StopStringMatcher::Pattern StopStringMatcher::make_pattern(const std::string& text) {
  Pattern pattern{text, std::vector<std::size_t>(text.size() + 1), 0};
  std::size_t length = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = pattern.border[length];
    if (text[i] == text[length]) ++length;
    pattern.border[i + 1] = length;
  }
  return pattern;
}

void StopStringMatcher::advance(Pattern& pattern, char byte) {
  std::size_t& n = pattern.matched;
  if (n == pattern.text.size()) n = pattern.border[n];
  while (n > 0 && pattern.text[n] != byte) n = pattern.border[n];
  if (pattern.text[n] == byte) ++n;
}

std::optional<std::size_t> StopStringMatcher::push(std::string_view bytes) {
  for (const char byte : bytes) {
    ++position_;
    std::size_t complete = 0;
    for (Pattern& pattern : patterns_) {
      advance(pattern, byte);
      if (pattern.matched == pattern.text.size()) complete = std::max(complete, pattern.matched);
    }
    // Before the start of the stream stands what was skipped.
    if (complete > 0) return position_ > complete ? position_ - complete : 0;
  }
  return std::nullopt;
}

void StopStringMatcher::skip(std::string_view bytes) {
  for (const char byte : bytes) {
    for (Pattern& pattern : patterns_) advance(pattern, byte);
  }
}

std::size_t StopStringMatcher::held_bytes() const {
  std::size_t held = 0;
  for (const Pattern& pattern : patterns_) held = std::max(held, pattern.matched);
  return std::min(held, position_);
}

}  // namespace gemma3n
