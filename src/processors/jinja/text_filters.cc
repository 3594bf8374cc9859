#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "processors/jinja/filters.h"
#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"
#include "processors/jinja/unicode.h"

namespace gemma3n::jinja {
namespace {

[[noreturn]] void fail_value(const std::string& what) { fail(ErrorCode::kInvalidArgument, what); }

// soft_str(value): text stays what it is.
Value soft_text(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : make_string(runtime, to_text(runtime, value));
}

// The filter is the str method of soft_str(value).
template <const char* method>
Value string_method(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Value text = soft_text(runtime, value);
  return call(runtime, *find_attribute(runtime, text, method), arguments);
}

constexpr char kLower[] = "lower", kUpper[] = "upper", kCapitalize[] = "capitalize",
               kStrip[] = "strip";

Value string(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("string", arguments).finish();
  return soft_text(runtime, value);
}

Value center(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("center", arguments);
  const Value width(bind.integer_or("width", 80));
  bind.finish();
  const Value text = soft_text(runtime, value);
  return call(runtime, *find_attribute(runtime, text, "center"), {{width}, {}});
}

// Words begin after white space, hyphens and opening brackets.
Value title(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("title", arguments).finish();
  const std::string text = to_text(runtime, value);
  runtime.spend_bytes(16 * text.size());
  const auto splits = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t first_end = i;
    const bool is_gap = splits(next_code_point(text, first_end));
    std::size_t end = first_end;
    for (std::size_t at = end; at < text.size(); end = at)
      if (splits(next_code_point(text, at)) != is_gap) break;
    out += upper(std::string_view(text).substr(i, first_end - i));
    out += lower(std::string_view(text).substr(first_end, end - first_end));
    i = end;
  }
  return make_string(runtime, std::move(out));
}

Value replace_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("replace", arguments);
  const std::string old_part = to_text(runtime, bind.required("old"));
  const std::string new_part = to_text(runtime, bind.required("new"));
  const Value count = bind.value_or("count", Value());
  bind.finish();
  if (!count.is_none() && !count.is_integral()) fail_value("replace() needs an integer count");
  const std::string text = to_text(runtime, value);
  runtime.spend_search(text.size(), old_part.size());
  runtime.spend_bytes(4 * text.size());
  runtime.reserve_product(count_occurrences(text, old_part), new_part.size());
  return make_string(runtime,
                     replace(text, old_part, new_part, count.is_none() ? -1 : count.integer()));
}

Value escape(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("escape", arguments).finish();
  if (value.is_string() && value.as<String>().is_markup) return value;
  return make_string(runtime, escape_html(to_text(runtime, value)), true);
}

Value force_escape(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("forceescape", arguments).finish();
  return make_string(runtime, escape_html(to_text(runtime, value)), true);
}

Value safe(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("safe", arguments).finish();
  return make_string(runtime, to_text(runtime, value), true);
}

Value format_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty())
    fail_value("can't handle positional and keyword arguments at the same time");
  Value values = make_tuple(runtime, arguments.positional);
  if (!arguments.keyword.empty()) {
    values = make_dict(runtime);
    for (const auto& [name, item] : arguments.keyword)
      set_entry(runtime, values, make_string(runtime, name), item);
  }
  return make_string(runtime, percent_format(runtime, to_text(runtime, value), values));
}

Value indent(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("indent", arguments);
  const Value width = bind.value_or("width", Value(std::int64_t{4}));
  const bool first = bind.truth_or(runtime, "first", false);
  const bool blank = bind.truth_or(runtime, "blank", false);
  bind.finish();
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_string()) fail_value("indent() needs a str, got " + std::string(type_name(value)));
  if (!width.is_string() && !width.is_integral()) fail_value("indent() needs an integer width");
  std::string indention = width.is_string() ? width.string() : "";
  if (!width.is_string() && width.integer() > 0) {
    runtime.reserve_product(static_cast<std::size_t>(width.integer()), 1);
    indention.assign(static_cast<std::size_t>(width.integer()), ' ');
  }
  const std::string text = value.string() + "\n";
  const auto lines = split_lines(text);
  runtime.spend_bytes(16 * text.size());
  runtime.reserve_product(lines.size(), indention.size());
  std::string out = first ? indention : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += indention;
    out += lines[i];
  }
  return make_string(runtime, std::move(out), value.as<String>().is_markup);
}

