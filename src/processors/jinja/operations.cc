#include "processors/jinja/operations.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

[[noreturn]] void fail_type(const std::string& what) { fail(ErrorCode::kInvalidArgument, what); }

std::string join_reprs(Runtime& runtime, const Values& items, int depth);

std::string repr(Runtime& runtime, const Value& value, int depth) {
  if (depth > kMaxDataDepth)
    fail(ErrorCode::kInvalidArgument, "a value is nested deeper than ", kMaxDataDepth);
  runtime.spend(1);
  switch (value.type()) {
    case Type::kString: {
      runtime.spend_bytes(8 * value.string().size());
      const std::string text = quoted(value.string());
      return value.as<String>().is_markup ? "Markup(" + text + ")" : text;
    }
    case Type::kList:
      return "[" + join_reprs(runtime, value.as<List>().items, depth) + "]";
    case Type::kTuple: {
      const Values& items = value.as<Tuple>().items;
      return "(" + join_reprs(runtime, items, depth) + (items.size() == 1 ? ",)" : ")");
    }
    case Type::kDict: {
      std::string out = "{";
      for (const auto& [key, item] : value.as<Dict>().entries) {
        if (out.size() > 1) out += ", ";
        out += repr(runtime, key, depth + 1) + ": " + repr(runtime, item, depth + 1);
        runtime.reserve(out.size());
      }
      return out + "}";
    }
    case Type::kDictView:
      return std::string(type_name(value)) + "([" +
             join_reprs(runtime, to_items(runtime, value), depth) + "])";
    case Type::kNamespace:
      return "<Namespace " + repr(runtime, value.as<Namespace>().attributes, depth + 1) + ">";
    case Type::kUndefined:
      return "Undefined";
    case Type::kIterator:
    case Type::kFunction:
    case Type::kCycler:
    case Type::kJoiner:
      fail(ErrorCode::kUnsupported, "printing a ", type_name(value),
           " would show a memory address; use the list filter or call it");
    default:
      return to_text(runtime, value);
  }
}

std::string join_reprs(Runtime& runtime, const Values& items, int depth) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    out += repr(runtime, items[i], depth + 1);
    runtime.reserve(out.size());
  }
  return out;
}

bool equal_items(Runtime& runtime, const Values& a, const Values& b, int depth) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!equal(runtime, a[i], b[i], depth + 1)) return false;
  return true;
}

bool equal_dicts(Runtime& runtime, const Dict& a, const Dict& b, int depth) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(key);
    if (!other || !equal(runtime, value, *other, depth + 1)) return false;
  }
  return true;
}

bool equal_numbers(const Value& a, const Value& b) {
  return a.is_integral() && b.is_integral() ? a.integer() == b.integer() : a.number() == b.number();
}

const Values* sequence_items(const Value& value) {
  if (value.is(Type::kList)) return &value.as<List>().items;
  if (value.is(Type::kTuple)) return &value.as<Tuple>().items;
  return nullptr;
}

template <typename T>
bool holds(const T& a, std::string_view op, const T& b) {
  return op == "<" ? a < b : op == "<=" ? a <= b : op == ">" ? a > b : a >= b;
}

Iterator::Next iterate_items(const Value& owner, const Values& items) {
  return [owner, &items, i = std::size_t{0}](Value& item) mutable {
    if (i >= items.size()) return false;
    item = items[i++];
    return true;
  };
}

Iterator::Next iterate_string(Runtime& runtime, const Value& text) {
  return [&runtime, text, at = std::size_t{0}](Value& item) mutable {
    const std::string& all = text.string();
    if (at >= all.size()) return false;
    const std::size_t size = utf8_length(all[at]);
    item = make_string(runtime, all.substr(at, size));
    at += size;
    return true;
  };
}

Iterator::Next iterate_dict(Runtime& runtime, const Value& dict, DictView::Kind kind) {
  return [&runtime, dict, kind, i = std::size_t{0}](Value& item) mutable {
    const auto& entries = dict.as<Dict>().entries;
    if (i >= entries.size()) return false;
    const auto& [key, value] = entries[i++];
    item = kind == DictView::Kind::kKeys     ? key
           : kind == DictView::Kind::kValues ? value
                                             : make_tuple(runtime, {key, value});
    return true;
  };
}

