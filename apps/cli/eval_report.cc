#include "eval_report.h"

#include <algorithm>

#include "gemma3n/generation.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

double accuracy(const Tally& tally) {
  return error_rate(static_cast<std::int64_t>(tally.correct),
                    static_cast<std::int64_t>(tally.items));
}

std::string percent(double share, int decimals) { return fixed(100 * share, decimals) + "%"; }

std::vector<std::string> table_row(const std::string& name, const Tally& tally, bool has_errors) {
  const auto interval = wilson_interval(tally.correct, tally.items);
  std::vector<std::string> row = {
      name, std::to_string(tally.items), std::to_string(tally.correct), percent(accuracy(tally), 1),
      fixed(100 * interval.low, 1) + " to " + percent(interval.high, 1)};
  if (!has_errors) return row;
  const auto& errors = tally.errors;
  const auto rate = [](std::int64_t edits, std::int64_t length) {
    return length > 0 ? percent(error_rate(edits, length), 2) : "-";
  };
  row.push_back(rate(errors.edits, errors.words));
  row.push_back(rate(errors.character_edits, errors.characters));
  return row;
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 400;
  if (text.size() <= kMost) return text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u) --end;
  return text.substr(0, end) + "...";
}

// Media by their sources, in brackets.
std::string shown(const EvalPart& part) {
  return part.kind == Part::Kind::kText ? part.text : "[" + shortened(part.text) + "]";
}

std::string question_of(const EvalItem& item) {
  std::string text;
  for (const auto& part : item.messages.back().parts) {
    text += (text.empty() ? "" : " ") + shown(part);
  }
  return text;
}

std::string wrong_answer(const ItemResult& result) {
  const EvalItem& item = *result.item;
  std::string expected;
  for (const auto& text : item.expected) expected += (expected.empty() ? "" : " | ") + text;
  const auto line = [](const char* name, const std::string& text) {
    return "  " + std::string(name) + visible_line(shortened(text)) + "\n";
  };
  return "\nline " + std::to_string(item.line) +
         (item.id.empty() ? "" : ", " + visible_line(shortened(item.id))) + "\n" +
         line("question: ", question_of(item)) + line("expected: ", expected) +
         line("answer:   ", result.answer.text);
}

}  // namespace

void Tally::add(const ItemResult& result) {
  ++items;
  if (result.score.is_correct) ++correct;
  if (result.answer.finish_reason == finish_reason_name(FinishReason::kLength)) ++cut_off;
  if (const auto& more = result.score.errors) {
    ++wer_items;
    errors.edits += more->edits;
    errors.words += more->words;
    errors.character_edits += more->character_edits;
    errors.characters += more->characters;
  }
}

Tally tally_of(std::span<const ItemResult> results) {
  Tally tally;
  for (const auto& result : results) tally.add(result);
  return tally;
}

std::vector<std::pair<std::string, Tally>> tallies_by_category(
    std::span<const ItemResult> results) {
  std::vector<std::pair<std::string, Tally>> tallies;
  for (const auto& result : results) {
    const auto& category = result.item->category;
    auto found = std::ranges::find(tallies, category, &std::pair<std::string, Tally>::first);
    if (found == tallies.end()) found = tallies.insert(found, {category, {}});
    found->second.add(result);
  }
  return tallies;
}

std::string eval_table(std::span<const ItemResult> results) {
  const Tally all = tally_of(results);
  const bool has_errors = all.wer_items > 0;
  std::vector<std::vector<std::string>> rows = {
      {"CATEGORY", "ITEMS", "CORRECT", "ACCURACY", "95% INTERVAL"}};
  if (has_errors) rows.front().insert(rows.front().end(), {"WER", "CER"});
  const auto tallies = tallies_by_category(results);
  const bool has_categories = tallies.size() > 1 || !tallies.front().first.empty();
  if (has_categories) {
    for (const auto& [category, tally] : tallies) {
      const std::string name = category.empty() ? "(none)" : visible_line(shortened(category));
      rows.push_back(table_row(name, tally, has_errors));
    }
  }
  rows.push_back(table_row("all", all, has_errors));
  std::vector<Align> columns(rows.front().size(), Align::kRight);
  columns.front() = Align::kLeft;
  return format_table(columns, rows);
}

void write_tally(Json& json, const Tally& tally) {
  const auto interval = wilson_interval(tally.correct, tally.items);
  json.member("items", tally.items)
      .member("correct", tally.correct)
      .member("accuracy", accuracy(tally));
  json.key("interval").begin_array().value(interval.low).value(interval.high).end_array();
  json.member("cut_off", tally.cut_off);
  if (tally.wer_items == 0) return;
  const auto& errors = tally.errors;
  json.key("wer")
      .begin_object()
      .member("items", tally.wer_items)
      .member("edits", errors.edits)
      .member("words", errors.words)
      .member("rate", error_rate(errors.edits, errors.words))
      .member("character_edits", errors.character_edits)
      .member("characters", errors.characters)
      .member("character_rate", error_rate(errors.character_edits, errors.characters))
      .end_object();
}

std::string wrong_answers(std::span<const ItemResult> results, std::size_t most) {
  std::string text;
  for (const auto& result : results) {
    if (result.score.is_correct) continue;
    if (most-- == 0) break;
    text += wrong_answer(result);
  }
  return text;
}

}  // namespace gemma3n::cli
