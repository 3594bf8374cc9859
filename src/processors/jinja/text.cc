#include "processors/jinja/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/utf8.h"
#include "gemma3n/error.h"
#include "processors/jinja/unicode.h"

namespace gemma3n::jinja {
namespace {

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

// Start of the last character of text[0, end).
std::size_t previous_character(std::string_view text, std::size_t end) {
  do {
    --end;
  } while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

bool is_stripped(char32_t c, const std::string* chars) {
  if (!chars) return is_space(c);
  for (std::size_t i = 0; i < chars->size();) {
    if (next_code_point(*chars, i) == c) return true;
  }
  return false;
}

std::vector<std::string_view> split_at_spaces(std::string_view text, std::int64_t max_splits) {
  std::vector<std::string_view> parts;
  text = strip(text, Side::kLeft);
  while (!text.empty()) {
    if (max_splits >= 0 && static_cast<std::int64_t>(parts.size()) == max_splits) {
      // CPython: split(None, n) leaves the end of the rest as it is.
      parts.push_back(text);
      break;
    }
    std::size_t end = 0;
    for (std::size_t i = 0; i < text.size();) {
      if (is_space(next_code_point(text, i))) break;
      end = i;
    }
    parts.push_back(text.substr(0, end));
    text = strip(text.substr(end), Side::kLeft);
  }
  return parts;
}

std::vector<std::string_view> split_at_spaces_from_right(std::string_view text,
                                                         std::int64_t max_splits) {
  std::vector<std::string_view> parts;
  text = strip(text, Side::kRight);
  while (!text.empty()) {
    if (max_splits >= 0 && static_cast<std::int64_t>(parts.size()) == max_splits) {
      parts.push_back(text);
      break;
    }
    std::size_t begin = text.size();
    while (begin > 0) {
      std::size_t at = previous_character(text, begin);
      const std::size_t character = at;
      if (is_space(next_code_point(text, at))) break;
      begin = character;
    }
    parts.push_back(text.substr(begin));
    text = strip(text.substr(0, begin), Side::kRight);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

void append_escape(std::string& out, char32_t c) {
  static constexpr char kHex[] = "0123456789abcdef";
  const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  out += digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kHex[(c >> shift) & 15];
}

// Python allows one underscore between digits. Nothing if they stand elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto is_word = [&](std::size_t k) {
      return k < text.size() && (std::isalnum(static_cast<unsigned char>(text[k])) != 0);
    };
    if (i == 0 || !is_word(i - 1) || !is_word(i + 1)) return std::nullopt;
  }
  return out;
}

void refuse_foreign_digits(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (c >= 0x80 && is_decimal(c))
      fail(ErrorCode::kUnsupported, "digits outside ASCII are not read as numbers");
  }
}

bool is_float_text(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t begin = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - begin;
  };
  std::size_t mantissa = digits();
  if (i < text.size() && text[i] == '.') ++i, mantissa += digits();
  if (mantissa == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

}  // namespace

std::size_t byte_offset(std::string_view text, std::size_t position) {
  std::size_t offset = 0;
  while (position-- > 0 && offset < text.size()) offset += utf8_length(text[offset]);
  return std::min(offset, text.size());
}

std::string_view strip(std::string_view text, Side side, const std::string* chars) {
  const auto has = [side](Side one) {
    return (static_cast<int>(side) & static_cast<int>(one)) != 0;
  };
  std::size_t begin = 0, end = text.size();
  while (has(Side::kLeft) && begin < end) {
    std::size_t next = begin;
    if (!is_stripped(next_code_point(text, next), chars)) break;
    begin = next;
  }
  while (has(Side::kRight) && end > begin) {
    const std::size_t start = previous_character(text, end);
    std::size_t at = start;
    if (!is_stripped(next_code_point(text, at), chars)) break;
    end = start;
  }
  return text.substr(begin, end - begin);
}

std::vector<std::string_view> split(std::string_view text,
                                    std::optional<std::string_view> separator,
                                    std::int64_t max_splits) {
  if (!separator) return split_at_spaces(text, max_splits);
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (max_splits < 0 || static_cast<std::int64_t>(parts.size()) < max_splits) {
    const std::size_t found = find_part(text, *separator, begin);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(begin, found - begin));
    begin = found + separator->size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::vector<std::string_view> split_from_right(std::string_view text,
                                               std::optional<std::string_view> separator,
                                               std::int64_t max_splits) {
  if (!separator) return split_at_spaces_from_right(text, max_splits);
  std::vector<std::string_view> parts;
  while (max_splits < 0 || static_cast<std::int64_t>(parts.size()) < max_splits) {
    const std::size_t found = text.rfind(*separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(found + separator->size()));
    text = text.substr(0, found);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    const char32_t c = next_code_point(text, i);
    if (!is_line_end(c)) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(text.substr(begin, (keep_ends ? i : at) - begin));
    begin = i;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::size_t find_part(std::string_view text, std::string_view needle, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  constexpr std::size_t kShort = 16;
  if (needle.size() <= kShort) return text.find(needle, from);
  // string_view::find would be quadratic for long needles.
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data())
               : std::string_view::npos;
}

std::size_t count_occurrences(std::string_view text, std::string_view needle) {
  if (needle.empty()) return count_code_points(text) + 1;
  std::size_t count = 0;
  for (std::size_t at = find_part(text, needle); at != std::string_view::npos;
       at = find_part(text, needle, at + needle.size())) {
    ++count;
  }
  return count;
}

std::string replace(std::string_view text, std::string_view old_part, std::string_view new_part,
                    std::int64_t max_count) {
  std::string out;
  std::int64_t count = 0;
  std::size_t i = 0;
  if (old_part.empty()) {
    while (max_count < 0 || count < max_count) {
      out += new_part, ++count;
      if (i >= text.size()) break;
      const std::size_t length = utf8_length(text[i]);
      out += text.substr(i, length);
      i += length;
    }
    if (i < text.size()) out += text.substr(i);
    return out;
  }
  while (max_count < 0 || count < max_count) {
    const std::size_t found = find_part(text, old_part, i);
    if (found == std::string_view::npos) break;
    out += text.substr(i, found - i);
    out += new_part, ++count;
    i = found + old_part.size();
  }
  out += text.substr(i);
  return out;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text[i]);
    all.push_back(text.substr(i, length));
    i += length;
  }
  return all;
}

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\', out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (!is_printable(c)) {
      append_escape(out, c);
    } else {
      append_utf8(out, c);
    }
  }
  out += quote;
  return out;
}

