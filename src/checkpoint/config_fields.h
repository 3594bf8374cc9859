// Moves the fields of the config structs out of and into JSON objects. Each struct lists its fields
// once, in a function   template <typename Visitor> void visit_fields(Visitor&, Config&)   that
// both directions run through.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/json.h"

namespace gemma3n {

// Takes fields out of an object; absent keys leave the field as it is. Types are as strict as HF's:
// 48.0 is no integer, 1 is no boolean; but an integer is taken where a real number is expected.
// Throws: kInvalidArgument "<path><key>: expected an integer, got 48.0".
class FieldReader {
 public:
  // `path` stands before each key in messages: "text_config." or "".
  FieldReader(Json::Object object, std::string path)
      : object_(std::move(object)), path_(std::move(path)) {}

  void operator()(std::string_view key, std::int64_t& field);
  void operator()(std::string_view key, double& field);  // finite, as JSON has no other
  void operator()(std::string_view key, bool& field);
  void operator()(std::string_view key, std::string& field);
  void operator()(std::string_view key, std::optional<std::int64_t>& field);  // or null
  void operator()(std::string_view key, std::optional<double>& field);        // or null
  void operator()(std::string_view key, std::vector<std::int64_t>& field);
  void operator()(std::string_view key, std::vector<double>& field);
  void operator()(std::string_view key, std::vector<std::vector<std::int64_t>>& field);

  // Removes a member and returns it, for fields of other forms.
  std::optional<Json> take(std::string_view key);
  // The object of that key; empty if the key is absent or null.
  Json::Object take_object(std::string_view key);
  // The keys nobody asked for, as text.
  std::string extra_json() const { return to_text(object_); }

  [[noreturn]] void refuse(std::string_view key, std::string_view expected, const Json& got) const;
  const std::string& path() const { return path_; }

 private:
  Json::Object object_;
  std::string path_;
};

// Appends fields to an object.
class FieldWriter {
 public:
  void operator()(std::string_view key, std::int64_t field) { put(key, {field}); }
  void operator()(std::string_view key, double field) { put(key, {field}); }
  void operator()(std::string_view key, bool field) { put(key, {field}); }
  void operator()(std::string_view key, const std::string& field) { put(key, {field}); }
  void operator()(std::string_view key, const std::optional<std::int64_t>& field);
  void operator()(std::string_view key, const std::optional<double>& field);
  void operator()(std::string_view key, const std::vector<std::int64_t>& field);
  void operator()(std::string_view key, const std::vector<double>& field);
  void operator()(std::string_view key, const std::vector<std::vector<std::int64_t>>& field);

  void put(std::string_view key, Json value) {
    object_.push_back({std::string(key), std::move(value)});
  }
  // The members of `extra_json` whose keys are not there yet.
  void put_extra(const std::string& extra_json);
  Json::Object take() { return std::move(object_); }

 private:
  Json::Object object_;
};

// "integer or list of integers", HF's form of eos_token_id: null and [] are no ids.
void read_token_ids(FieldReader& reader, std::string_view key, std::vector<std::int64_t>& ids);
void write_token_ids(FieldWriter& writer, std::string_view key,
                     const std::vector<std::int64_t>& ids);

// Throw kInvalidArgument "<name>: expected lowest to highest, got value" unless it is in the range;
// the second form also for values that are not finite.
void expect_range(std::string_view name, std::int64_t value, std::int64_t lowest,
                  std::int64_t highest);
void expect_range(std::string_view name, double value, double lowest, double highest);
// The same for a value above `bound`.
void expect_above(std::string_view name, double value, double bound);

inline constexpr std::size_t kMaxConfigBytes = 512u << 10;  // Gemma 3n's has 5 KiB

}  // namespace gemma3n
