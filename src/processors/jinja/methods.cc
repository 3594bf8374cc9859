// Attributes and methods of Python's built-in types, as the immutable sandbox lets templates see
// them: what changes a list or dict is refused when used.
#include <algorithm>
#include <functional>
#include <map>

#include "base/utf8.h"
#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"
#include "processors/jinja/unicode.h"

namespace gemma3n::jinja {
namespace {

using Method = Value (*)(Runtime&, const Value& self, const Arguments&);
using MethodTable = std::map<std::string, Method, std::less<>>;

[[noreturn]] void fail_value(const std::string& what) { fail(ErrorCode::kInvalidArgument, what); }

Value text_value(Runtime& runtime, const Value& self, std::string text) {
  return make_string(runtime, std::move(text), self.as<String>().is_markup);
}

Value string_list(Runtime& runtime, const std::vector<std::string_view>& parts) {
  Values items;
  for (const std::string_view part : parts)
    items.push_back(make_string(runtime, std::string(part)));
  return make_list(runtime, std::move(items));
}

// ---- str: case and space

template <std::string (*change)(std::string_view)>
Value change_case(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder("str method", arguments).finish();
  runtime.spend_bytes(8 * self.string().size());
  return text_value(runtime, self, change(self.string()));
}

Value casefold(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (!std::all_of(self.string().begin(), self.string().end(),
                   [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
    fail(ErrorCode::kUnsupported, "casefold() of text outside ASCII; use lower()");
  return change_case<lower>(runtime, self, arguments);
}

template <Side side>
Value strip_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("strip", arguments);
  const Value chars = bind.value_or("chars", Value());
  bind.finish();
  if (!chars.is_none() && !chars.is_string()) fail_value("strip arg must be None or str");
  const std::string* set = chars.is_none() ? nullptr : &chars.string();
  const std::string_view stripped = strip(self.string(), side, set);
  runtime.spend((self.string().size() - stripped.size()) / 4 * (set ? 1 + set->size() : 1));
  return text_value(runtime, self, std::string(stripped));
}

template <bool to_left, bool to_right>
Value pad(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("str padding", arguments);
  const std::int64_t width = bind.integer_or("width", 0);
  const std::string fill = bind.text_or(runtime, "fillchar", " ");
  bind.finish();
  if (count_code_points(fill) != 1)
    fail_value("the fill character must be exactly one character long");
  const std::int64_t missing = width - length(runtime, self);
  if (missing <= 0) return self;
  const auto total = static_cast<std::size_t>(missing);
  runtime.reserve_product(total, fill.size());
  // CPython puts the odd space left if the width is odd.
  std::size_t left = to_left && to_right ? total / 2 + (total & static_cast<std::size_t>(width) & 1)
                     : to_left           ? total
                                         : 0;
  std::string out;
  for (std::size_t i = 0; i < left; ++i) out += fill;
  out += self.string();
  for (std::size_t i = left; i < total; ++i) out += fill;
  return text_value(runtime, self, std::move(out));
}

Value zfill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("zfill", arguments);
  const std::int64_t missing = bind.integer_or("width", 0) - length(runtime, self);
  bind.finish();
  if (missing <= 0) return self;
  const auto total = static_cast<std::size_t>(missing);
  runtime.reserve_product(total, 1);
  const std::string& text = self.string();
  const bool has_sign = !text.empty() && (text[0] == '+' || text[0] == '-');
  return text_value(
      runtime, self,
      text.substr(0, has_sign ? 1 : 0) + std::string(total, '0') + text.substr(has_sign ? 1 : 0));
}

Value expand_tabs(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("expandtabs", arguments);
  const std::int64_t size = bind.integer_or("tabsize", 8);
  bind.finish();
  std::string out;
  std::int64_t column = 0;
  const std::string& text = self.string();
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = next_code_point(text, i);
    if (c == '\t') {
      const std::int64_t spaces = size > 0 ? size - column % size : 0;
      runtime.reserve_product(out.size() + static_cast<std::size_t>(spaces), 1);
      out.append(static_cast<std::size_t>(spaces), ' ');
      column += spaces;
    } else {
      out += text.substr(begin, i - begin);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return text_value(runtime, self, std::move(out));
}

// ---- str: searching

// The part of `self` between optional start and end, and the byte offset where it begins.
struct Window {
  std::string_view text;
  std::int64_t start;
  bool is_valid;  // start is not behind the end of the string
};

Window window(Runtime& runtime, const Value& self, Binder& bind) {
  const Value start = bind.value_or("start", Value());
  const Value end = bind.value_or("end", Value());
  const std::int64_t size = length(runtime, self);
  const auto bound = [&](const Value& value, std::int64_t fallback) {
    if (value.is_none()) return fallback;
    if (!value.is_integral()) fail_value("slice indices must be integers or None");
    return value.integer() < 0 ? std::max<std::int64_t>(value.integer() + size, 0)
                               : value.integer();
  };
  const std::int64_t first = bound(start, 0), last = std::min(bound(end, size), size);
  if (first > last) return {"", first, false};
  const std::string_view text = self.string();
  const std::size_t begin = byte_offset(text, static_cast<std::size_t>(first));
  const std::string_view tail = text.substr(begin);
  return {tail.substr(0, byte_offset(tail, static_cast<std::size_t>(last - first))), first, true};
}

template <bool from_right, bool must_exist>
Value find_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("find", arguments);
  const std::string needle = bind.string("sub");
  const Window in = window(runtime, self, bind);
  bind.finish();
  runtime.spend_search(in.text.size(), needle.size(), from_right);
  std::size_t found = std::string_view::npos;
  if (in.is_valid) found = from_right ? in.text.rfind(needle) : find_part(in.text, needle);
  if (found != std::string_view::npos)
    return Value(in.start + static_cast<std::int64_t>(count_code_points(in.text.substr(0, found))));
  if (must_exist) fail_value("substring not found");
  return Value(std::int64_t{-1});
}

Value count_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("count", arguments);
  const std::string needle = bind.string("sub");
  const Window in = window(runtime, self, bind);
  bind.finish();
  runtime.spend_search(in.text.size(), needle.size());
  const std::size_t count = in.is_valid ? count_occurrences(in.text, needle) : 0;
  runtime.spend(count / 4);
  return Value(static_cast<std::int64_t>(count));
}

template <bool at_start>
Value affix_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind(at_start ? "startswith" : "endswith", arguments);
  const Value affix = bind.required("affix");
  const Window in = window(runtime, self, bind);
  bind.finish();
  const auto matches = [&](const Value& one) {
    if (!one.is_string())
      fail(ErrorCode::kInvalidArgument, at_start ? "startswith" : "endswith",
           " first arg must be str or a tuple of str, not ", type_name(one));
    return in.is_valid &&
           (at_start ? in.text.starts_with(one.string()) : in.text.ends_with(one.string()));
  };
  if (!affix.is(Type::kTuple)) return Value(matches(affix));
  const Values& all = affix.as<Tuple>().items;
  runtime.spend(all.size());
  return Value(std::any_of(all.begin(), all.end(), matches));
}

template <bool is_prefix>
Value remove_affix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("removeprefix", arguments);
  const std::string affix = bind.string("affix");
  bind.finish();
  std::string_view text = self.string();
  if (is_prefix && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (!is_prefix && text.ends_with(affix)) text.remove_suffix(affix.size());
  return text_value(runtime, self, std::string(text));
}

// ---- str: splitting and joining

template <bool from_right>
Value split_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("split", arguments);
  const Value separator = bind.value_or("sep", Value());
  const std::int64_t max_splits = bind.integer_or("maxsplit", -1);
  bind.finish();
  std::optional<std::string_view> between;
  if (!separator.is_none()) {
    if (!separator.is_string())
      fail_value("must be str or None, not " + std::string(type_name(separator)));
    between = separator.string();
    if (between->empty()) fail_value("empty separator");
  }
  const std::string& text = self.string();
  runtime.spend_search(text.size(), between ? between->size() : 1, from_right);
  runtime.spend_bytes(8 * text.size());
  runtime.reserve(between ? count_occurrences(text, *between) * sizeof(Value) : 0);
  return string_list(runtime, from_right ? split_from_right(text, between, max_splits)
                                         : split(text, between, max_splits));
}

