// Python's operations on values: what operators, loops, attribute access and calls mean.
// All throw kInvalidArgument where Python raises, and kUnsupported where Python would go on with
// something this engine does not have.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "processors/jinja/value.h"

namespace gemma3n::jinja {

// ---- text
std::string to_text(Runtime& runtime, const Value& value);  // str(value)
std::string to_repr(Runtime& runtime, const Value& value);  // repr(value)

// ---- truth and order
bool truth(Runtime& runtime, const Value& value);
bool equal(Runtime& runtime, const Value& a, const Value& b, int depth = 0);
// a OP b for "<", "<=", ">", ">="
bool ordered(Runtime& runtime, const Value& a, const Value& b, std::string_view op, int depth = 0);
bool contains(Runtime& runtime, const Value& container, const Value& item);
// The same object, as Python's `is`.
bool identical(const Value& a, const Value& b);

// ---- sequences
std::int64_t length(Runtime& runtime, const Value& value);
bool has_length(const Value& value);
bool is_iterable(const Value& value);
// Gives the items one by one; the end is false. Generators are consumed.
Iterator::Next iterate(Runtime& runtime, const Value& value);
Values to_items(Runtime& runtime, const Value& value);  // list(value)
Value range_item(const Range& range, std::int64_t index);

// ---- access, with Jinja's fall-back between attributes and items; never fails for a missing one
Value get_attribute(Runtime& runtime, const Value& object, const std::string& name);  // a.name
Value get_item(Runtime& runtime, const Value& object, const Value& key);              // a[key]
Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
                const Value& step);
// Only the attribute, without the fall-back; nothing if there is none (see methods.cc).
std::optional<Value> find_attribute(Runtime& runtime, const Value& object, const std::string& name);

// ---- arithmetic: "+", "-", "*", "/", "//", "%", "**"
Value binary_operation(Runtime& runtime, const std::string& op, const Value& a, const Value& b);
Value unary_operation(Runtime& runtime, const std::string& op, const Value& a);

// ---- calls (macros and loops by interpreter.cc)
Value call(Runtime& runtime, const Value& callee, const Arguments& arguments);
bool is_callable(const Value& value);

// ---- formatting (format.cc)
std::string percent_format(Runtime& runtime, const std::string& format, const Value& arguments);
std::string brace_format(Runtime& runtime, const std::string& format, const Arguments& arguments);

// ---- JSON (json.cc): json.dumps
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
std::string to_json(Runtime& runtime, const Value& value, const JsonStyle& style = {});

// ---- the built-in tables
Value apply_filter(Runtime& runtime, const std::string& name, const Value& value,
                   const Arguments& arguments);
bool apply_test(Runtime& runtime, const std::string& name, const Value& value,
                const Arguments& arguments);
bool has_filter(std::string_view name);
bool has_test(std::string_view name);
Value make_globals(Runtime& runtime);  // a dict: range, namespace, raise_exception, ...

// HTML escaping as markupsafe does it.
std::string escape_html(std::string_view text);

// Throws the error an undefined value gives when it is used.
[[noreturn]] void fail_undefined(const Value& value);

// Arguments by position or name, as a Python signature binds them.
//   Binder bind("replace", arguments); old = bind.required("old"); count = bind.optional("count");
//   bind.finish();
class Binder {
 public:
  Binder(std::string function, const Arguments& arguments)
      : function_(std::move(function)), arguments_(arguments) {}
  Value required(std::string_view name);
  std::optional<Value> optional(std::string_view name);
  Value value_or(std::string_view name, Value fallback);
  std::int64_t integer_or(std::string_view name, std::int64_t fallback);
  bool truth_or(Runtime& runtime, std::string_view name, bool fallback);
  std::string text_or(Runtime& runtime, std::string_view name, std::string fallback);  // str(x)
  std::string string(std::string_view name);  // must be a str
  // Throws: kInvalidArgument if an argument was not asked for.
  void finish() const;

 private:
  std::string function_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
  std::size_t keywords_used_ = 0;
};

}  // namespace gemma3n::jinja
