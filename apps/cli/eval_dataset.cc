#include "eval_dataset.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "file.h"
#include "gemma3n/error.h"
#include "input.h"

namespace gemma3n::cli {
namespace {

using Value = nlohmann::json;

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxMessages = 10000;

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kCorruptData, parts...);
}

Value parse_object(std::string_view line) {
  const auto check_depth = [](int depth, Value::parse_event_t, Value&) {
    if (depth > kMaxDepth) refuse("expected at most ", kMaxDepth, " levels of JSON, got more");
    return true;
  };
  Value value;
  try {
    value = Value::parse(line, check_depth);
  } catch (const Value::parse_error& error) {
    refuse("expected a JSON object, got what is no JSON at byte ", error.byte);
  } catch (const Value::exception&) {
    refuse("expected a JSON object, got a number that is out of range");
  }
  if (!value.is_object()) refuse("expected a JSON object, got ", value.type_name());
  return value;
}

// Null if there is none, or if it is null.
const Value* find(const Value& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// The first of `keys` that is there.
struct Found {
  std::string_view key = {};
  const Value* value = nullptr;
};
Found find_first(const Value& object, std::initializer_list<std::string_view> keys) {
  for (const auto key : keys) {
    if (const Value* value = find(object, key)) return {key, value};
  }
  return {};
}

std::string text_of(const Value& value, std::string_view key) {
  if (!value.is_string()) {
    refuse("\"", key, "\": expected a string, got ", value.type_name());
  }
  return value.get<std::string>();
}

std::string optional_text(const Value& object, std::string_view key) {
  const Value* value = find(object, key);
  return value != nullptr ? text_of(*value, key) : "";
}

// "cat.jpg", or {"path": "cat.jpg"}.
std::string source_of(const Value& value, std::string_view key) {
  const Value* path = value.is_object() ? find(value, "path") : &value;
  if (path == nullptr || !path->is_string()) {
    refuse("\"", key, "\": expected a path or a URL, or {\"path\": ...}");
  }
  const auto source = path->get<std::string>();
  if (source.empty() || source.find('\0') != std::string::npos) {
    refuse("\"", key, "\": expected a path or a URL, got '", source.substr(0, source.find('\0')),
           "'");
  }
  return source;
}

EvalPart parse_part(const Value& value) {
  if (!value.is_object())
    refuse("\"content\": expected objects in the list, got ", value.type_name());
  const std::string type = optional_text(value, "type");
  if (type == "text") {
    const Value* text = find(value, "text");
    if (text == nullptr) refuse("\"content\": expected a \"text\" beside \"type\": \"text\"");
    return {Part::Kind::kText, text_of(*text, "text")};
  }
  if (type != "image" && type != "audio") {
    refuse("\"type\": expected text, image or audio, got '", type, "'");
  }
  const auto source = find_first(value, {"path", "url", type});
  if (source.value == nullptr) {
    refuse("\"content\": expected a \"path\" or \"url\" beside \"type\": \"", type, "\"");
  }
  return {type == "image" ? Part::Kind::kImage : Part::Kind::kAudio,
          source_of(*source.value, source.key)};
}

EvalMessage parse_message(const Value& value) {
  if (!value.is_object())
    refuse("\"messages\": expected objects in the list, got ", value.type_name());
  EvalMessage message;
  message.role = optional_text(value, "role");
  if (message.role.empty()) refuse("\"messages\": expected a \"role\" in each message");
  const Value* content = find(value, "content");
  if (content != nullptr && content->is_string()) {
    message.parts.push_back({Part::Kind::kText, content->get<std::string>()});
  } else if (content != nullptr && content->is_array()) {
    for (const auto& part : *content) message.parts.push_back(parse_part(part));
  } else {
    refuse("\"content\": expected a string or a list of parts");
  }
  return message;
}

std::vector<EvalMessage> parse_messages(const Value& value) {
  if (!value.is_array() || value.empty()) refuse("\"messages\": expected a list of messages");
  if (value.size() > kMaxMessages) {
    refuse("\"messages\": expected at most ", kMaxMessages, ", got ", value.size());
  }
  std::vector<EvalMessage> messages;
  for (const auto& message : value) messages.push_back(parse_message(message));
  if (messages.back().role != "user") {
    refuse("\"messages\": expected the last to be a user's, got role '", messages.back().role, "'");
  }
  return messages;
}

std::vector<std::string> parse_expected(const Found& found) {
  std::vector<std::string> expected;
  if (found.value->is_array()) {
    for (const auto& text : *found.value) expected.push_back(text_of(text, found.key));
  } else if (found.value->is_string()) {
    expected.push_back(found.value->get<std::string>());
  } else {
    refuse("\"", found.key, "\": expected a string or a list of strings, got ",
           found.value->type_name());
  }
  const auto is_blank = [](const auto& text) { return without_surrounding_space(text).empty(); };
  if (expected.empty() || std::ranges::any_of(expected, is_blank)) {
    refuse("\"", found.key, "\": expected a text, got an empty one");
  }
  return expected;
}

struct Shape {
  std::vector<EvalMessage> messages;
  Found expected;
  Metric metric = Metric::kExact;
};

EvalMessage question(Part::Kind kind, std::string source, std::string text) {
  return {"user", {{kind, std::move(source)}, {Part::Kind::kText, std::move(text)}}};
}

Shape parse_shape(const Value& object, const DatasetOptions& options) {
  if (const Value* messages = find(object, "messages")) {
    const auto expected = find_first(object, {"expected"});
    if (expected.value == nullptr) refuse("expected \"expected\" beside \"messages\"");
    return {parse_messages(*messages), expected, Metric::kExact};
  }
  const Value* image = find(object, "image");
  const auto query = find_first(object, {"query", "question"});
  const auto label = find_first(object, {"label", "answer"});
  if (image != nullptr && query.value != nullptr && label.value != nullptr) {
    return {{question(Part::Kind::kImage, source_of(*image, "image"),
                      text_of(*query.value, query.key))},
            label,
            Metric::kRelaxed};
  }
  const Value* audio = find(object, "audio");
  const auto text = find_first(object, {"transcription", "raw_transcription", "text"});
  if (audio != nullptr && text.value != nullptr) {
    return {{question(Part::Kind::kAudio, source_of(*audio, "audio"), options.transcribe_prompt)},
            text,
            Metric::kWer};
  }
  refuse("expected \"messages\" and \"expected\", or \"image\", \"query\" and \"label\", or ",
         "\"audio\" and \"transcription\"");
}

Metric parse_metric(const std::string& name) {
  const auto metric = metric_named(name);
  if (!metric) refuse("\"metric\": expected ", kMetricNames, ", got '", name, "'");
  return *metric;
}

std::optional<std::int64_t> parse_max_tokens(const Value& object) {
  const Value* value = find(object, "max_tokens");
  if (value == nullptr) return {};
  const bool is_positive = value->is_number_integer() && *value >= 1 && *value <= INT32_MAX;
  if (!is_positive) refuse("\"max_tokens\": expected a whole number of at least 1");
  return value->get<std::int64_t>();
}

// A text or a whole number.
std::string parse_id(const Value& object) {
  const Value* value = find(object, "id");
  if (value == nullptr) return "";
  return value->is_number_integer() ? value->dump() : text_of(*value, "id");
}

}  // namespace

