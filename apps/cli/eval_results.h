// The results of `gemma3n eval` on disk: one JSON line for each item, written as soon as it is
// answered, so that a run that was interrupted goes on where it stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "eval_dataset.h"
#include "eval_metrics.h"
#include "json.h"

namespace gemma3n::cli {

// What the model said, and how.
struct Answer {
  std::string text;
  std::string finish_reason;  // "eos", "length"
  std::int64_t generated_tokens = 0;
  double seconds = 0;
};

struct ItemResult {
  const EvalItem* item = nullptr;
  Answer answer;
  Score score;
};

// A hash of all that an answer and its score depend on: the item, and `settings` (any text that
// names the model and the options). 16 hexadecimal digits.
std::string fingerprint(const EvalItem& item, std::string_view settings);

// A line of the file: an object with index, line, id, category, metric, expected, answer, correct,
// of kWer edits, words, character_edits and characters, finish_reason, generated_tokens, seconds,
// and the fingerprint.
void write_result(Json& json, const ItemResult& result, std::string_view fingerprint);

class ResultsFile {
 public:
  // Reads what is there; makes the file if there is none. A last line that was torn when its writer
  // was killed is dropped.
  // fingerprints: those of all items of the dataset, by index.
  // Throws: kInvalidArgument if an answer there has another fingerprint; kCorruptData for a line
  // that is no result; kNotFound if the file cannot be opened.
  ResultsFile(const std::filesystem::path& file, std::span<const std::string> fingerprints,
              bool overwrite);
  ~ResultsFile();
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;

  // The answer to the item of this index; null if there is none.
  const Answer* find(std::size_t index) const;
  // Adds a line; it is on its way to the disk when this returns.   Throws: OutputError.
  void append(const ItemResult& result, std::string_view fingerprint);

 private:
  std::filesystem::path file_;
  std::map<std::size_t, Answer> answers_;
  int descriptor_ = -1;
};

}  // namespace gemma3n::cli