// Clamps a slice's bounds as Python does.
struct SliceRange {
  std::int64_t start, stop, step;
  std::int64_t size() const {
    if (step > 0) return start >= stop ? 0 : (stop - start - 1) / step + 1;
    return start <= stop ? 0 : (start - stop - 1) / -step + 1;
  }
};

std::int64_t slice_bound(const Value& bound, std::int64_t size, bool is_backward,
                         std::int64_t fallback) {
  if (bound.is_none()) return fallback;
  if (!bound.is_integral())
    fail_type("slice indices must be integers or None or have an __index__ method");
  std::int64_t at = bound.integer();
  if (at < 0) at = at < -size ? -1 : at + size;
  return std::clamp<std::int64_t>(at, is_backward ? -1 : 0, is_backward ? size - 1 : size);
}

SliceRange slice_range(std::int64_t size, const Value& start, const Value& stop,
                       const Value& step) {
  SliceRange range{0, 0, 1};
  if (!step.is_none()) {
    if (!step.is_integral())
      fail_type("slice indices must be integers or None or have an __index__ method");
    range.step = std::max(step.integer(), std::int64_t{-INT64_MAX});
    if (range.step == 0) fail_type("slice step cannot be zero");
  }
  const bool is_backward = range.step < 0;
  range.start = slice_bound(start, size, is_backward, is_backward ? size - 1 : 0);
  range.stop = slice_bound(stop, size, is_backward, is_backward ? -1 : size);
  return range;
}

Value slice_string(Runtime& runtime, const std::string& text, const SliceRange& range) {
  runtime.spend_bytes(4 * text.size());
  if (range.step == 1) {
    const std::size_t begin = byte_offset(text, static_cast<std::size_t>(range.start));
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(range.size(), 0));
    const std::string_view tail = std::string_view(text).substr(begin);
    return make_string(runtime, std::string(tail.substr(0, byte_offset(tail, count))));
  }
  const auto all = characters(text);
  std::string out;
  std::int64_t at = range.start;
  for (std::int64_t i = 0; i < range.size(); ++i, at += range.step)
    out += all[static_cast<std::size_t>(at)];
  return make_string(runtime, std::move(out));
}

Value slice_items(Runtime& runtime, const Value& value, const SliceRange& range) {
  const Values& items = *sequence_items(value);
  Values out;
  runtime.reserve(static_cast<std::size_t>(range.size()) * sizeof(Value));
  std::int64_t at = range.start;
  for (std::int64_t i = 0; i < range.size(); ++i, at += range.step)
    out.push_back(items[static_cast<std::size_t>(at)]);
  return value.is(Type::kList) ? make_list(runtime, std::move(out))
                               : make_tuple(runtime, std::move(out));
}

// a[key] of a sequence, nothing if out of range.
std::optional<Value> element(Runtime& runtime, const Value& object, std::int64_t index) {
  if (const Values* items = sequence_items(object)) {
    const auto size = static_cast<std::int64_t>(items->size());
    if (index < 0) index += size;
    if (index < 0 || index >= size) return std::nullopt;
    return (*items)[static_cast<std::size_t>(index)];
  }
  if (object.is(Type::kRange)) {
    const std::int64_t size = object.as<Range>().size();
    if (index < 0) index += size;
    if (index < 0 || index >= size) return std::nullopt;
    return range_item(object.as<Range>(), index);
  }
  const std::string& text = object.string();
  const std::int64_t size = length(runtime, object);
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  const std::size_t at = byte_offset(text, static_cast<std::size_t>(index));
  return make_string(runtime, text.substr(at, utf8_length(text[at])));
}

std::string missing_message(Runtime& runtime, const Value& object, const Value& key) {
  const std::string kind = object.is_none() ? "None" : std::string(type_name(object)) + " object";
  if (key.is_string()) return quoted(kind) + " has no attribute " + quoted(key.string());
  return kind + " has no element " + to_repr(runtime, key);
}

}  // namespace

void fail_undefined(const Value& value) {
  fail(ErrorCode::kInvalidArgument, value.as<Undefined>().message);
}

// ---- text

std::string to_text(Runtime& runtime, const Value& value) {
  switch (value.type()) {
    case Type::kNone:
      return "None";
    case Type::kBool:
      return value.boolean() ? "True" : "False";
    case Type::kInt:
      return std::to_string(value.integer());
    case Type::kFloat:
      return float_text(value.number());
    case Type::kString:
      runtime.spend_bytes(value.string().size());
      return value.string();
    case Type::kUndefined:
      return "";
    case Type::kRange: {
      const auto& range = value.as<Range>();
      std::string out = "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
      return out + (range.step == 1 ? ")" : ", " + std::to_string(range.step) + ")");
    }
    case Type::kMacro:
    case Type::kLoop:
      return value.as<Dynamic>().text(runtime);
    default:
      return repr(runtime, value, 0);
  }
}

