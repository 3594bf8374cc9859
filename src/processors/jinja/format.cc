// "%s" % values and "{}".format(values): Python's two ways to format text.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/utf8.h"
#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

[[noreturn]] void fail_format(const std::string& what) { fail(ErrorCode::kInvalidArgument, what); }

constexpr std::int64_t kMaxPrecision = 500;  // digits of a number

// How one value is to be laid out; both syntaxes end up here.
struct Spec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =
  char sign = '-';
  bool is_alternate = false;
  char grouping = '\0';  // , or _
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = '\0';
};

// As printf's %.*f, %.*e and %.*g in the C locale; upper case types give upper case letters.
std::string printf_double(double value, char type, std::int64_t precision, bool is_alternate) {
  if (precision > kMaxPrecision) fail(ErrorCode::kUnsupported, "a number of more than 500 digits");
  if (is_alternate) fail(ErrorCode::kUnsupported, "the # option of a float format");
  const bool is_upper = type >= 'A' && type <= 'Z';
  const char kind = static_cast<char>(type | 0x20);
  const auto format = kind == 'f'   ? std::chars_format::fixed
                      : kind == 'e' ? std::chars_format::scientific
                                    : std::chars_format::general;
  std::array<char, 1024> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format,
                                    static_cast<int>(precision));
  std::string text(buffer.data(), result.ptr);
  if (is_upper) std::replace(text.begin(), text.end(), 'e', 'E');
  return text;
}

std::string group_digits(const std::string& digits, char separator, std::size_t per_group) {
  const std::size_t whole =
      std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out;
  for (std::size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % per_group == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

// Fills to the width. `prefix` (sign, 0x) stays in front of '=' padding.
std::string pad(Runtime& runtime, const std::string& prefix, const std::string& body,
                const Spec& spec, char default_align) {
  const auto size = static_cast<std::int64_t>(count_code_points(prefix) + count_code_points(body));
  const std::int64_t missing = spec.width - size;
  if (missing <= 0) return prefix + body;
  const auto total = static_cast<std::size_t>(missing);
  runtime.reserve_product(total, spec.fill.size());
  const auto fill = [&](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += spec.fill;
    return out;
  };
  switch (spec.align ? spec.align : default_align) {
    case '<':
      return prefix + body + fill(total);
    case '^':
      return fill(total / 2) + prefix + body + fill(total - total / 2);
    case '=':
      return prefix + fill(total) + body;
    default:
      return fill(total) + prefix + body;
  }
}

std::string sign_of(bool is_negative, const Spec& spec) {
  if (is_negative) return "-";
  return spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
}

std::string integer_digits(std::int64_t value, char type) {
  std::uint64_t rest =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
  const char* digits = type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), digits[rest % base]);
    rest /= base;
  } while (rest != 0);
  return out;
}

// 0-padding with a separator would have to group the zeros too.
void refuse_grouped_zeros(const Spec& spec) {
  if (spec.grouping && spec.fill == "0" && spec.align == '=' && spec.width > 0)
    fail(ErrorCode::kUnsupported, "a format with both zero padding and digit grouping");
}

std::string format_integer(Runtime& runtime, std::int64_t value, const Spec& spec) {
  refuse_grouped_zeros(spec);
  const char type = spec.type ? spec.type : 'd';
  std::string digits =
      integer_digits(value, type == 'n' || type == 'i' || type == 'u' ? 'd' : type);
  if (spec.grouping)
    digits = group_digits(digits, spec.grouping, type == 'd' || type == 'n' ? 3 : 4);
  std::string prefix = sign_of(value < 0, spec);
  if (spec.is_alternate && std::strchr("xXob", type)) prefix += std::string("0") + type;
  return pad(runtime, prefix, digits, spec, '>');
}

