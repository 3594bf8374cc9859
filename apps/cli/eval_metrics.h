// How an answer is judged: pure functions from texts to scores.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n::cli {

enum class Metric {
  kExact,     // the same text, but for space around it
  kContains,  // an expected text stands in the answer, as whole words
  kRelaxed,   // numbers within 5 %, other texts equal
  kWer,       // word error rate; right if there is no error
};

inline constexpr std::string_view kMetricNames = "exact, relaxed, contains or wer";
std::string_view metric_name(Metric metric);
std::optional<Metric> metric_named(std::string_view name);

// Equal, byte for byte, but for spaces, tabs and line ends around the texts. Case and a final full
// stop count.
bool is_exact(std::string_view answer, std::string_view expected);

// `expected` stands in `answer` as whole words: no letter or digit touches it, nor a digit behind a
// decimal point or comma (there is no "5" in "3.5"). Case is ignored; any space is like any other.
// In scripts without spaces between words, such as Chinese or Thai, it may stand anywhere.
bool contains_words(std::string_view answer, std::string_view expected);

// Of two numbers: the answer's is at most 5 % of the expected one away from it. Else: equal but for
// case. Of both texts, space around and a final full stop do not count.
// A number has digits, perhaps commas between groups of three, a sign, a fraction, an exponent, and
// perhaps a percent sign behind it. If only one of the two has a percent sign, it may be the
// other's unit left out (12% for 12) or worked out (12% for 0.12). Ref: Methani et al. 2020,
// PlotQA, section 5.1; Masry et al. 2022, ChartQA, section 5.1 Differs: their programs know neither
// commas nor 12% for 12, and compare an expected 0 as text.
bool is_relaxed_match(std::string_view answer, std::string_view expected);

// What is compared for the word error rate: lower case, without punctuation, symbols and invisible
// characters (nothing takes their place: "don't" -> "dont"), split at white space.
std::vector<std::u32string> normalized_words(std::string_view text);

// The fewest insertions, deletions and replacements of elements that make `to` of `from`.
// Ref: Levenshtein 1966; time is from.size() * to.size(), memory to.size().
template <typename Sequence>
std::int64_t levenshtein(const Sequence& from, const Sequence& to) {
  std::vector<std::int64_t> row(to.size() + 1);  // distances of the first i of `from` to each j
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::int64_t diagonal = row[0]++;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::int64_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// Numbers of a word error rate, which add up over items.
struct WordErrors {
  std::int64_t edits = 0, words = 0;                 // words: of the expected text
  std::int64_t character_edits = 0, characters = 0;  // of normalised words with one space between
};
WordErrors word_errors(std::string_view answer, std::string_view expected);
double error_rate(std::int64_t edits, std::int64_t length);  // may exceed 1; NaN for 0 / 0

struct Score {
  bool is_correct = false;
  std::optional<WordErrors> errors = {};  // of kWer
};

// The best that any of the expected texts gives; for kWer the one with the lowest rate.
Score score(Metric metric, std::string_view answer, std::span<const std::string> expected);

struct Interval {
  double low = 0, high = 1;
};
// Where the true share lies with a confidence of 95 %, if `correct` of `items` are right.
// Ref: Wilson 1927
Interval wilson_interval(std::size_t correct, std::size_t items);

}  // namespace gemma3n::cli