std::string to_repr(Runtime& runtime, const Value& value) { return repr(runtime, value, 0); }

// ---- truth and order

bool truth(Runtime& runtime, const Value& value) {
  switch (value.type()) {
    case Type::kNone:
    case Type::kUndefined:
      return false;
    case Type::kBool:
      return value.boolean();
    case Type::kInt:
      return value.integer() != 0;
    case Type::kFloat:
      return value.number() != 0;
    case Type::kString:
      return !value.string().empty();
    default:
      return !has_length(value) || length(runtime, value) != 0;
  }
}

bool equal(Runtime& runtime, const Value& a, const Value& b, int depth) {
  if (depth > kMaxDataDepth)
    fail(ErrorCode::kInvalidArgument, "compared values are nested deeper than ", kMaxDataDepth);
  runtime.spend(1);
  if (a.is_number() && b.is_number()) return equal_numbers(a, b);
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Type::kNone:
    case Type::kUndefined:
      return true;
    case Type::kString:
      runtime.spend_bytes(a.string().size());
      return a.string() == b.string();
    case Type::kList:
      return equal_items(runtime, a.as<List>().items, b.as<List>().items, depth);
    case Type::kTuple:
      return equal_items(runtime, a.as<Tuple>().items, b.as<Tuple>().items, depth);
    case Type::kDict:
      return equal_dicts(runtime, a.as<Dict>(), b.as<Dict>(), depth);
    case Type::kRange: {
      const auto &x = a.as<Range>(), &y = b.as<Range>();
      const std::int64_t n = x.size();
      return n == y.size() && (n == 0 || (x.start == y.start && (n == 1 || x.step == y.step)));
    }
    case Type::kDictView:
      if (!identical(a, b))
        fail(ErrorCode::kUnsupported, "comparing ", type_name(a), " with ==; use the list filter");
      return true;
    default:
      return identical(a, b);
  }
}

bool ordered(Runtime& runtime, const Value& a, const Value& b, std::string_view op, int depth) {
  if (depth > kMaxDataDepth)
    fail(ErrorCode::kInvalidArgument, "compared values are nested deeper than ", kMaxDataDepth);
  runtime.spend(1);
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_integral() && b.is_integral()) return holds(a.integer(), op, b.integer());
  if (a.is_number() && b.is_number()) return holds(a.number(), op, b.number());
  if (a.is_string() && b.is_string()) {
    runtime.spend_bytes(a.string().size());
    return holds(a.string(), op, b.string());
  }
  const Values *x = sequence_items(a), *y = sequence_items(b);
  if (!x || !y || a.type() != b.type()) {
    fail(ErrorCode::kInvalidArgument, "'", op, "' not supported between instances of '",
         type_name(a), "' and '", type_name(b), "'");
  }
  for (std::size_t i = 0; i < x->size() && i < y->size(); ++i)
    if (!equal(runtime, (*x)[i], (*y)[i], depth + 1))
      return ordered(runtime, (*x)[i], (*y)[i], op, depth + 1);
  return holds(x->size(), op, y->size());
}

bool identical(const Value& a, const Value& b) {
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Type::kNone:
      return true;
    case Type::kBool:
      return a.boolean() == b.boolean();
    case Type::kInt:
      return a.integer() == b.integer();
    case Type::kFloat:
      return false;
    default:
      return a.object().get() == b.object().get();
  }
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (item.is_undefined())
      fail_type("'in <string>' requires string as left operand, not Undefined");
    if (!item.is_string())
      fail_type("'in <string>' requires string as left operand, not " +
                std::string(type_name(item)));
    runtime.spend_search(container.string().size(), item.string().size());
    return find_part(container.string(), item.string()) != std::string::npos;
  }
  if (container.is(Type::kDict)) return container.as<Dict>().find(item) != nullptr;
  if (container.is(Type::kDictView) && container.as<DictView>().kind == DictView::Kind::kKeys)
    return container.as<DictView>().dict.as<Dict>().find(item) != nullptr;
  if (!is_iterable(container))
    fail_type("argument of type '" + std::string(type_name(container)) + "' is not iterable");
  const auto next = iterate(runtime, container);
  for (Value one; next(one);)
    if (identical(one, item) || equal(runtime, one, item)) return true;
  return false;
}

