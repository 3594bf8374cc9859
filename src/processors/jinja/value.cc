#include "processors/jinja/value.h"

#include <charconv>
#include <cmath>

namespace gemma3n::jinja {
namespace {

constexpr std::size_t kEntryBytes = 160;  // a pair of values, its key again and its hash node

// Numbers that are equal have one text, whatever their type.
std::string number_key(const Value& key) {
  if (key.is_integral()) return "n" + std::to_string(key.integer());
  const double number = key.number();
  if (std::trunc(number) == number && std::abs(number) < 9.2e18)
    return "n" + std::to_string(static_cast<std::int64_t>(number));
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, std::chars_format::hex);
  return "f" + std::string(digits, end.ptr);
}

std::string hash_key(const Value& key, int depth) {
  if (depth > kMaxDataDepth)
    fail(ErrorCode::kInvalidArgument, "a key is nested deeper than ", kMaxDataDepth);
  switch (key.type()) {
    case Type::kNone:
      return "N";
    case Type::kBool:
    case Type::kInt:
    case Type::kFloat:
      return number_key(key);
    case Type::kString:
      return "s" + key.string();
    case Type::kUndefined:
      return "u";
    case Type::kTuple: {
      std::string all = "(";
      for (const Value& item : key.as<Tuple>().items) {
        const std::string one = hash_key(item, depth + 1);
        all += std::to_string(one.size()) + ":" + one;
      }
      return all;
    }
    case Type::kList:
    case Type::kDict:
      fail(ErrorCode::kInvalidArgument, "unhashable type: '", type_name(key), "'");
    default:
      return "o" + std::to_string(reinterpret_cast<std::uintptr_t>(key.object().get()));
  }
}

}  // namespace

const std::string& Value::string() const { return as<String>().text; }

const Value* Dict::find(const Value& key) const {
  const auto found = index.find(hash_key(key));
  return found == index.end() ? nullptr : &entries[found->second].second;
}

const Value* Dict::find(std::string_view key) const {
  const auto found = index.find("s" + std::string(key));
  return found == index.end() ? nullptr : &entries[found->second].second;
}

void Dict::set(const Value& key, Value value) {
  const auto [place, is_new] = index.try_emplace(hash_key(key), entries.size());
  if (is_new) {
    entries.emplace_back(key, std::move(value));
  } else {
    entries[place->second].second = std::move(value);
  }
}

std::int64_t Range::size() const {
  if (step > 0) return start >= stop ? 0 : (stop - start - 1) / step + 1;
  return start <= stop ? 0 : (start - stop - 1) / -step + 1;
}

Value make_string(Runtime& runtime, std::string text, bool is_markup) {
  const std::size_t size = text.size();
  runtime.spend_bytes(size);
  return Value(runtime.make<String>(size, std::move(text), is_markup));
}

Value make_list(Runtime& runtime, Values items) {
  const std::size_t size = items.size() * sizeof(Value);
  runtime.spend_bytes(size);
  return Value(runtime.make<List>(size, std::move(items)));
}

Value make_tuple(Runtime& runtime, Values items) {
  const std::size_t size = items.size() * sizeof(Value);
  runtime.spend_bytes(size);
  return Value(runtime.make<Tuple>(size, std::move(items)));
}

Value make_dict(Runtime& runtime) { return Value(runtime.make<Dict>(0)); }

Value make_undefined(Runtime& runtime, std::string message) {
  const std::size_t size = message.size();
  return Value(runtime.make<Undefined>(size, std::move(message)));
}

Value make_function(Runtime& runtime, std::string name, Function::Call call) {
  return Value(runtime.make<Function>(64, std::move(name), std::move(call)));
}

Value make_iterator(Runtime& runtime, Iterator::Next next) {
  return Value(runtime.make<Iterator>(64, std::move(next)));
}

void set_entry(Runtime& runtime, Value& dict, const Value& key, Value value) {
  auto& target = dict.as<Dict>();
  const std::size_t before = target.entries.size();
  target.set(key, std::move(value));
  const std::size_t key_bytes = key.is_string() ? key.string().size() : 0;
  runtime.spend_bytes(key_bytes);
  if (target.entries.size() > before) runtime.charge(target, kEntryBytes + key_bytes);
}

std::string hash_key(const Value& key) { return hash_key(key, 0); }

const char* type_name(const Value& value) {
  switch (value.type()) {
    case Type::kNone:
      return "NoneType";
    case Type::kBool:
      return "bool";
    case Type::kInt:
      return "int";
    case Type::kFloat:
      return "float";
    case Type::kString:
      return value.as<String>().is_markup ? "Markup" : "str";
    case Type::kList:
      return "list";
    case Type::kTuple:
      return "tuple";
    case Type::kDict:
      return "dict";
    case Type::kDictView: {
      const auto kind = value.as<DictView>().kind;
      return kind == DictView::Kind::kKeys     ? "dict_keys"
             : kind == DictView::Kind::kValues ? "dict_values"
                                               : "dict_items";
    }
    case Type::kRange:
      return "range";
    case Type::kIterator:
      return "generator";
    case Type::kUndefined:
      return "Undefined";
    case Type::kNamespace:
      return "Namespace";
    case Type::kFunction:
      return "function";
    case Type::kCycler:
      return "Cycler";
    case Type::kJoiner:
      return "Joiner";
    case Type::kMacro:
      return "Macro";
    case Type::kLoop:
      return "LoopContext";
    case Type::kFrame:
      break;
  }
  return "object";
}

}  // namespace gemma3n::jinja