Value truncate(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("truncate", arguments);
  const std::int64_t limit = bind.integer_or("length", 255);
  const bool kill_words = bind.truth_or(runtime, "killwords", false);
  const std::string end = bind.text_or(runtime, "end", "...");
  const Value leeway = bind.value_or("leeway", Value());
  bind.finish();
  const auto end_size = static_cast<std::int64_t>(count_code_points(end));
  if (limit < end_size)
    fail_value("expected length >= " + std::to_string(end_size) + ", got " + std::to_string(limit));
  const std::int64_t slack = leeway.is_none() ? 5 : leeway.is_integral() ? leeway.integer() : -1;
  if (slack < 0) fail_value("expected leeway >= 0");
  if (!value.is_string()) {
    if (length(runtime, value) - limit <= slack) return value;
    fail_value("truncate() needs a str, got " + std::string(type_name(value)));
  }
  if (length(runtime, value) - limit <= slack) return value;
  std::string cut = value.string().substr(
      0, byte_offset(value.string(), static_cast<std::size_t>(limit - end_size)));
  if (!kill_words) cut = std::string(split_from_right(cut, " ", 1)[0]);
  return make_string(runtime, cut + end);
}

Value word_count(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("wordcount", arguments).finish();
  const std::string text = to_text(runtime, value);
  runtime.spend_bytes(8 * text.size());
  std::int64_t count = 0;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    const bool is_word = is_alphanumeric(c) || c == '_';
    count += is_word && !in_word ? 1 : 0;
    in_word = is_word;
  }
  return Value(count);
}

// One paragraph in lines of at most `width`.   Ref: textwrap.TextWrapper without hyphens
std::vector<std::string> wrap(std::string_view paragraph, std::size_t width, bool break_long) {
  std::vector<std::string_view> chunks;
  const auto is_blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  for (std::size_t i = 0; i < paragraph.size();) {
    std::size_t end = i;
    while (end < paragraph.size() && is_blank(paragraph[end]) == is_blank(paragraph[i])) ++end;
    chunks.push_back(paragraph.substr(i, end - i));
    i = end;
  }
  std::reverse(chunks.begin(), chunks.end());
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    std::vector<std::string_view> line;
    std::size_t size = 0;
    if (strip(chunks.back()).empty() && !lines.empty()) chunks.pop_back();
    while (!chunks.empty() && size + count_code_points(chunks.back()) <= width) {
      size += count_code_points(chunks.back());
      line.push_back(chunks.back());
      chunks.pop_back();
    }
    if (!chunks.empty() && count_code_points(chunks.back()) > width) {
      const std::size_t space = width < 1 ? 1 : width - size;
      if (break_long) {
        const std::size_t at = byte_offset(chunks.back(), space);
        line.push_back(chunks.back().substr(0, at));
        chunks.back().remove_prefix(at);
        if (chunks.back().empty()) chunks.pop_back();
      } else if (line.empty()) {
        line.push_back(chunks.back());
        chunks.pop_back();
      }
    }
    if (!line.empty() && strip(line.back()).empty()) line.pop_back();
    if (line.empty()) continue;
    std::string joined;
    for (const std::string_view part : line) joined += part;
    lines.push_back(std::move(joined));
  }
  return lines;
}