// ---- sequences

bool has_length(const Value& value) {
  switch (value.type()) {
    case Type::kString:
    case Type::kList:
    case Type::kTuple:
    case Type::kDict:
    case Type::kDictView:
    case Type::kRange:
    case Type::kUndefined:
    case Type::kLoop:
      return true;
    default:
      return false;
  }
}

std::int64_t length(Runtime& runtime, const Value& value) {
  switch (value.type()) {
    case Type::kString:
      runtime.spend_bytes(value.string().size());
      return static_cast<std::int64_t>(count_code_points(value.string()));
    case Type::kList:
      return static_cast<std::int64_t>(value.as<List>().items.size());
    case Type::kTuple:
      return static_cast<std::int64_t>(value.as<Tuple>().items.size());
    case Type::kDict:
      return static_cast<std::int64_t>(value.as<Dict>().entries.size());
    case Type::kDictView:
      return length(runtime, value.as<DictView>().dict);
    case Type::kRange:
      return value.as<Range>().size();
    case Type::kUndefined:
      return 0;
    case Type::kLoop:
      return value.as<Dynamic>().attribute(runtime, "length")->integer();
    default:
      fail_type("object of type '" + std::string(type_name(value)) + "' has no len()");
  }
}

bool is_iterable(const Value& value) { return has_length(value) || value.is(Type::kIterator); }

Value range_item(const Range& range, std::int64_t index) {
  return Value(range.start + index * range.step);
}

Iterator::Next iterate(Runtime& runtime, const Value& value) {
  switch (value.type()) {
    case Type::kString:
      return iterate_string(runtime, value);
    case Type::kList:
      return iterate_items(value, value.as<List>().items);
    case Type::kTuple:
      return iterate_items(value, value.as<Tuple>().items);
    case Type::kDict:
      return iterate_dict(runtime, value, DictView::Kind::kKeys);
    case Type::kDictView:
      return iterate_dict(runtime, value.as<DictView>().dict, value.as<DictView>().kind);
    case Type::kRange:
      return [value, i = std::int64_t{0}](Value& item) mutable {
        if (i >= value.as<Range>().size()) return false;
        item = range_item(value.as<Range>(), i++);
        return true;
      };
    case Type::kIterator:
      return [&runtime, value](Value& item) {
        const DepthGuard guard(runtime.depth, kMaxDepth, "a chain of filters");
        return value.as<Iterator>().next(item);
      };
    case Type::kUndefined:
      return [](Value&) { return false; };
    case Type::kLoop:
      fail(ErrorCode::kUnsupported, "iterating over `loop` itself");
    default:
      fail_type("'" + std::string(type_name(value)) + "' object is not iterable");
  }
}

Values to_items(Runtime& runtime, const Value& value) {
  Values items;
  const auto next = iterate(runtime, value);
  for (Value item; next(item);) {
    runtime.spend(1);
    runtime.reserve((items.size() + 1) * sizeof(Value));
    items.push_back(item);
  }
  return items;
}

// ---- access

Value get_attribute(Runtime& runtime, const Value& object, const std::string& name) {
  if (object.is_undefined()) fail_undefined(object);
  if (auto found = find_attribute(runtime, object, name)) return *found;
  if (object.is(Type::kDict)) {
    if (const Value* value = object.as<Dict>().find(std::string_view(name))) return *value;
  }
  return make_undefined(runtime, missing_message(runtime, object, make_string(runtime, name)));
}