Value split_lines_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("splitlines", arguments);
  const bool keep_ends = bind.truth_or(runtime, "keepends", false);
  bind.finish();
  runtime.spend_bytes(16 * self.string().size());
  return string_list(runtime, split_lines(self.string(), keep_ends));
}

template <bool from_right>
Value partition(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("partition", arguments);
  const std::string separator = bind.string("sep");
  bind.finish();
  if (separator.empty()) fail_value("empty separator");
  const std::string& text = self.string();
  runtime.spend_search(text.size(), separator.size(), from_right);
  const std::size_t at = from_right ? text.rfind(separator) : find_part(text, separator);
  const auto triple = [&](std::string a, std::string b, std::string c) {
    return make_tuple(runtime,
                      {make_string(runtime, std::move(a)), make_string(runtime, std::move(b)),
                       make_string(runtime, std::move(c))});
  };
  if (at == std::string::npos) return from_right ? triple("", "", text) : triple(text, "", "");
  return triple(text.substr(0, at), separator, text.substr(at + separator.size()));
}

Value join_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("join", arguments);
  const Value parts = bind.required("iterable");
  bind.finish();
  if (!is_iterable(parts)) fail_value("can only join an iterable");
  std::string out;
  std::size_t i = 0;
  const auto next = iterate(runtime, parts);
  for (Value part; next(part); ++i) {
    if (!part.is_string())
      fail(ErrorCode::kInvalidArgument, "sequence item ", i, ": expected str instance, ",
           type_name(part), " found");
    runtime.spend_bytes(self.string().size() + part.string().size());
    runtime.reserve(out.size() + self.string().size() + part.string().size());
    if (i > 0) out += self.string();
    out += part.string();
  }
  return text_value(runtime, self, std::move(out));
}