EvalItem parse_item(std::string_view line, const DatasetOptions& options) {
  const Value object = parse_object(line);
  auto shape = parse_shape(object, options);
  const std::string metric = optional_text(object, "metric");
  EvalItem item;
  item.id = parse_id(object);
  item.category = optional_text(object, "category");
  item.messages = std::move(shape.messages);
  item.expected = parse_expected(shape.expected);
  item.metric = metric.empty() ? options.metric.value_or(shape.metric) : parse_metric(metric);
  item.max_tokens = parse_max_tokens(object);
  return item;
}

std::vector<EvalItem> read_dataset(const std::filesystem::path& file,
                                   const DatasetOptions& options) {
  std::vector<EvalItem> items;
  for_each_line(file, [&](std::string_view line, std::size_t number, bool) {
    if (without_surrounding_space(line).empty()) return;
    try {
      items.push_back(parse_item(line, options));
    } catch (const Error& error) {
      fail(error.code(), file.string(), ":", number, ": ", error.what());
    }
    items.back().index = items.size() - 1;
    items.back().line = number;
  });
  if (items.empty()) refuse(file.string(), ": there is no item in it");
  return items;
}

std::vector<const EvalItem*> choose_items(const std::vector<EvalItem>& items,
                                          const std::vector<std::string>& categories,
                                          std::optional<std::int64_t> limit) {
  if (limit && *limit < 1) {
    fail(ErrorCode::kInvalidArgument, "--limit: expected 1 or more, got ", *limit);
  }
  const std::size_t most = limit ? static_cast<std::size_t>(*limit) : items.size();
  for (const auto& category : categories) {
    if (std::ranges::find(items, category, &EvalItem::category) == items.end()) {
      fail(ErrorCode::kInvalidArgument, "--category: no item has the category '", category, "'");
    }
  }
  std::vector<const EvalItem*> chosen;
  for (const auto& item : items) {
    if (chosen.size() == most) break;
    if (categories.empty() || std::ranges::count(categories, item.category) > 0) {
      chosen.push_back(&item);
    }
  }
  return chosen;
}

bool is_url(std::string_view source) {
  return source.starts_with("http:") || source.starts_with("https:") ||
         source.starts_with("data:") || source.find("://") != std::string_view::npos;
}

std::string media_source(const std::filesystem::path& folder, const std::string& written) {
  if (is_url(written)) return written;
  return ((folder.empty() ? "." : folder) / written).string();  // so "-" is no standard input
}

}  // namespace gemma3n::cli
