#include "generation/stop_strings.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

using Strings = std::vector<std::string>;

// Pushes `text` in pieces of `size` bytes; where the first stop string begins.
std::optional<std::size_t> first_stop(const Strings& stop_strings, std::string_view text,
                                      std::size_t size) {
  StopStringMatcher matcher(stop_strings);
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    if (const auto begin = matcher.push(text.substr(0, size))) return begin;
  }
  return std::nullopt;
}

TEST(StopStringMatcher, FindsAStopStringHoweverTheTextIsCut) {
  for (std::size_t size = 1; size <= 12; ++size) {
    EXPECT_EQ(first_stop({"stop"}, "ssto stopper", size), 5u) << size;
    EXPECT_EQ(first_stop({"aab"}, "aaaab", size), 2u) << size;
    EXPECT_EQ(first_stop({"abab", "c"}, "abaabab", size), 3u) << size;
    EXPECT_EQ(first_stop({"stop"}, "sto sopt", size), std::nullopt) << size;
  }
}

TEST(StopStringMatcher, TakesTheFirstToEndAndOfThoseTheLongest) {
  EXPECT_EQ(first_stop({"bcd", "abcde"}, "abcde", 5), 1u);
  EXPECT_EQ(first_stop({"cd", "bcd"}, "abcde", 5), 1u);
  EXPECT_EQ(first_stop({"bcd", "cd"}, "abcde", 5), 1u);
}

TEST(StopStringMatcher, HoldsWhatMayStillBecomeAStopString) {
  StopStringMatcher matcher(Strings{"abac", "bad"});
  const auto held_after = [&](std::string_view bytes) {
    EXPECT_EQ(matcher.push(bytes), std::nullopt);
    return matcher.held_bytes();
  };
  EXPECT_EQ(held_after("xa"), 1u);
  EXPECT_EQ(held_after("ba"), 3u);  // aba(c)
  EXPECT_EQ(held_after("b"), 2u);   // ab(ac)
  EXPECT_EQ(held_after("x"), 0u);
}

TEST(StopStringMatcher, MayBeginInSkippedTextButNotEndThere) {
  StopStringMatcher matcher(Strings{"\n\n"});
  matcher.skip("a\n\n");
  EXPECT_EQ(matcher.held_bytes(), 0u);
  EXPECT_EQ(matcher.push("\n"), 0u);

  StopStringMatcher other(Strings{"ab"});
  other.skip("ab");
  EXPECT_EQ(other.push("bxab"), 2u);
}

TEST(StopStringMatcher, WithoutStopStringsFindsNothing) {
  StopStringMatcher matcher({});
  EXPECT_EQ(matcher.push("anything"), std::nullopt);
  EXPECT_EQ(matcher.held_bytes(), 0u);
  EXPECT_EQ(matcher.longest(), 0u);
}

// Against the definition, for all texts of length 8 over two letters.
TEST(StopStringMatcher, AgreesWithPlainSearch) {
  const Strings stops = {"aba", "bb", "aabb"};
  for (unsigned bits = 0; bits < 256; ++bits) {
    std::string text;
    for (unsigned i = 0; i < 8; ++i) text += (bits >> i) & 1 ? 'b' : 'a';
    std::optional<std::size_t> expected;
    for (std::size_t end = 1; end <= text.size() && !expected; ++end) {
      for (const auto& stop : stops) {
        if (std::string_view(text).substr(0, end).ends_with(stop)) {
          expected = std::min(expected.value_or(end), end - stop.size());
        }
      }
    }
    EXPECT_EQ(first_stop(stops, text, 3), expected) << text;
  }
}

}  // namespace
}  // namespace gemma3n