// repr-like digits with `precision` significant ones: format(x, ".5") is 'g' that keeps ".0".
std::string general_with_fraction(double value, std::int64_t precision) {
  std::string text = printf_double(value, 'g', std::max<std::int64_t>(precision, 1), false);
  const bool has_point = text.find_first_of(".e") != std::string::npos;
  if (has_point) return text;
  // Python switches to an exponent one digit earlier than 'g', to have room for the ".0".
  const auto digits = static_cast<std::int64_t>(text.size());
  if (digits >= std::max<std::int64_t>(precision, 1) && digits > 1) {
    text = printf_double(value, 'e', std::max<std::int64_t>(precision, 1) - 1, false);
    const std::size_t e = text.find('e');
    std::string mantissa = text.substr(0, e);
    if (mantissa.find('.') != std::string::npos) {
      while (mantissa.back() == '0') mantissa.pop_back();
      if (mantissa.back() == '.') mantissa.pop_back();
    }
    return mantissa + text.substr(e);
  }
  return text + ".0";
}

std::string format_double(Runtime& runtime, double value, const Spec& spec) {
  refuse_grouped_zeros(spec);
  const bool is_negative = std::signbit(value) && !std::isnan(value);
  const double magnitude = std::isnan(value) ? value : std::abs(value);
  const char type = spec.type;
  std::string digits;
  if (!std::isfinite(value)) {
    digits = std::isnan(value) ? "nan" : "inf";
    if (type == 'F' || type == 'E' || type == 'G')
      std::transform(digits.begin(), digits.end(), digits.begin(),
                     [](char c) { return static_cast<char>(c - 32); });
    if (type == '%') digits += '%';
  } else if (type == '\0' && spec.precision < 0) {
    digits = float_text(magnitude);
  } else if (type == '\0') {
    digits = general_with_fraction(magnitude, spec.precision);
  } else if (type == '%') {
    digits = printf_double(magnitude * 100, 'f', spec.precision < 0 ? 6 : spec.precision,
                           spec.is_alternate) +
             "%";
  } else {
    digits = printf_double(magnitude, type == 'n' ? 'g' : type,
                           spec.precision < 0 ? 6 : spec.precision, spec.is_alternate);
  }
  if (spec.grouping) digits = group_digits(digits, spec.grouping, 3);
  return pad(runtime, sign_of(is_negative, spec), digits, spec, '>');
}

std::string format_text(Runtime& runtime, const std::string& text, const Spec& spec) {
  std::string cut = text;
  if (spec.precision >= 0) cut.resize(byte_offset(text, static_cast<std::size_t>(spec.precision)));
  return pad(runtime, "", cut, spec, '<');
}

std::string character(Runtime&, const Value& value) {
  std::string out;
  if (value.is_string()) {
    if (count_code_points(value.string()) != 1) fail_format("%c requires int or char");
    return value.string();
  }
  if (!value.is_integral()) fail_format("%c requires int or char");
  const std::int64_t code = value.integer();
  if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
    fail_format("%c arg not in range(0x110000)");
  append_utf8(out, static_cast<char32_t>(code));
  return out;
}

std::string ascii_repr(Runtime& runtime, const Value& value) {
  const std::string text = to_repr(runtime, value);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    char escape[16] = "";
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else {
      std::snprintf(escape, sizeof escape,
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
      out += escape;
    }
  }
  return out;
}

std::int64_t read_number(const std::string& text, std::size_t& i) {
  std::int64_t value = 0;
  while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
    value = value * 10 + (text[i++] - '0');
    if (value > INT32_MAX) fail_format("too many decimal digits in format string");
  }
  return value;
}