Value word_wrap(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("wordwrap", arguments);
  const std::int64_t width = bind.integer_or("width", 79);
  const bool break_long = bind.truth_or(runtime, "break_long_words", true);
  const Value between = bind.value_or("wrapstring", Value());
  const bool break_on_hyphens = bind.truth_or(runtime, "break_on_hyphens", true);
  bind.finish();
  if (!value.is_string()) fail_value("wordwrap() needs a str");
  if (width <= 0) fail_value("invalid width " + std::to_string(width) + " (must be > 0)");
  const std::string& text = value.string();
  if (break_on_hyphens && text.find('-') != std::string::npos)
    fail(ErrorCode::kUnsupported, "wordwrap of a text with hyphens; pass break_on_hyphens=false");
  const std::string separator = between.is_none() ? "\n" : to_text(runtime, between);
  runtime.spend_bytes(64 * text.size());
  runtime.reserve_product(text.size(), 1 + separator.size());
  std::string out;
  bool is_first = true;
  for (const std::string_view paragraph : split_lines(text)) {
    if (!std::exchange(is_first, false)) out += separator;
    const auto lines = wrap(paragraph, static_cast<std::size_t>(width), break_long);
    for (std::size_t i = 0; i < lines.size(); ++i) out += (i > 0 ? separator : "") + lines[i];
  }
  return make_string(runtime, std::move(out));
}

Value strip_tags(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("striptags", arguments).finish();
  std::string text = to_text(runtime, value);
  runtime.spend_bytes(32 * text.size());
  const auto remove = [&](std::string_view begin, std::string_view end) {
    std::string out;
    std::size_t i = 0;
    for (;;) {
      const std::size_t open = text.find(begin, i);
      const std::size_t close =
          open == std::string::npos ? open : text.find(end, open + begin.size());
      if (close == std::string::npos) break;
      out += text.substr(i, open - i);
      i = close + end.size();
    }
    text = out + text.substr(i);
  };
  remove("<!--", "-->");
  remove("<", ">");
  std::string out;
  for (const std::string_view word : split(text, std::nullopt, -1)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  if (out.find('&') != std::string::npos)
    fail(ErrorCode::kUnsupported, "striptags of a text with HTML entities");
  return make_string(runtime, std::move(out));
}

std::string quote_url(std::string_view text, bool for_query) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_kept = byte < 0x80 && (std::isalnum(byte) || c == '_' || c == '.' || c == '-' ||
                                         c == '~' || (c == '/' && !for_query));
    if (is_kept) {
      out += c;
    } else if (c == ' ' && for_query) {
      out += '+';
    } else {
      out += '%', out += kHex[byte >> 4], out += kHex[byte & 15];
    }
  }
  return out;
}

Value url_encode(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("urlencode", arguments).finish();
  if (value.is_string() || !is_iterable(value))
    return make_string(runtime, quote_url(to_text(runtime, value), false));
  std::string out;
  const Value pairs = value.is(Type::kDict)
                          ? Value(runtime.make<DictView>(0, value, DictView::Kind::kItems))
                          : value;
  for (const Value& pair : to_items(runtime, pairs)) {
    const Values both = to_items(runtime, pair);
    if (both.size() != 2) fail_value("urlencode() needs pairs");
    if (!out.empty()) out += '&';
    out += quote_url(to_text(runtime, both[0]), true) + "=" +
           quote_url(to_text(runtime, both[1]), true);
    runtime.reserve(out.size());
  }
  return make_string(runtime, std::move(out));
}

Value xml_attributes(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("xmlattr", arguments);
  const bool auto_space = bind.truth_or(runtime, "autospace", true);
  bind.finish();
  if (!value.is(Type::kDict)) fail_value("xmlattr() needs a mapping");
  const auto escaped = [&](const Value& item) {
    const bool is_markup = item.is_string() && item.as<String>().is_markup;
    return is_markup ? item.string() : escape_html(to_text(runtime, item));
  };
  std::string out;
  for (const auto& [key, item] : value.as<Dict>().entries) {
    if (item.is_none() || item.is_undefined()) continue;
    if (!key.is_string()) fail_value("xmlattr() needs names that are str");
    if (key.string().find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      fail_value("Invalid character in attribute name: " + quoted(key.string()));
    if (!out.empty() || auto_space) out += ' ';
    out += escaped(key) + "=\"" + escaped(item) + "\"";
    runtime.reserve(out.size());
  }
  return make_string(runtime, std::move(out));
}

Value to_json_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("tojson", arguments);
  JsonStyle style;
  style.ensure_ascii = bind.truth_or(runtime, "ensure_ascii", false);
  const Value indent = bind.value_or("indent", Value());
  const Value separators = bind.value_or("separators", Value());
  style.sort_keys = bind.truth_or(runtime, "sort_keys", false);
  bind.finish();
  if (indent.is_integral()) {
    const auto width = static_cast<std::size_t>(std::max<std::int64_t>(indent.integer(), 0));
    runtime.reserve_product(width, 1);
    style.indent = std::string(width, ' ');
  } else if (indent.is_string()) {
    style.indent = indent.string();
  } else if (!indent.is_none()) {
    fail_value("tojson() needs an integer or str indent");
  }
  if (style.indent) style.item_separator = ",";
  if (!separators.is_none()) {
    const Values pair = to_items(runtime, separators);
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
      fail_value("tojson() needs two str separators");
    style.item_separator = pair[0].string();
    style.key_separator = pair[1].string();
  }
  return make_string(runtime, to_json(runtime, value, style));
}

