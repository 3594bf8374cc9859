#include "processors/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "base/utf8.h"
#include "gemma3n/error.h"
#include "processors/jinja/text.h"
#include "processors/jinja/unicode.h"

namespace gemma3n::jinja {
namespace {

constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                           "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                           ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

// Line ends become \n and the last one is dropped, as keep_trailing_newline is off.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

std::string_view strip_right(std::string_view text) { return strip(text, Side::kRight); }

bool is_digit_in(char c, int base) {
  const int value = c >= '0' && c <= '9'                     ? c - '0'
                    : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                             : 99;
  return value < base;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize_newlines(source)), rest_(source_) {}

  std::vector<Token> run() {
    while (!rest_.empty()) lex_text();
    add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_here(std::string_view what) const {
    fail(ErrorCode::kCorruptData, "chat template line ", line_, ": ", what);
  }

  void add(Token::Kind kind, std::string text) {
    Token token;
    token.kind = kind, token.line = line_, token.text = std::move(text);
    if (tokens_.size() >= kMaxTokens)
      fail_here("a template of more than " + std::to_string(kMaxTokens) + " tokens");
    tokens_.push_back(std::move(token));
  }

  void advance(std::size_t bytes) {
    line_ +=
        static_cast<int>(std::count(rest_.begin(), rest_.begin() + static_cast<long>(bytes), '\n'));
    if (bytes > 0) at_line_start_ = rest_[bytes - 1] == '\n';
    rest_.remove_prefix(bytes);
  }

  void skip_space() { advance(rest_.size() - strip(rest_, Side::kLeft).size()); }

  // Text up to the next tag, and that tag.
  void lex_text() {
    std::size_t begin = 0;
    do {
      begin = rest_.find('{', begin);
      if (begin == std::string_view::npos || begin + 1 >= rest_.size()) {
        add(Token::Kind::kText, std::string(rest_));
        advance(rest_.size());
        return;
      }
    } while (std::string_view("{%#").find(rest_[begin + 1]) == std::string_view::npos && ++begin);

    const char kind = rest_[begin + 1];
    const char after = begin + 2 < rest_.size() ? rest_[begin + 2] : '\0';
    const char sign = after == '-' || after == '+' ? after : '\0';
    add_text(rest_.substr(0, begin), sign, kind == '{');
    advance(begin + 2 + (sign ? 1 : 0));
    if (kind == '#') {
      lex_comment();
    } else if (kind == '%') {
      if (!lex_raw()) lex_tag(Token::Kind::kBlockBegin, Token::Kind::kBlockEnd, "%}");
    } else {
      lex_tag(Token::Kind::kVariableBegin, Token::Kind::kVariableEnd, "}}");
    }
  }

  // The text before a tag: `-` eats its trailing white space; otherwise a block that is alone on
  // its line eats the indentation.
  void add_text(std::string_view text, char sign, bool before_variable) {
    if (sign == '-') {
      text = strip_right(text);
    } else if (sign != '+' && !before_variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
      if ((line > 0 || at_line_start_) && strip_right(text.substr(line)).empty())
        text = text.substr(0, line);
    }
    if (!text.empty()) add(Token::Kind::kText, std::string(text));
  }

  void lex_comment() {
    if (rest_.empty()) return;  // Jinja lets a template end right behind `{#` or `{% raw %}`
    const std::size_t end = rest_.find("#}");
    if (end == std::string_view::npos) fail_here("missing end of comment tag");
    const char sign = end > 0 ? rest_[end - 1] : '\0';
    advance(end + 2);
    finish_block(sign);
  }

  // After the end of a block or comment: - eats white space, nothing eats one newline, + eats none.
  void finish_block(char sign) {
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && !rest_.empty() && rest_[0] == '\n') {
      advance(1);
    }
  }

  // At `{%` or `{%-`: takes a whole raw block.
  bool lex_raw() {
    std::string_view after = strip(rest_, Side::kLeft);
    if (!after.starts_with("raw")) return false;
    after = strip(after.substr(3), Side::kLeft);
    const bool eats_space = after.starts_with("-%}");
    if (!eats_space && !after.starts_with("%}")) return false;
    advance(rest_.size() - after.size() + (eats_space ? 3 : 2));
    if (eats_space) skip_space();
    lex_raw_body();
    return true;
  }

