// What `gemma3n eval` tells of its results: sums, a table, JSON, wrong answers.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval_results.h"
#include "json.h"

namespace gemma3n::cli {

struct Tally {
  std::size_t items = 0, correct = 0;
  std::size_t cut_off = 0;    // answers that the length limit ended
  std::size_t wer_items = 0;  // of these, the next
  WordErrors errors;

  void add(const ItemResult& result);
};

Tally tally_of(std::span<const ItemResult> results);
// One for each category, in the order of the first items; "" = items without one.
std::vector<std::pair<std::string, Tally>> tallies_by_category(std::span<const ItemResult> results);

// A heading, a line for each category unless no item has one, and a line for all. The columns of
// error rates are there if an item has errors to count.
std::string eval_table(std::span<const ItemResult> results);

// The members of an object: items, correct, accuracy, interval, cut_off and, if there are items of
// kWer, wer: items, edits, words, rate, character_edits, characters, character_rate.
void write_tally(Json& json, const Tally& tally);

// The first `most` wrong answers: for each the question, what was expected, and the answer.
std::string wrong_answers(std::span<const ItemResult> results, std::size_t most);

}  // namespace gemma3n::cli
