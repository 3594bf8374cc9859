// Characters, as the comparison of texts needs them: which of them make words, and lower case.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma3n::cli {

// The length of the well-formed UTF-8 sequence at the front of `text`; 0 if there is none.
// Ref: Unicode 15, table 3-7.
std::size_t utf8_length(std::string_view text);

// The characters of `text`; U+FFFD for each byte that is no UTF-8.
std::u32string code_points(std::string_view text);

enum class CharKind {
  kWord,   // letters, marks, numbers
  kSpace,  // line feeds, tabs and no-break spaces among them
  kOther,  // punctuation, symbols, controls, invisible joiners
};
CharKind kind_of(char32_t c);

// One character for one: the dotted capital I becomes a plain i, a sigma never a final one.
char32_t to_lower(char32_t c);

}  // namespace gemma3n::cli