  void lex_raw_body() {
    if (rest_.empty()) return;
    for (std::size_t begin = 0;; ++begin) {
      begin = rest_.find("{%", begin);
      if (begin == std::string_view::npos) fail_here("missing end of raw directive");
      std::string_view after = rest_.substr(begin + 2);
      char sign = '\0';
      if (!after.empty() && (after[0] == '-' || after[0] == '+')) {
        sign = after[0];
        after.remove_prefix(1);
      }
      after = strip(after, Side::kLeft);
      if (!after.starts_with("endraw")) continue;
      after = strip(after.substr(6), Side::kLeft);
      char end_sign = '\0';
      if (!after.empty() && (after[0] == '-' || after[0] == '+')) {
        end_sign = after[0];
        after.remove_prefix(1);
      }
      if (!after.starts_with("%}")) continue;
      add_text(rest_.substr(0, begin), sign, false);
      advance(rest_.size() - after.size() + 2);
      finish_block(end_sign);
      return;
    }
  }

  void lex_tag(Token::Kind begin, Token::Kind end, std::string_view closing) {
    add(begin, "");
    const bool is_block = begin == Token::Kind::kBlockBegin;
    for (skip_space();; skip_space()) {
      if (rest_.empty()) return;  // the parser says what is missing
      if (brackets_.empty()) {
        const bool has_sign = rest_[0] == '-' || (is_block && rest_[0] == '+');
        if (rest_.substr(has_sign ? 1 : 0).starts_with(closing)) {
          const char sign = has_sign ? rest_[0] : '\0';
          add(end, "");
          advance(closing.size() + (has_sign ? 1 : 0));
          if (is_block) {
            finish_block(sign);
          } else if (sign == '-') {
            skip_space();
          }
          return;
        }
      }
      lex_token();
    }
  }

  void lex_token() {
    const char c = rest_[0];
    if (c >= '0' && c <= '9') return lex_number();
    if (c == '"' || c == '\'') return lex_string(c);
    std::size_t end = 0;
    const char32_t first = next_code_point(rest_, end);
    if (is_identifier_start(first) || is_alphanumeric(first)) return lex_name();
    for (const std::string_view op : kOperators) {
      if (!rest_.starts_with(op)) continue;
      balance(op[0]);
      add(Token::Kind::kOperator, std::string(op));
      advance(op.size());
      return;
    }
    fail_here("unexpected character " + quoted(rest_.substr(0, end)));
  }

  void balance(char bracket) {
    if (bracket == '{') brackets_ += '}';
    if (bracket == '(') brackets_ += ')';
    if (bracket == '[') brackets_ += ']';
    if (bracket != '}' && bracket != ')' && bracket != ']') return;
    if (brackets_.empty()) fail_here(std::string("unexpected '") + bracket + "'");
    if (brackets_.back() != bracket)
      fail_here(std::string("unexpected '") + bracket + "', expected '" + brackets_.back() + "'");
    brackets_.pop_back();
  }

  void lex_name() {
    std::size_t end = 0;
    bool is_valid = true;
    for (std::size_t i = 0; i < rest_.size();) {
      const char32_t c = next_code_point(rest_, i);
      if (!is_identifier_part(c) && !is_alphanumeric(c)) break;
      is_valid = is_valid && (end == 0 ? is_identifier_start(c) : is_identifier_part(c));
      end = i;
    }
    if (!is_valid) fail_here("invalid character in identifier " + quoted(rest_.substr(0, end)));
    add(Token::Kind::kName, std::string(rest_.substr(0, end)));
    advance(end);
  }

  // Length of digits of `base` at `at`, single underscores between them allowed.
  std::size_t digits_at(std::size_t at, int base, bool may_begin_with_underscore = false) const {
    std::size_t i = at;
    const auto digit = [&](std::size_t k) {
      return k < rest_.size() && is_digit_in(rest_[k], base);
    };
    while (digit(i) || (i < rest_.size() && rest_[i] == '_' && digit(i + 1) &&
                        (i > at || may_begin_with_underscore))) {
      ++i;
    }
    return i - at;
  }

  std::size_t exponent_at(std::size_t at) const {
    if (at >= rest_.size() || (rest_[at] | 0x20) != 'e') return 0;
    const bool has_sign = at + 1 < rest_.size() && (rest_[at + 1] == '+' || rest_[at + 1] == '-');
    const std::size_t digits = digits_at(at + 1 + (has_sign ? 1 : 0), 10);
    return digits == 0 ? 0 : 1 + (has_sign ? 1 : 0) + digits;
  }

