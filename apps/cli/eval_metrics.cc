#include "eval_metrics.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "input.h"
#include "unicode.h"

namespace gemma3n::cli {
namespace {

constexpr std::array<std::pair<Metric, std::string_view>, 4> kNames = {{
    {Metric::kExact, "exact"},
    {Metric::kContains, "contains"},
    {Metric::kRelaxed, "relaxed"},
    {Metric::kWer, "wer"},
}};

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

// Lower case, with one space for any stretch of white space and none at the ends.
std::u32string folded(std::string_view text) {
  std::u32string result;
  bool is_space_due = false;
  for (const char32_t c : code_points(text)) {
    if (kind_of(c) == CharKind::kSpace) {
      is_space_due = !result.empty();
      continue;
    }
    if (std::exchange(is_space_due, false)) result += U' ';
    result += to_lower(c);
  }
  return result;
}

// Thai and Lao, Burmese, Khmer, Japanese, Chinese.
bool is_of_script_without_spaces(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kScripts[] = {{0x0e00, 0x0eff}, {0x1000, 0x109f},
                                                        {0x1780, 0x17ff}, {0x3040, 0x30ff},
                                                        {0x3400, 0x9fff}, {0x20000, 0x3ffff}};
  return std::ranges::any_of(
      kScripts, [c](const auto& script) { return c >= script.first && c <= script.second; });
}

// Whether text[inside], at the edge of an occurrence, and what follows it outward (step 1 or -1)
// are parts of one word or number.
bool is_joined(const std::u32string& text, std::size_t inside, std::ptrdiff_t step) {
  const auto at = [&](std::ptrdiff_t steps) {
    const auto index = static_cast<std::ptrdiff_t>(inside) + steps * step;
    const bool is_there = index >= 0 && index < static_cast<std::ptrdiff_t>(text.size());
    return is_there ? text[static_cast<std::size_t>(index)] : U' ';
  };
  if (kind_of(at(1)) == CharKind::kWord) {
    return !is_of_script_without_spaces(at(0)) && !is_of_script_without_spaces(at(1));
  }
  return is_digit(at(0)) && (at(1) == U'.' || at(1) == U',') && is_digit(at(2));
}

struct Number {
  double value = 0;
  bool is_percent = false;
};

// "1,234,567.8" -> "1234567.8". Commas elsewhere stay, and are no part of a number.
std::string without_thousands_separators(std::string_view text) {
  constexpr std::size_t kGroup = 3;
  const auto digits_at = [&](std::size_t from) {
    const auto end = text.find_first_not_of("0123456789", from);
    return std::min(end, text.size()) - from;
  };
  std::string result(text.substr(0, digits_at(0)));
  std::size_t at = result.size();
  if (at == 0 || at > kGroup) return std::string(text);
  while (at < text.size() && text[at] == ',' && digits_at(at + 1) == kGroup) {
    result += text.substr(at + 1, kGroup);
    at += 1 + kGroup;
  }
  return result.append(text.substr(at));
}

std::optional<double> plain_number(std::string_view text) {
  const bool starts_like_one =
      !text.empty() && (is_digit(static_cast<unsigned char>(text[0])) || text[0] == '.');
  if (!starts_like_one) return {};  // from_chars would also take "inf" and another sign
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return {};
  return value;
}

std::optional<Number> number_in(std::string_view text) {
  constexpr std::string_view kMinusSign = "\u2212";
  Number number;
  if (text.ends_with('%')) {
    number.is_percent = true;
    text.remove_suffix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
  }
  double sign = 1;
  if (text.starts_with('-') || text.starts_with(kMinusSign)) {
    sign = -1;
    text.remove_prefix(text.front() == '-' ? 1 : kMinusSign.size());
  } else if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const auto value = plain_number(without_thousands_separators(text));
  if (!value) return {};
  number.value = sign * *value;
  return number;
}

bool is_near(double value, double expected) {
  constexpr double kTolerance = 0.05;
  constexpr double kRounding = 1e-9;  // 1.05 is within 5 % of 1, but not in binary
  return std::abs(value - expected) <= kTolerance * (1 + kRounding) * std::abs(expected);
}

bool is_near(const Number& number, const Number& expected) {
  if (is_near(number.value, expected.value)) return true;
  if (number.is_percent == expected.is_percent) return false;
  return number.is_percent ? is_near(number.value / 100, expected.value)
                           : is_near(number.value, expected.value / 100);
}

std::string without_final_stop(std::string_view text) {
  const std::string trimmed = without_surrounding_space(text);
  if (!trimmed.ends_with('.')) return trimmed;
  return without_surrounding_space(std::string_view(trimmed).substr(0, trimmed.size() - 1));
}

std::u32string joined(const std::vector<std::u32string>& words) {
  std::u32string text;
  for (const auto& word : words) text += (text.empty() ? U"" : U" ") + word;
  return text;
}

Score word_error_score(std::string_view answer, std::span<const std::string> expected) {
  const auto rate = [](const WordErrors& errors) {
    return error_rate(errors.edits, std::max<std::int64_t>(errors.words, 1));
  };
  Score best;
  for (const auto& text : expected) {
    const auto errors = word_errors(answer, text);
    if (!best.errors || rate(errors) < rate(*best.errors)) best.errors = errors;
  }
  best.is_correct = best.errors && best.errors->edits == 0;
  return best;
}

}  // namespace

std::string_view metric_name(Metric metric) {
  return std::ranges::find(kNames, metric, &decltype(kNames)::value_type::first)->second;
}

std::optional<Metric> metric_named(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name, &decltype(kNames)::value_type::second);
  if (found == kNames.end()) return {};
  return found->first;
}