// ---- "%" formatting

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const std::string& format, const Value& arguments)
      : runtime_(runtime), format_(format), arguments_(arguments) {}

  std::string run() {
    std::string out;
    while (i_ < format_.size()) {
      if (format_[i_] != '%') {
        out += format_[i_++];
        continue;
      }
      ++i_;
      out += directive();
      runtime_.spend(1);
      runtime_.reserve(out.size());
    }
    const bool all_used = uses_mapping_ || arguments_.is(Type::kDict) ||
                          (is_tuple() ? next_ >= arguments_.as<Tuple>().items.size() : next_ > 0);
    if (!all_used) fail_format("not all arguments converted during string formatting");
    return out;
  }

 private:
  bool is_tuple() const { return arguments_.is(Type::kTuple); }

  Value next_argument() {
    if (is_tuple()) {
      const Values& items = arguments_.as<Tuple>().items;
      if (next_ < items.size()) return items[next_++];
    } else if (next_ == 0) {
      ++next_;
      return arguments_;
    }
    fail_format("not enough arguments for format string");
  }

  // A width or precision: digits, or * for an argument.
  std::int64_t number_or_star() {
    if (i_ < format_.size() && format_[i_] == '*') {
      ++i_;
      const Value value = next_argument();
      if (!value.is_integral()) fail_format("* wants int");
      if (std::abs(value.integer() / 2) > INT32_MAX) fail_format("width too big");
      return value.integer();
    }
    return read_number(format_, i_);
  }

  std::string directive() {
    Spec spec;
    std::optional<Value> mapped;
    if (i_ < format_.size() && format_[i_] == '(') mapped = mapped_value();
    bool is_left = false, has_zeros = false;
    for (; i_ < format_.size() && std::strchr("-+ #0", format_[i_]); ++i_) {
      const char flag = format_[i_];
      is_left = is_left || flag == '-';
      has_zeros = has_zeros || flag == '0';
      spec.is_alternate = spec.is_alternate || flag == '#';
      if (flag == '+' || (flag == ' ' && spec.sign != '+')) spec.sign = flag;
    }
    spec.width = number_or_star();
    if (spec.width < 0) is_left = true, spec.width = -spec.width;
    if (i_ < format_.size() && format_[i_] == '.') {
      ++i_;
      spec.precision = std::max<std::int64_t>(number_or_star(), 0);
    }
    while (i_ < format_.size() && std::strchr("hlL", format_[i_])) ++i_;
    if (i_ >= format_.size()) fail_format("incomplete format");
    const char type = format_[i_++];
    if (type == '%') return "%";
    spec.align = is_left ? '<' : '>';
    return convert(type, spec, has_zeros && !is_left, mapped ? *mapped : next_argument());
  }

  Value mapped_value() {
    std::size_t depth = 1;
    const std::size_t begin = ++i_;
    for (; i_ < format_.size() && depth > 0; ++i_)
      depth += format_[i_] == '(' ? 1 : format_[i_] == ')' ? std::size_t(-1) : 0;
    if (depth > 0) fail_format("incomplete format key");
    if (!arguments_.is(Type::kDict)) fail_format("format requires a mapping");
    uses_mapping_ = true;
    const std::string key = format_.substr(begin, i_ - begin - 1);
    const Value* value = arguments_.as<Dict>().find(std::string_view(key));
    if (!value) fail_format("format key " + quoted(key) + " is missing");
    return *value;
  }

  std::string convert(char type, Spec& spec, bool has_zeros, const Value& value) {
    switch (type) {
      case 's':
        return format_text(runtime_, to_text(runtime_, value), spec);
      case 'r':
        return format_text(runtime_, to_repr(runtime_, value), spec);
      case 'a':
        return format_text(runtime_, ascii_repr(runtime_, value), spec);
      case 'c':
        spec.precision = -1;
        return format_text(runtime_, character(runtime_, value), spec);
      default:
        break;
    }
    if (!std::strchr("diuxXofFeEgG", type)) {
      fail_format(std::string("unsupported format character '") + type + "'");
    }
    if (value.is_undefined()) fail_undefined(value);
    if (!value.is_number())
      fail_format(std::string("%") + type + " format: a real number is required, not " +
                  type_name(value));
    if (has_zeros) spec.fill = "0", spec.align = '=';
    spec.type = type;
    if (std::strchr("fFeEgG", type)) return format_double(runtime_, value.number(), spec);
    return convert_integer(spec, value);
  }

  std::string convert_integer(Spec& spec, const Value& value) {
    std::int64_t number = 0;
    if (value.is_integral()) {
      number = value.integer();
    } else {
      if (!std::strchr("diu", spec.type))
        fail_format(std::string("%") + spec.type + " format: an integer is required, not float");
      if (!(std::abs(value.number()) < 9.2e18)) fail_format("cannot convert float to integer");
      number = static_cast<std::int64_t>(value.number());
    }
    const char type = std::strchr("iu", spec.type) ? 'd' : spec.type;
    std::string digits = integer_digits(number, type);
    if (spec.precision > kMaxPrecision)
      fail(ErrorCode::kUnsupported, "a number of more than 500 digits");
    if (spec.precision > static_cast<std::int64_t>(digits.size()))
      digits.insert(0, static_cast<std::size_t>(spec.precision) - digits.size(), '0');
    std::string prefix = sign_of(number < 0, spec);
    if (spec.is_alternate && type != 'd') prefix += std::string("0") + type;
    return pad(runtime_, prefix, digits, spec, '>');
  }

  Runtime& runtime_;
  const std::string& format_;
  const Value& arguments_;
  std::size_t i_ = 0;
  std::size_t next_ = 0;
  bool uses_mapping_ = false;
};