// pprint.pformat of what fits one line of 80 characters; it sorts the keys of dicts.
std::string pretty(Runtime& runtime, const Value& value, int depth) {
  if (depth > kMaxDataDepth) fail_value("pprint: a value is nested too deep");
  const auto join = [&](const Values& items) {
    std::string out;
    for (const Value& item : items)
      out += (out.empty() ? "" : ", ") + pretty(runtime, item, depth + 1);
    return out;
  };
  if (value.is(Type::kList)) return "[" + join(value.as<List>().items) + "]";
  if (value.is(Type::kTuple)) {
    const Values& items = value.as<Tuple>().items;
    return "(" + join(items) + (items.size() == 1 ? ",)" : ")");
  }
  if (!value.is(Type::kDict)) return to_repr(runtime, value);
  auto entries = value.as<Dict>().entries;
  std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
    return ordered(runtime, a.first, b.first, "<");
  });
  std::string out;
  for (const auto& [key, item] : entries)
    out += (out.empty() ? "" : ", ") + pretty(runtime, key, depth + 1) + ": " +
           pretty(runtime, item, depth + 1);
  return "{" + out + "}";
}

Value pretty_print(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("pprint", arguments).finish();
  const std::string text = pretty(runtime, value, 0);
  if (count_code_points(text) > 79)
    fail(ErrorCode::kUnsupported, "pprint of a value longer than one line");
  return make_string(runtime, text);
}

// ---- numbers

std::optional<std::int64_t> integer_of(double number) {
  if (!std::isfinite(number)) return std::nullopt;
  if (std::abs(number) >= 9.2e18)
    fail(ErrorCode::kInvalidArgument, "the integer of a float does not fit 64 bits");
  return static_cast<std::int64_t>(number);
}

Value to_int(Runtime&, const Value& value, const Arguments& arguments) {
  Binder bind("int", arguments);
  const Value fallback = bind.value_or("default", Value(std::int64_t{0}));
  const std::int64_t base = bind.integer_or("base", 10);
  bind.finish();
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_integral()) return Value(value.integer());
  if (value.is(Type::kFloat)) {
    if (std::isinf(value.number()))
      fail(ErrorCode::kInvalidArgument, "cannot convert float infinity to integer");
    const auto whole = integer_of(value.number());
    return whole ? Value(*whole) : fallback;
  }
  if (!value.is_string()) return fallback;
  if ((base >= 2 && base <= 36) || base == 0) {
    if (const auto whole = parse_int(value.string(), static_cast<int>(base))) return Value(*whole);
  }
  const auto number = parse_float(value.string());
  const auto whole = number ? integer_of(*number) : std::nullopt;
  return whole ? Value(*whole) : fallback;
}

Value to_float(Runtime&, const Value& value, const Arguments& arguments) {
  Binder bind("float", arguments);
  const Value fallback = bind.value_or("default", Value(0.0));
  bind.finish();
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_number()) return Value(value.number());
  if (!value.is_string()) return fallback;
  const auto number = parse_float(value.string());
  return number ? Value(*number) : fallback;
}

