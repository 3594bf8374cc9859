#include "processors/jinja/unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "base/utf8.h"

namespace gemma3n::jinja {
namespace {

// The bits of the tables, in the order make_unicode_tables.py writes them.
enum CharFlag : std::uint16_t {
  kAlpha = 1 << 0,
  kDecimal = 1 << 1,
  kDigit = 1 << 2,
  kNumeric = 1 << 3,
  kSpace = 1 << 4,
  kUpperCase = 1 << 5,
  kLowerCase = 1 << 6,
  kPrintable = 1 << 7,
  kIdentifierStart = 1 << 8,
  kIdentifierPart = 1 << 9,
  kTitleCase = 1 << 10,
  kCased = 1 << 11,  // and not ignorable
  kCaseIgnorable = 1 << 12,
  kInWord = 1 << 13,  // title() goes on in lower case after it
};

struct CharRange {
  char32_t first;  // up to the first of the next range
  std::uint16_t flags;
};

struct CaseMapping {
  char32_t from;
  const char* to;
};

#include "processors/jinja/unicode_tables.inc"

constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kFinalSigma = 0x3C2;

bool has(char32_t c, std::uint16_t flag) {
  const auto* after = std::upper_bound(std::begin(kRanges), std::end(kRanges), c,
                                       [](char32_t x, const CharRange& r) { return x < r.first; });
  return (std::prev(after)->flags & flag) != 0;
}

template <std::size_t N>
const char* find(const CaseMapping (&table)[N], char32_t c) {
  const auto* found = std::lower_bound(std::begin(table), std::end(table), c,
                                       [](const CaseMapping& m, char32_t x) { return m.from < x; });
  return found != std::end(table) && found->from == c ? found->to : nullptr;
}

// A sigma ends a word if a letter stands before it and none after, whatever marks are between.
bool is_final_sigma(std::string_view text, std::size_t begin, std::size_t end) {
  char32_t before = 0;
  while (begin > 0) {
    do {
      --begin;
    } while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80);
    std::size_t at = begin;
    before = next_code_point(text, at);
    if (!has(before, kCaseIgnorable)) break;
  }
  if (!has(before, kCased)) return false;
  while (end < text.size()) {
    const char32_t c = next_code_point(text, end);
    if (!has(c, kCaseIgnorable)) return !has(c, kCased);
  }
  return true;
}

// Appends the lower case of the character c = text[begin, end).
void append_lower(std::string& out, char32_t c, std::string_view text, std::size_t begin,
                  std::size_t end) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == kCapitalSigma && is_final_sigma(text, begin, end)) {
    append_utf8(out, kFinalSigma);
  } else if (const char* mapped = find(kLower, c)) {
    out += mapped;
  } else {
    append_utf8(out, c);
  }
}

void append_upper(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (const char* mapped = find(kUpper, c)) {
    out += mapped;
  } else {
    append_utf8(out, c);
  }
}

void append_title(std::string& out, char32_t c) {
  if (const char* mapped = c < 0x80 ? nullptr : find(kTitle, c)) {
    out += mapped;
  } else {
    append_upper(out, c);
  }
}

// Maps text with append(out, c, begin, end) for each of its characters.
template <typename Append>
std::string map_case(std::string_view text, Append append) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = next_code_point(text, i);
    append(out, c, begin, i);
  }
  return out;
}

}  // namespace

bool is_alpha(char32_t c) { return has(c, kAlpha); }
bool is_decimal(char32_t c) { return has(c, kDecimal); }
bool is_digit(char32_t c) { return has(c, kDigit); }
bool is_numeric(char32_t c) { return has(c, kNumeric); }
bool is_upper(char32_t c) { return has(c, kUpperCase); }
bool is_lower(char32_t c) { return has(c, kLowerCase); }
bool is_title(char32_t c) { return has(c, kTitleCase); }
bool is_printable(char32_t c) { return has(c, kPrintable); }
bool is_identifier_start(char32_t c) { return has(c, kIdentifierStart); }
bool is_identifier_part(char32_t c) { return has(c, kIdentifierPart); }
bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
  return has(c, kSpace);
}

std::string lower(std::string_view text) {
  return map_case(text, [&](std::string& out, char32_t c, std::size_t begin, std::size_t end) {
    append_lower(out, c, text, begin, end);
  });
}

std::string upper(std::string_view text) {
  return map_case(
      text, [](std::string& out, char32_t c, std::size_t, std::size_t) { append_upper(out, c); });
}

std::string title(std::string_view text) {
  bool in_word = false;
  return map_case(text, [&](std::string& out, char32_t c, std::size_t begin, std::size_t end) {
    if (in_word) {
      append_lower(out, c, text, begin, end);
    } else {
      append_title(out, c);
    }
    in_word = has(c, kInWord);
  });
}

std::string capitalize(std::string_view text) {
  return map_case(text, [&](std::string& out, char32_t c, std::size_t begin, std::size_t end) {
    if (begin == 0) {
      append_title(out, c);
    } else {
      append_lower(out, c, text, begin, end);
    }
  });
}

std::string swap_case(std::string_view text) {
  return map_case(text, [&](std::string& out, char32_t c, std::size_t begin, std::size_t end) {
    if (is_upper(c)) {
      append_lower(out, c, text, begin, end);
    } else if (is_lower(c)) {
      append_upper(out, c);
    } else {
      append_utf8(out, c);
    }
  });
}

}  // namespace gemma3n::jinja