// ---- "{}" formatting

Spec parse_spec(const std::string& text) {
  Spec spec;
  const auto all = characters(text);
  std::size_t i = 0;
  const auto is_align = [&](std::size_t k) {
    return k < all.size() && all[k].size() == 1 && std::strchr("<>^=", all[k][0]);
  };
  if (is_align(1)) {
    spec.fill = all[0], spec.align = all[1][0];
    i = 2;
  } else if (is_align(0)) {
    spec.align = all[0][0];
    i = 1;
  }
  std::string rest;
  for (; i < all.size(); ++i) rest += all[i];
  i = 0;
  const auto skip = [&](char c) { return i < rest.size() && rest[i] == c ? ++i, true : false; };
  if (skip('+'))
    spec.sign = '+';
  else if (skip('-'))
    spec.sign = '-';
  else if (skip(' '))
    spec.sign = ' ';
  if (skip('z')) fail(ErrorCode::kUnsupported, "the z option of a format");
  spec.is_alternate = skip('#');
  if (i < rest.size() && rest[i] == '0' && spec.align == '\0') spec.fill = "0", spec.align = '=';
  spec.width = read_number(rest, i);
  if (skip(','))
    spec.grouping = ',';
  else if (skip('_'))
    spec.grouping = '_';
  if (skip('.')) {
    const std::size_t begin = i;
    spec.precision = read_number(rest, i);
    if (i == begin) fail_format("format specifier missing precision");
  }
  if (i < rest.size()) spec.type = rest[i++];
  if (i < rest.size()) fail_format("invalid format specifier " + quoted(text));
  return spec;
}

[[noreturn]] void fail_code(char type, const Value& value) {
  fail_format(std::string("unknown format code '") + type + "' for object of type '" +
              type_name(value) + "'");
}

std::string format_string_value(Runtime& runtime, const Value& value, const Spec& spec) {
  if (spec.type && spec.type != 's') fail_code(spec.type, value);
  if (spec.sign != '-' || spec.is_alternate || spec.grouping)
    fail_format("sign, '#' or grouping not allowed in string format specifier");
  if (spec.align == '=') {
    if (spec.fill != "0") fail_format("'=' alignment not allowed in string format specifier");
    Spec left = spec;  // since Python 3.10 a bare 0 fills on the right of text
    left.align = '<';
    return format_text(runtime, value.string(), left);
  }
  return format_text(runtime, value.string(), spec);
}

