// Template source -> tokens, with Jinja's rules for white space around tags (trim_blocks and
// lstrip_blocks on, as transformers sets them).   Ref: jinja2.lexer
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n::jinja {

struct Token {
  enum class Kind {
    kText,
    kVariableBegin,
    kVariableEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd
  };
  Kind kind = Kind::kEnd;
  int line = 1;
  std::string text;  // of text, name, string (unescaped) or operator
  std::int64_t integer = 0;
  double number = 0;
};

// Real templates have a few thousand.
inline constexpr std::size_t kMaxTokens = 32'000;

// The last token is kEnd.
// Throws: kCorruptData with the line for what is no token or an integer beyond 64 bits. `source`
// must be valid UTF-8.
std::vector<Token> tokenize(std::string_view source);

}  // namespace gemma3n::jinja