bool is_exact(std::string_view answer, std::string_view expected) {
  return without_surrounding_space(answer) == without_surrounding_space(expected);
}

bool contains_words(std::string_view answer, std::string_view expected) {
  const std::u32string text = folded(answer), words = folded(expected);
  if (words.empty()) return false;
  for (auto at = text.find(words); at != std::u32string::npos; at = text.find(words, at + 1)) {
    if (!is_joined(text, at, -1) && !is_joined(text, at + words.size() - 1, 1)) return true;
  }
  return false;
}

bool is_relaxed_match(std::string_view answer, std::string_view expected) {
  const std::string given = without_final_stop(answer), wanted = without_final_stop(expected);
  const auto number = number_in(given), expected_number = number_in(wanted);
  if (number && expected_number) return is_near(*number, *expected_number);
  return folded(given) == folded(wanted);
}

std::vector<std::u32string> normalized_words(std::string_view text) {
  std::vector<std::u32string> words;
  std::u32string word;
  for (const char32_t c : code_points(text) + U' ') {
    const auto kind = kind_of(c);
    if (kind == CharKind::kWord) word += to_lower(c);
    if (kind == CharKind::kSpace && !word.empty()) words.push_back(std::exchange(word, {}));
  }
  return words;
}

WordErrors word_errors(std::string_view answer, std::string_view expected) {
  const auto given = normalized_words(answer), wanted = normalized_words(expected);
  const std::u32string given_text = joined(given), wanted_text = joined(wanted);
  return {.edits = levenshtein(given, wanted),
          .words = static_cast<std::int64_t>(wanted.size()),
          .character_edits = levenshtein(given_text, wanted_text),
          .characters = static_cast<std::int64_t>(wanted_text.size())};
}

double error_rate(std::int64_t edits, std::int64_t length) {
  return static_cast<double>(edits) / static_cast<double>(length);
}

Score score(Metric metric, std::string_view answer, std::span<const std::string> expected) {
  if (metric == Metric::kWer) return word_error_score(answer, expected);
  const auto matches = metric == Metric::kExact      ? is_exact
                       : metric == Metric::kContains ? contains_words
                                                     : is_relaxed_match;
  return {.is_correct = std::ranges::any_of(
              expected, [&](const auto& text) { return matches(answer, text); })};
}

Interval wilson_interval(std::size_t correct, std::size_t items) {
  if (items == 0) return {};
  constexpr double z = 1.959963984540054;  // of the normal distribution, 95 % are within
  const auto n = static_cast<double>(items);
  const double p = static_cast<double>(correct) / n;
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace gemma3n::cli
