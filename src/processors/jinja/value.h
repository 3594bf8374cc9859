// What a template computes with: Python's None, bool, int, float, str, list, tuple, dict and the
// few objects Jinja adds, as the template language sees them. Values live only inside one Runtime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "processors/jinja/runtime.h"

namespace gemma3n::jinja {

class Value {
 public:
  Value() = default;  // None
  Value(bool value) : type_(Type::kBool) { scalar_.boolean = value; }
  Value(std::int64_t value) : type_(Type::kInt) { scalar_.integer = value; }
  Value(double value) : type_(Type::kFloat) { scalar_.number = value; }
  Value(ObjectRef object) : type_(object->type()), object_(std::move(object)) {}

  Type type() const { return type_; }
  bool is(Type wanted) const { return type_ == wanted; }
  bool is_none() const { return is(Type::kNone); }
  bool is_undefined() const { return is(Type::kUndefined); }
  bool is_string() const { return is(Type::kString); }
  bool is_integral() const { return is(Type::kInt) || is(Type::kBool); }
  bool is_number() const { return is_integral() || is(Type::kFloat); }

  // The caller has looked at type().
  bool boolean() const { return scalar_.boolean; }
  std::int64_t integer() const { return is(Type::kBool) ? scalar_.boolean : scalar_.integer; }
  double number() const {
    return is(Type::kFloat) ? scalar_.number : static_cast<double>(integer());
  }
  const std::string& string() const;
  const ObjectRef& object() const { return object_; }
  template <typename T>
  T& as() const {
    return static_cast<T&>(*object_);
  }

 private:
  union Scalar {
    std::int64_t integer = 0;
    bool boolean;
    double number;
  };
  Type type_ = Type::kNone;
  Scalar scalar_;
  ObjectRef object_;
};

using Values = std::vector<Value>;

// The arguments of one call.
struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

struct String : Object {
  explicit String(std::string value, bool markup = false)
      : Object(Type::kString), text(std::move(value)), is_markup(markup) {}
  std::string text;  // UTF-8; indices in templates count code points
  bool is_markup;    // made by |safe or |escape
};

struct List : Object {
  explicit List(Values values) : Object(Type::kList), items(std::move(values)) {}
  void clear() override { items.clear(); }
  Values items;
};

struct Tuple : Object {
  explicit Tuple(Values values, bool group = false)
      : Object(Type::kTuple), items(std::move(values)), is_group(group) {}
  void clear() override { items.clear(); }
  Values items;
  bool is_group;  // of |groupby: has .grouper and .list
};

// Insertion-ordered, with Python's key equality (1 == 1.0 == True).
struct Dict : Object {
  Dict() : Object(Type::kDict) {}
  void clear() override { entries.clear(), index.clear(); }
  const Value* find(const Value& key) const;  // null if absent
  const Value* find(std::string_view key) const;
  void set(const Value& key, Value value);
  std::vector<std::pair<Value, Value>> entries;
  std::unordered_map<std::string, std::size_t> index;  // hash_key(key) -> position in entries
};

struct DictView : Object {
  enum class Kind { kKeys, kValues, kItems };
  DictView(Value viewed, Kind what)
      : Object(Type::kDictView), dict(std::move(viewed)), kind(what) {}
  void clear() override { dict = Value(); }
  Value dict;
  Kind kind;
};

inline constexpr std::int64_t kMaxRangeEnd = 1'000'000'000'000'000;  // sizes cannot overflow

struct Range : Object {
  Range(std::int64_t first, std::int64_t end, std::int64_t by)
      : Object(Type::kRange), start(first), stop(end), step(by) {}
  std::int64_t size() const;
  std::int64_t start, stop, step;
};

// A generator: gives each item once, computing it when asked.
struct Iterator : Object {
  using Next = std::function<bool(Value& item)>;  // false at the end
  explicit Iterator(Next function) : Object(Type::kIterator), next(std::move(function)) {}
  void clear() override { next = nullptr; }
  Next next;
};

struct Undefined : Object {
  explicit Undefined(std::string why) : Object(Type::kUndefined), message(std::move(why)) {}
  std::string message;  // of the error that any use but printing and testing gives
};

struct Namespace : Object {
  explicit Namespace(Value initial) : Object(Type::kNamespace), attributes(std::move(initial)) {}
  void clear() override { attributes = Value(); }
  Value attributes;  // a Dict of its own
};

// A built-in function or a bound method.
struct Function : Object {
  using Call = std::function<Value(Runtime&, const Arguments&)>;
  Function(std::string what, Call function)
      : Object(Type::kFunction), name(std::move(what)), call(std::move(function)) {}
  void clear() override { call = nullptr; }
  std::string name;
  Call call;
};

// A macro or a `loop`: what interpreter.cc defines.
struct Dynamic : Object {
  using Object::Object;
  virtual std::optional<Value> attribute(Runtime& runtime, const std::string& name) = 0;
  virtual Value call(Runtime& runtime, const Arguments& arguments) = 0;
  virtual std::string text(Runtime& runtime) = 0;
};

struct Cycler : Object {
  explicit Cycler(Values values) : Object(Type::kCycler), items(std::move(values)) {}
  void clear() override { items.clear(); }
  Values items;
  std::size_t position = 0;
};

struct Joiner : Object {
  explicit Joiner(Value between) : Object(Type::kJoiner), separator(std::move(between)) {}
  void clear() override { separator = Value(); }
  Value separator;
  bool used = false;
};

// Constructors that count their bytes.
Value make_string(Runtime& runtime, std::string text, bool is_markup = false);
Value make_list(Runtime& runtime, Values items);
Value make_tuple(Runtime& runtime, Values items);
Value make_dict(Runtime& runtime);
Value make_undefined(Runtime& runtime, std::string message);
Value make_function(Runtime& runtime, std::string name, Function::Call call);
Value make_iterator(Runtime& runtime, Iterator::Next next);
void set_entry(Runtime& runtime, Value& dict, const Value& key, Value value);

// Equal for keys that Python finds equal. Throws: kInvalidArgument for list, dict (unhashable).
std::string hash_key(const Value& key);

// Python's name of the type: "str", "int", "NoneType", ...
const char* type_name(const Value& value);

}  // namespace gemma3n::jinja