  // Length of a float at the start of the rest, 0 if it is none.
  std::size_t float_length() const {
    if (!tokens_.empty() && tokens_.back().text == "." && rest_.data() != source_.data() &&
        rest_.data()[-1] == '.')
      return 0;  // a.0.1 is two subscripts
    const std::size_t whole = digits_at(0, 10);
    std::size_t end = whole;
    if (end < rest_.size() && rest_[end] == '.') {
      const std::size_t fraction = digits_at(end + 1, 10);
      if (fraction > 0) end += 1 + fraction;
    }
    const std::size_t exponent = exponent_at(end);
    return end > whole || exponent > 0 ? end + exponent : 0;
  }

  void lex_number() {
    if (const std::size_t length = float_length()) {
      add(Token::Kind::kFloat, std::string(rest_.substr(0, length)));
      tokens_.back().number = parse_float(tokens_.back().text).value();
      advance(length);
      return;
    }
    const char marker =
        rest_[0] == '0' && rest_.size() > 1 ? static_cast<char>(rest_[1] | 0x20) : '\0';
    const int base = marker == 'x' ? 16 : marker == 'o' ? 8 : marker == 'b' ? 2 : 10;
    std::size_t length = 0;
    if (base != 10) length = digits_at(2, base, true);
    if (length > 0) {
      length += 2;
    } else if (rest_[0] == '0') {
      // A decimal zero: further digits would be another token.
      while (length < rest_.size() &&
             (rest_[length] == '0' ||
              (rest_[length] == '_' && length + 1 < rest_.size() && rest_[length + 1] == '0'))) {
        ++length;
      }
    } else {
      length = digits_at(0, 10);
    }
    add(Token::Kind::kInteger, std::string(rest_.substr(0, length)));
    const std::string digits(rest_.substr(0, length));
    try {
      tokens_.back().integer = parse_int(digits, 0).value();
    } catch (const Error& error) {
      fail_here(error.what());
    }
    advance(length);
  }

  void lex_string(char quote) {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size())
      fail_here(std::string("unexpected character ") + (quote == '"' ? "'\"'" : "\"'\""));
    add(Token::Kind::kString, unescape(rest_.substr(1, end - 1)));
    advance(end + 1);
  }

  static void append_hex(std::string& out, char32_t c) {
    static constexpr char kHex[] = "0123456789abcdef";
    const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
    out += digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kHex[(c >> shift) & 15];
  }

  // Jinja writes foreign characters as escapes first, so a backslash before one escapes that.
  std::string unescape(std::string_view text) const {
    if (text.find('\\') == std::string_view::npos) return std::string(text);
    std::string ascii;
    for (std::size_t i = 0; i < text.size();) {
      const char32_t c = next_code_point(text, i);
      if (c < 0x80) {
        ascii += static_cast<char>(c);
      } else {
        append_hex(ascii, c);
      }
    }
    std::string out;
    for (std::size_t i = 0; i < ascii.size();) {
      if (ascii[i] != '\\') {
        out += ascii[i++];
      } else {
        i = unescape_one(ascii, i + 1, out);
      }
    }
    return out;
  }

  // At the character after a backslash; returns the position behind the escape.
  std::size_t unescape_one(std::string_view text, std::size_t i, std::string& out) const {
    static constexpr std::string_view kLetters = "abfnrtv\\'\"";
    static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    const char c = text[i];
    if (c == '\n') return i + 1;
    if (const std::size_t at = kLetters.find(c); at != std::string_view::npos) {
      out += kValues[at];
      return i + 1;
    }
    if (c >= '0' && c <= '7') {
      char32_t value = 0;
      const std::size_t end = std::min(text.size(), i + 3);
      while (i < end && text[i] >= '0' && text[i] <= '7')
        value = value * 8 + static_cast<char32_t>(text[i++] - '0');
      append_utf8(out, value);
      return i;
    }
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c == 'N') fail_here("named characters (\\N{...}) are not supported in strings");
    if (digits == 0) {
      out += '\\', out += c;
      return i + 1;
    }
    char32_t value = 0;
    for (std::size_t k = 1; k <= digits; ++k) {
      if (i + k >= text.size() || !is_digit_in(text[i + k], 16))
        fail_here(std::string("truncated \\") + c + " escape in a string");
      const char digit = text[i + k];
      value = value * 16 +
              static_cast<char32_t>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
      fail_here("an escape in a string names no character");
    append_utf8(out, value);
    return i + 1 + digits;
  }

  std::string source_;
  std::string_view rest_;
  int line_ = 1;
  bool at_line_start_ = true;
  std::string brackets_;  // closing ones that are due
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace gemma3n::jinja