std::string format_value(Runtime& runtime, const Value& value, const std::string& text) {
  if (text.empty()) return to_text(runtime, value);
  const Spec spec = parse_spec(text);
  if (value.is_string()) return format_string_value(runtime, value, spec);
  if (!value.is_number())
    fail_format("unsupported format string passed to " + std::string(type_name(value)) +
                ".__format__");
  if (value.is(Type::kBool) && spec.type == '\0')
    fail(ErrorCode::kUnsupported, "a bool with a format specifier that has no type");
  const bool wants_double = spec.type && std::strchr("eEfFgG%", spec.type);
  if (value.is(Type::kFloat) || wants_double) {
    if (spec.type && !wants_double && spec.type != 'n') fail_code(spec.type, value);
    return format_double(runtime, value.number(), spec);
  }
  if (spec.type && !std::strchr("bcdoxXn", spec.type)) fail_code(spec.type, value);
  if (spec.precision >= 0) fail_format("precision not allowed in integer format specifier");
  if (spec.type != 'c') return format_integer(runtime, value.integer(), spec);
  Spec plain = spec;
  plain.precision = -1;
  return format_text(runtime, character(runtime, value), plain);
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Arguments& arguments)
      : runtime_(runtime), arguments_(arguments) {}

  std::string run(const std::string& format, int depth) {
    if (depth > 2) fail_format("max string recursion exceeded");
    std::string out;
    for (std::size_t i = 0; i < format.size();) {
      const char c = format[i];
      if ((c == '{' || c == '}') && i + 1 < format.size() && format[i + 1] == c) {
        out += c;
        i += 2;
      } else if (c == '{') {
        out += field(format, i, depth);
        runtime_.spend(1);
        runtime_.reserve(out.size());
      } else if (c == '}') {
        fail_format("single '}' encountered in format string");
      } else {
        out += c;
        ++i;
      }
    }
    return out;
  }

 private:
  // At '{'; leaves `i` behind the matching '}'.
  std::string field(const std::string& format, std::size_t& i, int depth) {
    const std::size_t begin = i + 1;
    int open = 0;
    do {
      open += format[i] == '{' ? 1 : format[i] == '}' ? -1 : 0;
      ++i;
    } while (open > 0 && i < format.size());
    if (open > 0) fail_format("expected '}' before end of string");
    const std::string inside = format.substr(begin, i - begin - 1);
    std::size_t end = 0;
    for (bool in_bracket = false; end < inside.size(); ++end) {
      if (inside[end] == '[') in_bracket = true;
      if (inside[end] == ']') in_bracket = false;
      if (!in_bracket && (inside[end] == '!' || inside[end] == ':')) break;
    }
    Value value = lookup(inside.substr(0, end));
    if (end < inside.size() && inside[end] == '!') {
      if (end + 1 >= inside.size()) fail_format("unmatched '{' in format spec");
      value = conversion(value, inside[end + 1]);
      end += 2;
      if (end < inside.size() && inside[end] != ':')
        fail_format("expected ':' after conversion specifier");
    }
    const std::string spec =
        end < inside.size() ? run(inside.substr(end + 1), depth + 1) : std::string();
    return format_value(runtime_, value, spec);
  }

  Value conversion(const Value& value, char kind) {
    if (kind == 's') return make_string(runtime_, to_text(runtime_, value));
    if (kind == 'r') return make_string(runtime_, to_repr(runtime_, value));
    if (kind == 'a') return make_string(runtime_, ascii_repr(runtime_, value));
    fail_format(std::string("unknown conversion specifier '") + kind + "'");
  }

  Value lookup(const std::string& name) {
    std::size_t i = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, i));
    while (i < name.size()) {
      if (name[i] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", i + 1), name.size());
        if (end == i + 1) fail_format("empty attribute in format string");
        value = get_attribute(runtime_, value, name.substr(i + 1, end - i - 1));
        i = end;
      } else if (name[i] == '[') {
        const std::size_t end = name.find(']', i);
        if (end == std::string::npos) fail_format("missing ']' in format string");
        const std::string key = name.substr(i + 1, end - i - 1);
        if (key.empty()) fail_format("empty attribute in format string");
        value =
            get_item(runtime_, value,
                     is_number(key) ? Value(parse_int(key).value()) : make_string(runtime_, key));
        i = end + 1;
      } else {
        fail_format("only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  static bool is_number(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  }

  Value argument(const std::string& name) {
    if (name.empty() || is_number(name)) {
      const bool is_automatic = name.empty();
      (is_automatic ? uses_automatic_ : uses_manual_) = true;
      if (uses_automatic_ && uses_manual_)
        fail_format("cannot mix automatic and manual field numbering");
      const auto at = is_automatic ? next_++ : static_cast<std::size_t>(parse_int(name).value());
      if (at >= arguments_.positional.size())
        fail_format("replacement index " + std::to_string(at) +
                    " out of range for positional args tuple");
      return arguments_.positional[at];
    }
    for (const auto& [key, value] : arguments_.keyword)
      if (key == name) return value;
    fail_format("format has no argument " + quoted(name));
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
  bool uses_automatic_ = false, uses_manual_ = false;
};

}  // namespace

std::string percent_format(Runtime& runtime, const std::string& format, const Value& arguments) {
  runtime.spend_bytes(4 * format.size());
  return PercentFormatter(runtime, format, arguments).run();
}

std::string brace_format(Runtime& runtime, const std::string& format, const Arguments& arguments) {
  runtime.spend_bytes(4 * format.size());
  return BraceFormatter(runtime, arguments).run(format, 0);
}

}  // namespace gemma3n::jinja
