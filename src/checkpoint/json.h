// JSON documents from outside as a tree, read strictly: what two readers could understand
// differently (a key given twice, bytes that are not UTF-8, numbers beyond 64 bits) is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

struct JsonMember;

struct Json {
  using Array = std::vector<Json>;
  using Object = std::vector<JsonMember>;  // in the order of the text; keys are unique

  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value;
};

struct JsonMember {
  std::string key;
  Json value;
};

// The value if it is a T, else null.
template <typename T>
const T* get_if(const Json& json) {
  return std::get_if<T>(&json.value);
}
inline bool is_null(const Json& json) { return json.value.index() == 0; }

// The member of that name, or null. Linear in the number of members.
const Json* find(const Json::Object& object, std::string_view key);

// Parses a document that must be an object, nested at most kMaxJsonDepth deep.
// Memory: up to 60 times the text.
// Throws: kCorruptData, starting with the path of the offending value ("text_config.rope_theta").
inline constexpr int kMaxJsonDepth = 64;
Json::Object parse_json_object(std::string_view text);

// The shortest text that parses to the same tree; a double keeps its point or exponent.
std::string to_text(const Json& json);
std::string to_text(const Json::Object& object);

// What kind of value it is, for messages: "a string", "null", ...
std::string_view kind_name(const Json& json);
// A value in a message: its text, cut to a readable length.
std::string quoted(const Json& json);
// What an error code of simdjson means.
std::string_view json_error_text(int simdjson_error_code);

}  // namespace gemma3n