Value get_item(Runtime& runtime, const Value& object, const Value& key) {
  switch (object.type()) {
    case Type::kUndefined:
      fail_undefined(object);
    case Type::kDict:
      if (key.is(Type::kList) || key.is(Type::kDict)) break;
      if (const Value* value = object.as<Dict>().find(key)) return *value;
      break;
    case Type::kString:
    case Type::kList:
    case Type::kTuple:
    case Type::kRange:
      if (!key.is_integral()) break;
      if (auto value = element(runtime, object, key.integer())) return *value;
      break;
    default:
      break;
  }
  if (key.is_string())
    if (auto found = find_attribute(runtime, object, key.string())) return *found;
  return make_undefined(runtime, missing_message(runtime, object, key));
}

Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
                const Value& step) {
  switch (object.type()) {
    case Type::kUndefined:
      fail_undefined(object);
    case Type::kString:
    case Type::kList:
    case Type::kTuple:
    case Type::kRange:
      break;
    case Type::kDict:
      fail_type("unhashable type: 'slice'");
    default:
      fail_type("'" + std::string(type_name(object)) + "' object is not subscriptable");
  }
  const SliceRange range = slice_range(length(runtime, object), start, stop, step);
  if (object.is_string()) return slice_string(runtime, object.string(), range);
  if (!object.is(Type::kRange)) return slice_items(runtime, object, range);
  const auto& whole = object.as<Range>();
  std::int64_t product = 0;
  if (__builtin_mul_overflow(whole.step, range.step, &product) || std::abs(product) > kMaxRangeEnd)
    fail(ErrorCode::kUnsupported, "a slice of a range with such a large step");
  return Value(runtime.make<Range>(0, whole.start + range.start * whole.step,
                                   whole.start + range.stop * whole.step, product));
}

// ---- calls of built-in objects; interpreter.cc gives macros and loops their Function

bool is_callable(const Value& value) {
  switch (value.type()) {
    case Type::kFunction:
    case Type::kJoiner:
    case Type::kMacro:
    case Type::kLoop:
    case Type::kUndefined:
      return true;  // the class of undefined has a __call__, which fails
    default:
      return false;
  }
}

Value call(Runtime& runtime, const Value& callee, const Arguments& arguments) {
  runtime.spend(1);
  switch (callee.type()) {
    case Type::kFunction:
      return callee.as<Function>().call(runtime, arguments);
    case Type::kMacro:
    case Type::kLoop:
      return callee.as<Dynamic>().call(runtime, arguments);
    case Type::kJoiner: {
      auto& joiner = callee.as<Joiner>();
      return std::exchange(joiner.used, true) ? joiner.separator : make_string(runtime, "");
    }
    case Type::kUndefined:
      fail_undefined(callee);
    default:
      fail_type("'" + std::string(type_name(callee)) + "' object is not callable");
  }
}

// ---- arguments

std::optional<Value> Binder::optional(std::string_view name) {
  std::optional<Value> found;
  if (next_ < arguments_.positional.size()) found = arguments_.positional[next_];
  ++next_;
  for (const auto& [key, value] : arguments_.keyword) {
    if (key != name) continue;
    if (found)
      fail(ErrorCode::kInvalidArgument, function_, "() got multiple values for '", name, "'");
    ++keywords_used_;
    found = value;
  }
  return found;
}

Value Binder::required(std::string_view name) {
  auto found = optional(name);
  if (!found) fail(ErrorCode::kInvalidArgument, function_, "() misses its argument '", name, "'");
  return *found;
}

Value Binder::value_or(std::string_view name, Value fallback) {
  auto found = optional(name);
  return found ? *found : std::move(fallback);
}

std::int64_t Binder::integer_or(std::string_view name, std::int64_t fallback) {
  const auto found = optional(name);
  if (!found) return fallback;
  if (found->is_undefined()) fail_undefined(*found);
  if (!found->is_integral())
    fail(ErrorCode::kInvalidArgument, function_, "() needs an integer '", name, "', got '",
         type_name(*found), "'");
  return found->integer();
}

bool Binder::truth_or(Runtime& runtime, std::string_view name, bool fallback) {
  const auto found = optional(name);
  return found ? truth(runtime, *found) : fallback;
}

std::string Binder::text_or(Runtime& runtime, std::string_view name, std::string fallback) {
  const auto found = optional(name);
  return found ? to_text(runtime, *found) : std::move(fallback);
}

std::string Binder::string(std::string_view name) {
  const Value value = required(name);
  if (!value.is_string())
    fail(ErrorCode::kInvalidArgument, function_, "() needs a str '", name, "', got '",
         type_name(value), "'");
  return value.string();
}

void Binder::finish() const {
  if (arguments_.positional.size() > next_)
    fail(ErrorCode::kInvalidArgument, function_, "() takes at most ", next_, " arguments, got ",
         arguments_.positional.size());
  if (keywords_used_ < arguments_.keyword.size())
    fail(ErrorCode::kInvalidArgument, function_, "() got an unexpected keyword argument");
}

}  // namespace gemma3n::jinja