Value replace_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("replace", arguments);
  const std::string old_part = bind.string("old"), new_part = bind.string("new");
  const std::int64_t count = bind.integer_or("count", -1);
  bind.finish();
  const std::string& text = self.string();
  runtime.spend_search(text.size(), old_part.size());
  runtime.spend_bytes(4 * text.size());
  runtime.reserve_product(count_occurrences(text, old_part), new_part.size());
  return text_value(runtime, self, replace(text, old_part, new_part, count));
}

// ---- str: questions

template <bool (*holds)(char32_t)>
Value all_characters(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder("str method", arguments).finish();
  const std::string& text = self.string();
  runtime.spend_bytes(8 * text.size());
  for (std::size_t i = 0; i < text.size();)
    if (!holds(next_code_point(text, i))) return Value(false);
  return Value(!text.empty());
}

bool is_ascii(char32_t c) { return c < 0x80; }

// Of no character at all, both are true.
template <bool (*holds)(char32_t)>
Value all_or_empty(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return self.string().empty() ? Value(true) : all_characters<holds>(runtime, self, arguments);
}

// islower/isupper: some character has the case and none has another.
template <bool (*wanted)(char32_t), bool (*refused)(char32_t)>
Value has_only_case(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder("str method", arguments).finish();
  runtime.spend_bytes(8 * self.string().size());
  bool found = false;
  for (std::size_t i = 0; i < self.string().size();) {
    const char32_t c = next_code_point(self.string(), i);
    if (refused(c) || is_title(c)) return Value(false);
    found = found || wanted(c);
  }
  return Value(found);
}

Value is_title_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder("istitle", arguments).finish();
  runtime.spend_bytes(8 * self.string().size());
  bool found = false, in_word = false;
  for (std::size_t i = 0; i < self.string().size();) {
    const char32_t c = next_code_point(self.string(), i);
    const bool starts = is_upper(c) || is_title(c);
    if ((starts && in_word) || (is_lower(c) && !in_word)) return Value(false);
    in_word = starts || is_lower(c);
    found = found || in_word;
  }
  return Value(found);
}

Value is_identifier(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (self.string().empty()) return Value(false);
  std::size_t first = 0;
  const bool starts = is_identifier_start(next_code_point(self.string(), first));
  return Value(starts && all_characters<is_identifier_part>(runtime, self, arguments).boolean());
}

Value format_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return make_string(runtime, brace_format(runtime, self.string(), arguments));
}

Value format_map(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("format_map", arguments);
  const Value mapping = bind.required("mapping");
  bind.finish();
  if (!mapping.is(Type::kDict)) fail_value("format_map() needs a mapping");
  Arguments named;
  for (const auto& [key, value] : mapping.as<Dict>().entries)
    if (key.is_string()) named.keyword.emplace_back(key.string(), value);
  return make_string(runtime, brace_format(runtime, self.string(), named));
}

