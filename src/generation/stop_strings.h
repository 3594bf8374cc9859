// Finds stop strings in a growing text, wherever its pieces are cut.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n {

// Reads a stream of bytes. Linear time (Knuth, Morris and Pratt), so no text can make it slow.
class StopStringMatcher {
 public:
  // None of `stop_strings` may be empty.
  explicit StopStringMatcher(std::span<const std::string> stop_strings);

  // Reads `bytes`. If they complete a stop string, returns where it begins, counted in bytes from
  // the start of the stream: of the stop string that is complete first, and of several that end
  // there, the longest. The stream is then over.
  std::optional<std::size_t> push(std::string_view bytes);

  // Reads `bytes` that stand before the text; a stop string may begin in them, but not end.
  void skip(std::string_view bytes);

  // Length of the longest end of the stream that may still become a stop string.
  std::size_t held_bytes() const;

  std::size_t longest() const { return longest_; }  // stop string, in bytes

 private:
  struct Pattern {
    std::string text;
    std::vector<std::size_t>
        border;  // [n + 1]: of each prefix, its longest proper one that ends it
    std::size_t matched = 0;
  };
  static Pattern make_pattern(const std::string& text);
  static void advance(Pattern& pattern, char byte);

  std::vector<Pattern> patterns_;
  std::size_t longest_ = 0;
  std::size_t position_ = 0;  // bytes read
};

}  // namespace gemma3n