Value absolute(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("abs", arguments).finish();
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_number())
    fail_value("bad operand type for abs(): '" + std::string(type_name(value)) + "'");
  if (value.is(Type::kFloat)) return Value(std::abs(value.number()));
  return value.integer() < 0 ? unary_operation(runtime, "-", value) : Value(value.integer());
}

// round(x, digits): exact decimal rounding of the binary value, half to even.
double round_double(double number, std::int64_t digits) {
  if (digits < 0) fail(ErrorCode::kUnsupported, "rounding a float to tens");
  if (!std::isfinite(number) || digits > 320) return number;
  char buffer[1024];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed,
                                 static_cast<int>(digits));
  return parse_float(std::string_view(buffer, static_cast<std::size_t>(end.ptr - buffer))).value();
}

Value round_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("round", arguments);
  const std::int64_t precision = bind.integer_or("precision", 0);
  const std::string method = bind.text_or(runtime, "method", "common");
  bind.finish();
  if (value.is_undefined()) fail_undefined(value);
  if (method != "common" && method != "ceil" && method != "floor")
    fail_value("method must be common, ceil or floor");
  if (!value.is_number())
    fail_value("type " + std::string(type_name(value)) + " doesn't define __round__ method");
  if (method == "common") {
    if (value.is(Type::kFloat)) return Value(round_double(value.number(), precision));
    if (precision < 0) fail(ErrorCode::kUnsupported, "rounding an integer to tens");
    return Value(value.integer());
  }
  if (precision < 0 || precision > 18) fail(ErrorCode::kUnsupported, "a precision beyond 0 to 18");
  double scale = 1;
  for (std::int64_t i = 0; i < precision; ++i) scale *= 10;
  const double scaled = value.number() * scale;
  if (!std::isfinite(scaled)) fail_value("cannot convert float infinity or NaN to integer");
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value file_size(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("filesizeformat", arguments);
  const bool is_binary = bind.truth_or(runtime, "binary", false);
  bind.finish();
  const Value number = to_float(runtime, value, {{Value()}, {}});
  if (number.is_none()) fail_value("could not convert to float");
  const double bytes = number.number(), base = is_binary ? 1024 : 1000;
  if (bytes == 1) return make_string(runtime, "1 Byte");
  if (bytes < base)
    return make_string(runtime, std::to_string(integer_of(bytes).value_or(0)) + " Bytes");
  double unit = base * base;
  std::size_t i = 0;
  for (; i < 7 && bytes >= unit; ++i) unit *= base;
  Values text = {Value(base * bytes / unit)};
  return make_string(runtime, percent_format(runtime, "%.1f ", make_tuple(runtime, text)) +
                                  (is_binary ? "KMGTPEZY" : "kMGTPEZY")[i] +
                                  (is_binary ? "iB" : "B"));
}

template <const char* name>
Value refused(Runtime&, const Value&, const Arguments&) {
  fail(ErrorCode::kUnsupported, "the filter '", name, "' has no place in a prompt");
}
constexpr char kRandom[] = "random", kUrlize[] = "urlize";

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

const FilterTable& text_filters() {
  static const FilterTable table = {
      {"abs", absolute},
      {"capitalize", string_method<kCapitalize>},
      {"center", center},
      {"e", escape},
      {"escape", escape},
      {"filesizeformat", file_size},
      {"float", to_float},
      {"forceescape", force_escape},
      {"format", format_filter},
      {"indent", indent},
      {"int", to_int},
      {"lower", string_method<kLower>},
      {"pprint", pretty_print},
      {"random", refused<kRandom>},
      {"replace", replace_filter},
      {"round", round_filter},
      {"safe", safe},
      {"string", string},
      {"striptags", strip_tags},
      {"title", title},
      {"tojson", to_json_filter},
      {"trim", string_method<kStrip>},
      {"truncate", truncate},
      {"upper", string_method<kUpper>},
      {"urlencode", url_encode},
      {"urlize", refused<kUrlize>},
      {"wordcount", word_count},
      {"wordwrap", word_wrap},
      {"xmlattr", xml_attributes},
  };
  return table;
}

}  // namespace gemma3n::jinja
