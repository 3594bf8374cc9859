// Writes one JSON text, member by member, in the order of the calls.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gemma3n::cli {

// A JSON string literal, quotes included. Bytes that are not UTF-8 become U+FFFD, because a file
// name may hold any byte and JSON may not.
std::string json_quoted(std::string_view text);

// Balanced calls are the caller's duty; commas are the writer's.
class Json {
 public:
  Json& begin_object() { return open('{'); }
  Json& end_object() { return close('}'); }
  Json& begin_array() { return open('['); }
  Json& end_array() { return close(']'); }
  Json& key(std::string_view name);

  Json& value(std::string_view text) { return raw(json_quoted(text)); }
  Json& value(const char* text) { return value(std::string_view(text)); }
  Json& value(bool flag) { return raw(flag ? "true" : "false"); }
  Json& value(double number);  // null if not finite
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) Json& value(Integer number) {
    return raw(std::to_string(number));
  }
  template <typename Element>
  Json& value(std::span<const Element> elements) {
    begin_array();
    for (const auto& element : elements) value(element);
    return end_array();
  }

  template <typename Value>
  Json& member(std::string_view name, const Value& content) {
    return key(name).value(content);
  }

  const std::string& text() const { return text_; }

 private:
  Json& open(char bracket);
  Json& close(char bracket);
  Json& raw(std::string_view literal);
  void separate();

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace gemma3n::cli
