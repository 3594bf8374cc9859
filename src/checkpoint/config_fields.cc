#include "checkpoint/config_fields.h"

#include <algorithm>
#include <cmath>

#include "checkpoint/printable.h"

namespace gemma3n {
namespace {

bool assign(const Json& json, std::int64_t& field) {
  const auto* value = get_if<std::int64_t>(json);
  if (value != nullptr) field = *value;
  return value != nullptr;
}

bool assign(const Json& json, double& field) {
  if (const auto* integer = get_if<std::int64_t>(json)) {
    field = static_cast<double>(*integer);
    return true;
  }
  const auto* value = get_if<double>(json);
  if (value != nullptr) field = *value;
  return value != nullptr;
}

template <typename T>
bool assign(const Json& json, std::vector<T>& field) {
  const auto* array = get_if<Json::Array>(json);
  if (array == nullptr) return false;
  std::vector<T> items(array->size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!assign((*array)[i], items[i])) return false;
  }
  field = std::move(items);
  return true;
}

template <typename T>
Json json_of(const T& value) {
  return {value};
}
template <typename T>
Json json_of(const std::vector<T>& values) {
  Json::Array array;
  for (const auto& value : values) array.push_back(json_of(value));
  return {std::move(array)};
}
template <typename T>
Json json_of(const std::optional<T>& value) {
  return value ? Json{*value} : Json{nullptr};
}

}  // namespace

std::optional<Json> FieldReader::take(std::string_view key) {
  const auto member = std::ranges::find(object_, key, &JsonMember::key);
  if (member == object_.end()) return std::nullopt;
  Json value = std::move(member->value);
  object_.erase(member);
  return value;
}

Json::Object FieldReader::take_object(std::string_view key) {
  auto json = take(key);
  if (!json || is_null(*json)) return {};
  if (auto* object = std::get_if<Json::Object>(&json->value)) return std::move(*object);
  refuse(key, "an object", *json);
}

void FieldReader::refuse(std::string_view key, std::string_view expected, const Json& got) const {
  fail(ErrorCode::kInvalidArgument, path_, printable(key), ": expected ", expected, ", got ",
       quoted(got));
}

void FieldReader::operator()(std::string_view key, std::int64_t& field) {
  const auto json = take(key);
  if (json && !assign(*json, field)) refuse(key, "an integer", *json);
}

void FieldReader::operator()(std::string_view key, double& field) {
  const auto json = take(key);
  if (json && !assign(*json, field)) refuse(key, "a number", *json);
}

void FieldReader::operator()(std::string_view key, bool& field) {
  const auto json = take(key);
  if (!json) return;
  const auto* value = get_if<bool>(*json);
  if (value == nullptr) refuse(key, "true or false", *json);
  field = *value;
}

void FieldReader::operator()(std::string_view key, std::string& field) {
  const auto json = take(key);
  if (!json) return;
  const auto* value = get_if<std::string>(*json);
  if (value == nullptr) refuse(key, "a string", *json);
  field = *value;
}

void FieldReader::operator()(std::string_view key, std::optional<std::int64_t>& field) {
  const auto json = take(key);
  if (!json) return;
  field.reset();
  if (!is_null(*json) && !assign(*json, field.emplace())) refuse(key, "an integer or null", *json);
}

void FieldReader::operator()(std::string_view key, std::optional<double>& field) {
  const auto json = take(key);
  if (!json) return;
  field.reset();
  if (!is_null(*json) && !assign(*json, field.emplace())) refuse(key, "a number or null", *json);
}

void FieldReader::operator()(std::string_view key, std::vector<std::int64_t>& field) {
  const auto json = take(key);
  if (json && !assign(*json, field)) refuse(key, "a list of integers", *json);
}

void FieldReader::operator()(std::string_view key, std::vector<double>& field) {
  const auto json = take(key);
  if (json && !assign(*json, field)) refuse(key, "a list of numbers", *json);
}

void FieldReader::operator()(std::string_view key, std::vector<std::vector<std::int64_t>>& field) {
  const auto json = take(key);
  if (json && !assign(*json, field)) refuse(key, "a list of lists of integers", *json);
}

void FieldWriter::operator()(std::string_view key, const std::optional<std::int64_t>& field) {
  put(key, json_of(field));
}
void FieldWriter::operator()(std::string_view key, const std::optional<double>& field) {
  put(key, json_of(field));
}
void FieldWriter::operator()(std::string_view key, const std::vector<std::int64_t>& field) {
  put(key, json_of(field));
}
void FieldWriter::operator()(std::string_view key, const std::vector<double>& field) {
  put(key, json_of(field));
}
void FieldWriter::operator()(std::string_view key,
                             const std::vector<std::vector<std::int64_t>>& field) {
  put(key, json_of(field));
}

void FieldWriter::put_extra(const std::string& extra_json) {
  for (auto& member : parse_json_object(extra_json)) {
    if (find(object_, member.key) == nullptr) object_.push_back(std::move(member));
  }
}

void read_token_ids(FieldReader& reader, std::string_view key, std::vector<std::int64_t>& ids) {
  const auto json = reader.take(key);
  if (!json) return;
  std::int64_t id = 0;
  if (is_null(*json)) {
    ids.clear();
  } else if (assign(*json, id)) {
    ids = {id};
  } else if (!assign(*json, ids)) {
    reader.refuse(key, "an integer, a list of integers or null", *json);
  }
}

void write_token_ids(FieldWriter& writer, std::string_view key,
                     const std::vector<std::int64_t>& ids) {
  if (ids.empty()) {
    writer.put(key, {nullptr});
  } else if (ids.size() == 1) {
    writer(key, ids.front());
  } else {
    writer(key, ids);
  }
}

void expect_range(std::string_view name, std::int64_t value, std::int64_t lowest,
                  std::int64_t highest) {
  if (value >= lowest && value <= highest) return;
  fail(ErrorCode::kInvalidArgument, name, ": expected ", lowest, " to ", highest, ", got ", value);
}

void expect_range(std::string_view name, double value, double lowest, double highest) {
  if (std::isfinite(value) && value >= lowest && value <= highest) return;
  fail(ErrorCode::kInvalidArgument, name, ": expected a number from ", lowest, " to ", highest,
       ", got ", value);
}

void expect_above(std::string_view name, double value, double bound) {
  if (std::isfinite(value) && value > bound) return;
  fail(ErrorCode::kInvalidArgument, name, ": expected a finite number above ", bound, ", got ",
       value);
}

}  // namespace gemma3n
