// What follows `is` in a template.   Ref: jinja2.tests
#include <algorithm>
#include <map>

#include "processors/jinja/operations.h"

namespace gemma3n::jinja {
namespace {

using Test = bool (*)(Runtime&, const Value&, const Arguments&);

const Value& only_argument(const Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.keyword.empty())
    fail(ErrorCode::kInvalidArgument, "the test takes exactly one argument, got ",
         arguments.positional.size() + arguments.keyword.size());
  return arguments.positional[0];
}

bool is_remainder(Runtime& runtime, const Value& value, const Value& divisor, std::int64_t wanted) {
  return equal(runtime, binary_operation(runtime, "%", value, divisor), Value(wanted));
}

bool odd(Runtime& runtime, const Value& value, const Arguments&) {
  return is_remainder(runtime, value, Value(std::int64_t{2}), 1);
}
bool even(Runtime& runtime, const Value& value, const Arguments&) {
  return is_remainder(runtime, value, Value(std::int64_t{2}), 0);
}
bool divisible_by(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return is_remainder(runtime, value, only_argument(arguments), 0);
}
bool defined(Runtime&, const Value& value, const Arguments&) { return !value.is_undefined(); }
bool undefined(Runtime&, const Value& value, const Arguments&) { return value.is_undefined(); }
bool none(Runtime&, const Value& value, const Arguments&) { return value.is_none(); }
bool boolean(Runtime&, const Value& value, const Arguments&) { return value.is(Type::kBool); }
bool is_true(Runtime&, const Value& value, const Arguments&) {
  return value.is(Type::kBool) && value.boolean();
}
bool is_false(Runtime&, const Value& value, const Arguments&) {
  return value.is(Type::kBool) && !value.boolean();
}
bool integer(Runtime&, const Value& value, const Arguments&) { return value.is(Type::kInt); }
bool is_float(Runtime&, const Value& value, const Arguments&) { return value.is(Type::kFloat); }
bool number(Runtime&, const Value& value, const Arguments&) { return value.is_number(); }
bool string(Runtime&, const Value& value, const Arguments&) { return value.is_string(); }
bool mapping(Runtime&, const Value& value, const Arguments&) { return value.is(Type::kDict); }
bool iterable(Runtime&, const Value& value, const Arguments&) { return is_iterable(value); }
bool sequence(Runtime&, const Value& value, const Arguments&) {
  return has_length(value) && !value.is(Type::kDictView) && !value.is(Type::kLoop);
}
bool callable(Runtime&, const Value& value, const Arguments&) { return is_callable(value); }
bool escaped(Runtime&, const Value& value, const Arguments&) {
  return value.is_string() && value.as<String>().is_markup;
}
bool same_as(Runtime&, const Value& value, const Arguments& arguments) {
  const Value& other = only_argument(arguments);
  // Whether Python shares two equal constants is an accident of its compiler.
  if (value.is_number() && !value.is(Type::kBool) && value.type() == other.type())
    fail(ErrorCode::kUnsupported, "sameas between numbers");
  if (value.is_string() && other.is_string() && !identical(value, other))
    fail(ErrorCode::kUnsupported, "sameas between strings; use ==");
  return identical(value, other);
}

bool ask_string(Runtime& runtime, const Value& value, const char* method) {
  const Value text = make_string(runtime, to_text(runtime, value));
  return call(runtime, *find_attribute(runtime, text, method), {}).boolean();
}
bool lower(Runtime& runtime, const Value& value, const Arguments&) {
  return ask_string(runtime, value, "islower");
}
bool upper(Runtime& runtime, const Value& value, const Arguments&) {
  return ask_string(runtime, value, "isupper");
}

bool filter(Runtime&, const Value& value, const Arguments&) {
  return value.is_string() && has_filter(value.string());
}
bool test(Runtime&, const Value& value, const Arguments&) {
  return value.is_string() && has_test(value.string());
}
bool in(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return contains(runtime, only_argument(arguments), value);
}
bool eq(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return equal(runtime, value, only_argument(arguments));
}
bool ne(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return !equal(runtime, value, only_argument(arguments));
}
bool lt(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return ordered(runtime, value, only_argument(arguments), "<");
}
bool le(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return ordered(runtime, value, only_argument(arguments), "<=");
}
bool gt(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return ordered(runtime, value, only_argument(arguments), ">");
}
bool ge(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return ordered(runtime, value, only_argument(arguments), ">=");
}

struct Entry {
  Test test;
  bool takes_argument;
};

const std::map<std::string, Entry, std::less<>>& tests() {
  static const std::map<std::string, Entry, std::less<>> table = {
      {"odd", {odd, false}},
      {"even", {even, false}},
      {"divisibleby", {divisible_by, true}},
      {"defined", {defined, false}},
      {"undefined", {undefined, false}},
      {"filter", {filter, false}},
      {"test", {test, false}},
      {"none", {none, false}},
      {"boolean", {boolean, false}},
      {"false", {is_false, false}},
      {"true", {is_true, false}},
      {"integer", {integer, false}},
      {"float", {is_float, false}},
      {"lower", {lower, false}},
      {"upper", {upper, false}},
      {"string", {string, false}},
      {"mapping", {mapping, false}},
      {"number", {number, false}},
      {"sequence", {sequence, false}},
      {"iterable", {iterable, false}},
      {"callable", {callable, false}},
      {"sameas", {same_as, true}},
      {"escaped", {escaped, false}},
      {"in", {in, true}},
      {"==", {eq, true}},
      {"eq", {eq, true}},
      {"equalto", {eq, true}},
      {"!=", {ne, true}},
      {"ne", {ne, true}},
      {">", {gt, true}},
      {"gt", {gt, true}},
      {"greaterthan", {gt, true}},
      {">=", {ge, true}},
      {"ge", {ge, true}},
      {"<", {lt, true}},
      {"lt", {lt, true}},
      {"lessthan", {lt, true}},
      {"<=", {le, true}},
      {"le", {le, true}},
  };
  return table;
}

}  // namespace

bool apply_test(Runtime& runtime, const std::string& name, const Value& value,
                const Arguments& arguments) {
  const auto found = tests().find(name);
  if (found == tests().end()) fail(ErrorCode::kInvalidArgument, "no test named '", name, "'");
  if (!found->second.takes_argument && !(arguments.positional.empty() && arguments.keyword.empty()))
    fail(ErrorCode::kInvalidArgument, "the test '", name, "' takes no argument");
  return found->second.test(runtime, value, arguments);
}

bool has_test(std::string_view name) { return tests().find(name) != tests().end(); }

}  // namespace gemma3n::jinja