const MethodTable& string_methods() {
  static const MethodTable table = {
      {"capitalize", change_case<capitalize>},
      {"casefold", casefold},
      {"center", pad<true, true>},
      {"count", count_method},
      {"endswith", affix_method<false>},
      {"expandtabs", expand_tabs},
      {"find", find_method<false, false>},
      {"format", format_method},
      {"format_map", format_map},
      {"index", find_method<false, true>},
      {"isalnum", all_characters<is_alphanumeric>},
      {"isalpha", all_characters<is_alpha>},
      {"isascii", all_or_empty<is_ascii>},
      {"isdecimal", all_characters<is_decimal>},
      {"isdigit", all_characters<is_digit>},
      {"isidentifier", is_identifier},
      {"islower", has_only_case<is_lower, is_upper>},
      {"isnumeric", all_characters<is_numeric>},
      {"isprintable", all_or_empty<is_printable>},
      {"isspace", all_characters<is_space>},
      {"istitle", is_title_method},
      {"isupper", has_only_case<is_upper, is_lower>},
      {"join", join_method},
      {"ljust", pad<false, true>},
      {"lower", change_case<lower>},
      {"lstrip", strip_method<Side::kLeft>},
      {"partition", partition<false>},
      {"removeprefix", remove_affix<true>},
      {"removesuffix", remove_affix<false>},
      {"replace", replace_method},
      {"rfind", find_method<true, false>},
      {"rindex", find_method<true, true>},
      {"rjust", pad<true, false>},
      {"rpartition", partition<true>},
      {"rsplit", split_method<true>},
      {"rstrip", strip_method<Side::kRight>},
      {"split", split_method<false>},
      {"splitlines", split_lines_method},
      {"startswith", affix_method<true>},
      {"strip", strip_method<Side::kBoth>},
      {"swapcase", change_case<swap_case>},
      {"title", change_case<title>},
      {"upper", change_case<upper>},
      {"zfill", zfill},
  };
  return table;
}

// ---- list, tuple, dict

const Values& items_of(const Value& self) {
  return self.is(Type::kList) ? self.as<List>().items : self.as<Tuple>().items;
}

Value sequence_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("index", arguments);
  const Value wanted = bind.required("value");
  const Values& items = items_of(self);
  const auto size = static_cast<std::int64_t>(items.size());
  const auto bound = [&](std::string_view name, std::int64_t fallback) {
    const std::int64_t at = bind.integer_or(name, fallback);
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const std::int64_t start = bound("start", 0), stop = bound("stop", size);
  bind.finish();
  for (std::int64_t i = start; i < stop; ++i)
    if (equal(runtime, items[static_cast<std::size_t>(i)], wanted)) return Value(i);
  fail_value(to_repr(runtime, wanted) + " is not in list");
}

Value sequence_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder bind("count", arguments);
  const Value wanted = bind.required("value");
  bind.finish();
  std::int64_t count = 0;
  for (const Value& item : items_of(self)) count += equal(runtime, item, wanted) ? 1 : 0;
  return Value(count);
}

Value list_copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder("copy", arguments).finish();
  return make_list(runtime, items_of(self));
}

template <DictView::Kind kind>
Value dict_view(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder("dict view", arguments).finish();
  return Value(runtime.make<DictView>(0, self, kind));
}

Value dict_get(Runtime&, const Value& self, const Arguments& arguments) {
  Binder bind("get", arguments);
  const Value key = bind.required("key");
  const Value fallback = bind.value_or("default", Value());
  bind.finish();
  const Value* found = self.as<Dict>().find(key);
  return found ? *found : fallback;
}

Value dict_copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Binder("copy", arguments).finish();
  Value copy = make_dict(runtime);
  for (const auto& [key, value] : self.as<Dict>().entries) set_entry(runtime, copy, key, value);
  return copy;
}

const MethodTable& methods_of(Type type) {
  static const MethodTable list = {
      {"copy", list_copy}, {"count", sequence_count}, {"index", sequence_index}};
  static const MethodTable tuple = {{"count", sequence_count}, {"index", sequence_index}};
  static const MethodTable dict = {{"copy", dict_copy},
                                   {"get", dict_get},
                                   {"items", dict_view<DictView::Kind::kItems>},
                                   {"keys", dict_view<DictView::Kind::kKeys>},
                                   {"values", dict_view<DictView::Kind::kValues>}};
  static const MethodTable none;
  switch (type) {
    case Type::kString:
      return string_methods();
    case Type::kList:
      return list;
    case Type::kTuple:
      return tuple;
    case Type::kDict:
      return dict;
    default:
      return none;
  }
}

