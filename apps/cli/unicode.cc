#include "unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace gemma3n::cli {
namespace {

struct KindRange {
  char32_t first;  // up to the first of the next range
  CharKind kind;
};

// first, first + step, ..., last: the lower case of each is `distance` away.
struct LowerRun {
  char32_t first, last;
  char32_t step;
  std::int32_t distance;
};

#include "unicode_tables.inc"

// The character that the `length` bytes at the front of `text` are; they are well-formed.
char32_t decode(std::string_view text, std::size_t length) {
  constexpr unsigned kLeadBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  char32_t c = static_cast<unsigned char>(text[0]) & kLeadBits[length];
  for (std::size_t i = 1; i < length; ++i) {
    c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  return c;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xc0u) == 0x80u; };
  const unsigned first = at(0);
  const unsigned second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && second < 0xa0) return 0;  // overlong
    if (first == 0xed && second > 0x9f) return 0;  // surrogate
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && second < 0x90) return 0;  // overlong
    if (first == 0xf4 && second > 0x8f) return 0;  // above U+10FFFF
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

std::u32string code_points(std::string_view text) {
  constexpr char32_t kReplacement = 0xfffd;
  std::u32string points;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    points += length == 0 ? kReplacement : decode(text, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return points;
}

CharKind kind_of(char32_t c) {
  const auto* after = std::upper_bound(std::begin(kKinds), std::end(kKinds), c,
                                       [](char32_t x, const KindRange& r) { return x < r.first; });
  return std::prev(after)->kind;
}

char32_t to_lower(char32_t c) {
  const auto* run = std::lower_bound(std::begin(kLowerRuns), std::end(kLowerRuns), c,
                                     [](const LowerRun& r, char32_t x) { return r.last < x; });
  const bool is_upper =
      run != std::end(kLowerRuns) && c >= run->first && (c - run->first) % run->step == 0;
  return is_upper ? static_cast<char32_t>(static_cast<std::int32_t>(c) + run->distance) : c;
}

}  // namespace gemma3n::cli
