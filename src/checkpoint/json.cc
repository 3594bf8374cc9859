#include "checkpoint/json.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "checkpoint/printable.h"

namespace gemma3n {
namespace {

namespace ondemand = simdjson::ondemand;

// Depth-first over the document; simdjson's On-Demand reader checks what it is asked for, so every
// value is asked for.
class TreeBuilder {
 public:
  explicit TreeBuilder(std::string_view text) : text_(text), parser_(text.size() + 1) {}

  Json::Object parse() {
    ondemand::document document;
    expect(parser_.iterate(text_).get(document));
    ondemand::object root;
    const auto error = document.get_object().get(root);
    if (error == simdjson::INCORRECT_TYPE) {
      fail(ErrorCode::kCorruptData, "expected a JSON object at the top");
    }
    expect(error);
    Json::Object object = read(root);
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
      fail(ErrorCode::kCorruptData, "text behind the end of the JSON object");
    }
    return object;
  }

 private:
  Json read(ondemand::value value) {
    ondemand::json_type type{};
    expect(value.type().get(type));
    switch (type) {
      case ondemand::json_type::object: {
        ondemand::object object;
        expect(value.get_object().get(object));
        return {read(object)};
      }
      case ondemand::json_type::array: {
        ondemand::array array;
        expect(value.get_array().get(array));
        return {read(array)};
      }
      case ondemand::json_type::string: {
        std::string_view text;
        expect(value.get_string().get(text));
        return {std::string(text)};
      }
      case ondemand::json_type::number:
        return read_number(value);
      case ondemand::json_type::boolean: {
        bool truth = false;
        if (value.get_bool().get(truth)) expect(simdjson::T_ATOM_ERROR);
        return {truth};
      }
      case ondemand::json_type::null: {
        bool is_null = false;
        if (value.is_null().get(is_null) || !is_null) expect(simdjson::N_ATOM_ERROR);
        return {nullptr};
      }
    }
    fail(ErrorCode::kInternal, "a JSON type without a name");
  }

  Json::Object read(ondemand::object& object) {
    enter();
    Json::Object members;
    for (auto item : object) {
      ondemand::field field;
      expect(std::move(item).get(field));
      std::string_view key;
      expect(field.unescaped_key().get(key));
      path_.emplace_back(key);
      Json value = read(field.value());
      members.push_back({std::move(path_.back()), std::move(value)});
      path_.pop_back();
    }
    refuse_duplicates(members);
    --depth_;
    return members;
  }

  Json::Array read(ondemand::array& array) {
    enter();
    Json::Array items;
    for (auto item : array) {
      ondemand::value value;
      expect(std::move(item).get(value));
      items.push_back(read(value));
    }
    --depth_;
    return items;
  }

  Json read_number(ondemand::value value) {
    ondemand::number number;
    expect(value.get_number().get(number));
    if (number.is_int64()) return {number.get_int64()};
    if (number.is_uint64()) expect(simdjson::NUMBER_OUT_OF_RANGE);
    return {number.get_double()};
  }

  void refuse_duplicates(const Json::Object& members) {
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const auto& member : members) keys.push_back(member.key);
    std::ranges::sort(keys);
    const auto twin = std::ranges::adjacent_find(keys);
    if (twin == keys.end()) return;
    path_.emplace_back(*twin);
    fail(ErrorCode::kCorruptData, where(), "the key is given twice");
  }

  void enter() {
    if (++depth_ > kMaxJsonDepth) {
      fail(ErrorCode::kCorruptData, where(), "nested more than ", kMaxJsonDepth, " deep");
    }
  }

  std::string where() const {
    std::string path;
    for (const auto& key : path_) path.append(path.empty() ? "" : ".").append(key);
    return path.empty() ? "" : printable(path) + ": ";
  }

  void expect(simdjson::error_code error) const {
    if (error != simdjson::SUCCESS) {
      fail(ErrorCode::kCorruptData, where(), "not valid JSON: ", json_error_text(error));
    }
  }

  simdjson::padded_string text_;
  ondemand::parser parser_;
  std::vector<std::string> path_;  // keys from the top to the value being read
  int depth_ = 0;
};

void append_string(std::string& out, std::string_view text) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  out += '"';
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      out.append(1, '\\').append(1, character);
    } else if (byte < 0x20) {
      out.append("\\u00").append(1, kHexDigits[byte >> 4]).append(1, kHexDigits[byte & 15]);
    } else {
      out += character;
    }
  }
  out += '"';
}

void append_double(std::string& out, double number) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  const std::string_view digits(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  out += digits;
  if (digits.find_first_of(".en") == std::string_view::npos) out += ".0";
}

void append(std::string& out, const Json& json);

void append(std::string& out, const Json::Object& object) {
  out += '{';
  for (const auto& [key, value] : object) {
    if (out.back() != '{') out += ", ";
    append_string(out, key);
    out += ": ";
    append(out, value);
  }
  out += '}';
}

void append(std::string& out, const Json::Array& array) {
  out += '[';
  for (const auto& item : array) {
    if (&item != array.data()) out += ", ";
    append(out, item);
  }
  out += ']';
}

void append(std::string& out, const Json& json) {
  if (const auto* truth = get_if<bool>(json)) {
    out += *truth ? "true" : "false";
  } else if (const auto* integer = get_if<std::int64_t>(json)) {
    out += std::to_string(*integer);
  } else if (const auto* number = get_if<double>(json)) {
    append_double(out, *number);
  } else if (const auto* text = get_if<std::string>(json)) {
    append_string(out, *text);
  } else if (const auto* array = get_if<Json::Array>(json)) {
    append(out, *array);
  } else if (const auto* object = get_if<Json::Object>(json)) {
    append(out, *object);
  } else {
    out += "null";
  }
}

}  // namespace

const Json* find(const Json::Object& object, std::string_view key) {
  const auto member = std::ranges::find(object, key, &JsonMember::key);
  return member == object.end() ? nullptr : &member->value;
}

Json::Object parse_json_object(std::string_view text) { return TreeBuilder(text).parse(); }

std::string to_text(const Json& json) {
  std::string out;
  append(out, json);
  return out;
}

std::string to_text(const Json::Object& object) {
  std::string out;
  append(out, object);
  return out;
}

std::string_view kind_name(const Json& json) {
  constexpr std::string_view kNames[] = {"null",     "a boolean", "an integer", "a number",
                                         "a string", "a list",    "an object"};
  return kNames[json.value.index()];
}

std::string quoted(const Json& json) { return printable(to_text(json)); }

std::string_view json_error_text(int simdjson_error_code) {
  switch (simdjson_error_code) {
    case simdjson::UTF8_ERROR:
      return "not UTF-8";
    case simdjson::EMPTY:
      return "no text";
    case simdjson::STRING_ERROR:
      return "a broken escape in a string";
    case simdjson::UNESCAPED_CHARS:
      return "a control character in a string";
    case simdjson::UNCLOSED_STRING:
      return "a string without end";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return "a word other than true, false and null";
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE:
      return "not a number of JSON, or beyond 64 bits";
    case simdjson::INCORRECT_TYPE:
      return "a value of another type than expected";
    default:
      return "commas, colons, quotes or brackets do not match";
  }
}

}  // namespace gemma3n