// Methods the sandbox hides because they change the object.
bool is_hidden(Type type, std::string_view name) {
  static constexpr std::string_view kList[] = {"append", "clear",  "extend",  "insert",
                                               "pop",    "remove", "reverse", "sort"};
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  const auto is_in = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  return (type == Type::kList && is_in(kList)) || (type == Type::kDict && is_in(kDict));
}

// What Python has and this engine does not: an error is better than an undefined value.
bool is_missing_here(Type type, std::string_view name) {
  static constexpr std::string_view kString[] = {"encode", "maketrans", "translate"};
  static constexpr std::string_view kInt[] = {
      "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator",
      "from_bytes",       "imag",      "numerator",  "real",      "to_bytes"};
  static constexpr std::string_view kFloat[] = {
      "as_integer_ratio", "conjugate", "fromhex", "hex", "imag", "is_integer", "real"};
  static constexpr std::string_view kDict[] = {"fromkeys"};
  static constexpr std::string_view kRange[] = {"count", "index", "start", "step", "stop"};
  static constexpr std::string_view kView[] = {"isdisjoint", "mapping"};
  const auto is_in = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  switch (type) {
    case Type::kString:
      return is_in(kString);
    case Type::kBool:
    case Type::kInt:
      return is_in(kInt);
    case Type::kFloat:
      return is_in(kFloat);
    case Type::kDict:
      return is_in(kDict);
    case Type::kRange:
      return is_in(kRange);
    case Type::kDictView:
      return is_in(kView);
    case Type::kIterator:
      return name == "send" || name == "throw" || name == "close";
    default:
      return false;
  }
}

std::optional<Value> cycler_attribute(Runtime& runtime, const Value& object,
                                      const std::string& name) {
  auto& cycler = object.as<Cycler>();
  if (name == "current") return cycler.items[cycler.position];
  if (name == "pos") return Value(static_cast<std::int64_t>(cycler.position));
  if (name == "items") return make_tuple(runtime, cycler.items);
  if (name == "next")
    return make_function(runtime, name, [object](Runtime&, const Arguments&) {
      auto& self = object.as<Cycler>();
      const Value item = self.items[self.position];
      self.position = (self.position + 1) % self.items.size();
      return item;
    });
  if (name == "reset")
    return make_function(runtime, name, [object](Runtime&, const Arguments&) {
      object.as<Cycler>().position = 0;
      return Value();
    });
  return std::nullopt;
}

bool is_dunder(std::string_view name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__");
}

}  // namespace

std::optional<Value> find_attribute(Runtime& runtime, const Value& object,
                                    const std::string& name) {
  const Type type = object.type();
  if (type == Type::kUndefined) fail_undefined(object);
  // A namespace answers for its own names only; those never begin with an underscore.
  if (type == Type::kNamespace) {
    const Value* found = object.as<Namespace>().attributes.as<Dict>().find(std::string_view(name));
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  if (is_hidden(type, name) || is_dunder(name)) {
    if (type == Type::kDict && is_dunder(name) && object.as<Dict>().find(std::string_view(name)))
      return std::nullopt;  // the caller looks at the keys
    return make_undefined(runtime, "access to attribute " + quoted(name) + " of '" +
                                       type_name(object) + "' object is unsafe.");
  }
  if (type == Type::kMacro || type == Type::kLoop)
    return object.as<Dynamic>().attribute(runtime, name);
  if (type == Type::kCycler) return cycler_attribute(runtime, object, name);
  if (type == Type::kTuple && object.as<Tuple>().is_group) {
    if (name == "grouper") return object.as<Tuple>().items[0];
    if (name == "list") return object.as<Tuple>().items[1];
  }
  const MethodTable& methods = methods_of(type);
  if (const auto found = methods.find(name); found != methods.end()) {
    return make_function(runtime, name,
                         [object, method = found->second](Runtime& r, const Arguments& arguments) {
                           return method(r, object, arguments);
                         });
  }
  if (is_missing_here(type, name))
    fail(ErrorCode::kUnsupported, "the attribute '", name, "' of ", type_name(object));
  return std::nullopt;
}

}  // namespace gemma3n::jinja