std::optional<std::int64_t> parse_int(std::string_view text, int base) {
  refuse_foreign_digits(text);
  text = strip(text);
  bool is_negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    is_negative = text[0] == '-';
    text.remove_prefix(1);
  }
  bool has_prefix = false;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    const int named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == 0 || base == named)) {
      base = named, has_prefix = true;
      text.remove_prefix(text.size() > 2 && text[2] == '_' ? 3 : 2);
    }
  }
  const auto digits = without_underscores(text);
  if (!digits || digits->empty()) return std::nullopt;
  if (base == 0) {
    base = 10;
    if (!has_prefix && (*digits)[0] == '0' && digits->find_first_not_of('0') != std::string::npos)
      return std::nullopt;  // Python: a decimal literal has no leading zero
  }
  if ((*digits)[0] == '-') return std::nullopt;
  const std::string number = (is_negative ? "-" : "") + *digits;
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), value, base);
  if (end != number.data() + number.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range)
    fail(ErrorCode::kInvalidArgument, "the integer '", text.substr(0, 40),
         "' does not fit 64 bits");
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<double> parse_float(std::string_view text) {
  refuse_foreign_digits(text);
  text = strip(text);
  double sign = 1;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  const std::string word = lower(text);
  if (word == "inf" || word == "infinity") return sign * HUGE_VAL;
  if (word == "nan") return std::nan("");
  const auto digits = without_underscores(text);
  if (!digits || !is_float_text(*digits)) return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(digits->data(), digits->data() + digits->size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    const std::size_t e = digits->find_first_of("eE");
    const bool is_tiny = e == std::string::npos ? (*digits)[0] == '0' || (*digits)[0] == '.'
                                                : (*digits)[e + 1] == '-';
    value = is_tiny ? 0.0 : HUGE_VAL;
  }
  return sign * value;
}

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto scientific =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  const std::string_view shortest(buffer, static_cast<std::size_t>(scientific.ptr - buffer));
  const std::size_t e = shortest.find('e');
  int exponent = 0;
  const char* first = shortest.data() + e + 1;
  std::from_chars(first + (*first == '+' ? 1 : 0), scientific.ptr, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(shortest);
  // Shortest digits that read back as the number, placed without an exponent.
  char fixed[64];
  const auto end = std::to_chars(fixed, fixed + sizeof fixed, number, std::chars_format::fixed);
  std::string text(fixed, end.ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

}  // namespace gemma3n::jinja
