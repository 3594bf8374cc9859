#include "processors/jinja/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

// Builds values from the parser's events; unlike a tree this sees repeated keys.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(Runtime& runtime, std::string_view what, ErrorCode code, BigIntegers big_integers)
      : runtime_(runtime), what_(what), code_(code), big_integers_(big_integers) {}

  bool null() override { return add(Value()); }
  bool boolean(bool value) override { return add(Value(value)); }
  bool number_integer(number_integer_t value) override { return add(Value(std::int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= INT64_MAX) return add(Value(static_cast<std::int64_t>(value)));
    if (big_integers_ == BigIntegers::kAsFloat) return add(Value(static_cast<double>(value)));
    fail(code_, what_, ": the integer ", value, " does not fit 64 bits");
  }
  bool number_float(number_float_t value, const string_t& digits) override {
    if (big_integers_ == BigIntegers::kRefuse && digits.find_first_of(".eE") == string_t::npos)
      fail(code_, what_, ": the integer ", digits.substr(0, 40), " does not fit 64 bits");
    return add(Value(double{value}));
  }
  bool string(string_t& value) override { return add(make_string(runtime_, std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(make_dict(runtime_)); }
  bool start_array(std::size_t) override { return open(make_list(runtime_, {})); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    const auto& dict = open_.back().as<Dict>();
    if (dict.find(std::string_view(name)))
      fail(code_, what_, ": the key ", quoted(name.substr(0, 40)), " occurs twice in one object");
    keys_.back() = make_string(runtime_, name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(code_, what_, ": not valid JSON at byte ", position);
  }

  Value take() { return std::move(root_); }

 private:
  bool open(Value container) {
    if (open_.size() >= kMaxDataDepth) fail(code_, what_, ": nested deeper than ", kMaxDataDepth);
    open_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    Value done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return add(std::move(done));
  }

  bool add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is(Type::kDict)) {
      set_entry(runtime_, open_.back(), keys_.back(), std::move(value));
    } else {
      auto& list = open_.back().as<List>();
      list.items.push_back(std::move(value));
      runtime_.charge(list, sizeof(Value));
    }
    return true;
  }

  Runtime& runtime_;
  std::string_view what_;
  ErrorCode code_;
  BigIntegers big_integers_;
  std::vector<Value> open_;
  std::vector<Value> keys_;  // the current key of each open object
  Value root_;
};

// ---- writing, as json.dumps does

class Writer {
 public:
  Writer(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  std::string run(const Value& value) {
    write(value, 0);
    return std::move(out_);
  }

 private:
  void write(const Value& value, int depth) {
    if (depth > kMaxDataDepth)
      fail(ErrorCode::kInvalidArgument, "tojson: a value is nested deeper than ", kMaxDataDepth);
    runtime_.spend(1);
    runtime_.reserve(out_.size());
    switch (value.type()) {
      case Type::kNone:
        out_ += "null";
        return;
      case Type::kBool:
        out_ += value.boolean() ? "true" : "false";
        return;
      case Type::kInt:
        out_ += std::to_string(value.integer());
        return;
      case Type::kFloat:
        out_ += number_text(value.number());
        return;
      case Type::kString:
        write_string(value.string());
        return;
      case Type::kList:
        write_array(value.as<List>().items, depth);
        return;
      case Type::kTuple:
        write_array(value.as<Tuple>().items, depth);
        return;
      case Type::kDict:
        write_object(value.as<Dict>(), depth);
        return;
      default:
        fail(ErrorCode::kInvalidArgument, "Object of type ", type_name(value),
             " is not JSON serializable");
    }
  }

  static std::string number_text(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
    return float_text(number);
  }

  void new_line(int depth) {
    if (!style_.indent) return;
    out_ += '\n';
    runtime_.reserve_product(static_cast<std::size_t>(depth), style_.indent->size());
    for (int i = 0; i < depth; ++i) out_ += *style_.indent;
  }

  void write_array(const Values& items, int depth) {
    out_ += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(depth + 1);
      write(items[i], depth + 1);
    }
    if (!items.empty()) new_line(depth);
    out_ += ']';
  }

  void write_object(const Dict& dict, int depth) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
        return ordered(runtime_, a->first, b->first, "<");
      });
    out_ += '{';
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(depth + 1);
      write_key(entries[i]->first);
      out_ += style_.key_separator;
      write(entries[i]->second, depth + 1);
    }
    if (!entries.empty()) new_line(depth);
    out_ += '}';
  }

  void write_key(const Value& key) {
    switch (key.type()) {
      case Type::kString:
        write_string(key.string());
        return;
      case Type::kNone:
        out_ += "\"null\"";
        return;
      case Type::kBool:
        out_ += key.boolean() ? "\"true\"" : "\"false\"";
        return;
      case Type::kInt:
        out_ += '"' + std::to_string(key.integer()) + '"';
        return;
      case Type::kFloat:
        out_ += '"' + number_text(key.number()) + '"';
        return;
      default:
        fail(ErrorCode::kInvalidArgument, "keys must be str, int, float, bool or None, not ",
             type_name(key));
    }
  }

  void append_unit(unsigned unit) {
    static constexpr char kHex[] = "0123456789abcdef";
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += kHex[(unit >> shift) & 15];
  }

  void write_character(char32_t c) {
    switch (c) {
      case '"':
        out_ += "\\\"";
        return;
      case '\\':
        out_ += "\\\\";
        return;
      case '\b':
        out_ += "\\b";
        return;
      case '\f':
        out_ += "\\f";
        return;
      case '\n':
        out_ += "\\n";
        return;
      case '\r':
        out_ += "\\r";
        return;
      case '\t':
        out_ += "\\t";
        return;
      default:
        break;
    }
    if (c < 0x20 || (style_.ensure_ascii && c >= 0x7F && c < 0x10000)) {
      append_unit(static_cast<unsigned>(c));
    } else if (style_.ensure_ascii && c >= 0x10000) {
      append_unit(0xD800 + static_cast<unsigned>((c - 0x10000) >> 10));
      append_unit(0xDC00 + static_cast<unsigned>((c - 0x10000) & 0x3FF));
    } else {
      append_utf8(out_, c);
    }
  }

  void write_string(const std::string& text) {
    runtime_.spend_bytes(8 * text.size());
    out_ += '"';
    for (std::size_t i = 0; i < text.size();) write_character(next_code_point(text, i));
    out_ += '"';
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

Value parse_json(Runtime& runtime, std::string_view text, std::string_view what, ErrorCode code,
                 BigIntegers big_integers) {
  Builder builder(runtime, what, code, big_integers);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

std::string to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  return Writer(runtime, style).run(value);
}

}  // namespace gemma3n::jinja
