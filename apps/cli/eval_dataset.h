// Questions with their answers: the items of `gemma3n eval`, from a file of JSON lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval_metrics.h"
#include "gemma3n/chat.h"

namespace gemma3n::cli {

// As gemma3n::Part and Message, but media are where they can be loaded from.
struct EvalPart {
  Part::Kind kind = Part::Kind::kText;
  std::string text;  // or a path, as the line has it, or a URL
};

struct EvalMessage {
  std::string role;
  std::vector<EvalPart> parts;
};

struct EvalItem {
  std::size_t index = 0;  // in the file, from 0; empty lines do not count
  std::size_t line = 0;   // in the file, from 1
  std::string id, category;
  std::vector<EvalMessage> messages;  // the last is a user's
  std::vector<std::string> expected;  // any of them is right
  Metric metric = Metric::kExact;
  std::optional<std::int64_t> max_tokens;
};

// For what a line leaves open.
struct DatasetOptions {
  std::optional<Metric> metric = {};  // absent: the metric of the line's shape
  std::string transcribe_prompt = {};
};

// One line. Three shapes, known by their keys:
//  * {"messages": [{"role": ..., "content": "text" or [{"type": "text", "text": ...},
//    {"type": "image", "path" or "url" or "image": ...}, {"type": "audio", ...}]}, ...],
//    "expected": ...}                                                        exact
//  * {"image": ..., "query" or "question": ..., "label" or "answer": ...}    relaxed
//  * {"audio": ..., "transcription" or "raw_transcription" or "text": ...}   wer
// What is expected is a text or a list of accepted ones. "audio" and "image" are a path or URL, or
// {"path": ...}. Each may also have "category", "metric", "id", "max_tokens". Null is as if the key
// were absent; other keys are ignored.
// Throws: kCorruptData saying what was expected.
EvalItem parse_item(std::string_view line, const DatasetOptions& options);

// All lines but empty ones.
// Throws: kNotFound; kCorruptData, naming file and line, or if there is no item at all.
std::vector<EvalItem> read_dataset(const std::filesystem::path& file,
                                   const DatasetOptions& options);

// Those of the wanted categories (none: of all), the first `limit` of them.
// Throws: kInvalidArgument for a category without items, or a limit below 1.
std::vector<const EvalItem*> choose_items(const std::vector<EvalItem>& items,
                                          const std::vector<std::string>& categories,
                                          std::optional<std::int64_t> limit);

// What load_image and load_audio take for the medium of a line: paths are relative to `folder`.
std::string media_source(const std::filesystem::path& folder, const std::string& written);
bool is_url(std::string_view source);  // http:, https:, data:

}  // namespace gemma3n::cli
