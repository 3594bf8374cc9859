#include "eval_metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gemma3n::cli {
namespace {

struct Case {
  const char* answer;
  const char* expected;
  bool is_match;
};

TEST(Metrics, HaveNames) {
  for (const auto metric : {Metric::kExact, Metric::kContains, Metric::kRelaxed, Metric::kWer}) {
    EXPECT_EQ(metric_named(metric_name(metric)), metric);
    EXPECT_NE(kMetricNames.find(metric_name(metric)), std::string_view::npos);
  }
  EXPECT_EQ(metric_named("bleu"), std::nullopt);
}

TEST(Exact, IgnoresNothingButSpaceAround) {
  const Case cases[] = {
      {"Paris", "Paris", true},
      {" Paris\r\n", "Paris", true},
      {"Paris", "\tParis ", true},
      {"paris", "Paris", false},
      {"Paris.", "Paris", false},
      {"two  words", "two words", false},
      {"", "", true},
      {"12.0", "12", false},
  };
  for (const auto& c : cases) EXPECT_EQ(is_exact(c.answer, c.expected), c.is_match) << c.answer;
}

TEST(Contains, FindsWholeWordsInAnyCase) {
  const Case cases[] = {
      {"It is Paris, of course.", "paris", true},
      {"PARIS", "Paris", true},
      {"Parisian food", "Paris", false},
      {"comparison", "paris", false},
      {"Parisian food in Paris", "Paris", true},
      {"the big\n  apple", "big apple", true},
      {"the \"big apple\"", "Big  Apple", true},
      {"ГОД 1917", "год", true},
      {"I do not know", "", false},
      {"", "x", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(contains_words(c.answer, c.expected), c.is_match) << c.answer << " / " << c.expected;
  }
}

TEST(Contains, DoesNotTakeNumbersApart) {
  const Case cases[] = {
      {"it is 5.", "5", true},
      {"it is 3.5", "5", false},
      {"it is 3.5", "3", false},
      {"it is 3.5", "3.5", true},
      {"1,500 people", "500", false},
      {"1,500 people", "1,500", true},
      {"3, 4 and 5", "4", true},
      {"15", "5", false},
      {"it is -5", "-5", true},
      {"pages 3-5", "-5", false},
      {"a.b", "b", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(contains_words(c.answer, c.expected), c.is_match) << c.answer << " / " << c.expected;
  }
}

TEST(Contains, NeedsNoSpacesWhereThereAreNone) {
  EXPECT_TRUE(contains_words("答案是北京。", "北京"));
  EXPECT_TRUE(contains_words("首都はTokyoです", "tokyo"));
  EXPECT_FALSE(contains_words("答案是北京。", "上海"));
}

TEST(Relaxed, TakesNumbersWithinFivePercent) {
  const Case cases[] = {
      {"100", "100", true},    {"105", "100", true},   {"95", "100", true},
      {"105.1", "100", false}, {"94.9", "100", false}, {"1.05", "1", true},
      {"-100", "100", false},  {"-98", "-100", true},  {"\u221298", "-100", true},
      {"+98", "100", true},    {"0", "0.0", true},     {"0.001", "0", false},
      {"12.", "12", true},     {" 12 \n", "12", true}, {".5", "0.5", true},
      {"1e3", "1000", true},   {"", "0", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(is_relaxed_match(c.answer, c.expected), c.is_match)
        << c.answer << " / " << c.expected;
  }
}

TEST(Relaxed, KnowsThousandsSeparatorsAndPercentSigns) {
  const Case cases[] = {
      {"1,234", "1234", true},  {"1,234,567.8", "1234567.8", true},
      {"12,34", "1234", false}, {"1234,567", "1234567", false},
      {"1,23", "123", false},   {",123", "123", false},
      {"12%", "12 %", true},    {"12%", "12", true},
      {"12", "12%", true},      {"12%", "0.12", true},
      {"0.12", "12%", true},    {"12%", "1200", false},
      {"1200", "12%", false},   {"12%", "20%", false},
      {"12%.", "12%", true},    {"%", "%", true},
      {"%", "0", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(is_relaxed_match(c.answer, c.expected), c.is_match)
        << c.answer << " / " << c.expected;
  }
}

TEST(Relaxed, ComparesTextsButForCaseAndAFinalStop) {
  const Case cases[] = {
      {"Dark Blue", "dark blue", true},
      {" Yes.\n", "yes", true},
      {"Yes", "yes.", true},
      {"yes..", "yes", false},
      {"the answer is 12", "12", false},
      {"nan", "nan", true},
      {"inf", "1e999", false},
      {"NaN", "5", false},
      {"1e999", "1e998", false},
      {"ÄRGER", "ärger", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(is_relaxed_match(c.answer, c.expected), c.is_match)
        << c.answer << " / " << c.expected;
  }
}

TEST(NormalizedWords, AreLowerCaseWithoutPunctuation) {
  using Words = std::vector<std::u32string>;
  EXPECT_EQ(normalized_words("Hello,  World!\n"), (Words{U"hello", U"world"}));
  EXPECT_EQ(normalized_words("Don\u2019t - stop: e-mail"), (Words{U"dont", U"stop", U"email"}));
  EXPECT_EQ(normalized_words("\u00c9t\u00e9 \u00ab\u00a0GR\u00d6\u00dfE\u00a0\u00bb"),
            (Words{U"\u00e9t\u00e9", U"gr\u00f6\u00dfe"}));
  EXPECT_EQ(normalized_words("\u041f\u0440\u0438\u0432\u0435\u0442,\u3000\u4e16\u754c\u3002 3.5 %"),
            (Words{U"\u043f\u0440\u0438\u0432\u0435\u0442", U"\u4e16\u754c", U"35"}));
  // Vowel signs are parts of words; the danda at the end is not.
  EXPECT_EQ(normalized_words("\u0939\u093f\u0928\u094d\u0926\u0940\u0964"),
            (Words{U"\u0939\u093f\u0928\u094d\u0926\u0940"}));
  EXPECT_EQ(normalized_words(" ... "), Words{});
  EXPECT_EQ(normalized_words("a\xff"
                             "b"),
            (Words{U"ab"}));
}

TEST(Levenshtein, CountsTheFewestEdits) {
  const auto distance = [](std::u32string a, std::u32string b) { return levenshtein(a, b); };
  EXPECT_EQ(distance(U"", U""), 0);
  EXPECT_EQ(distance(U"abc", U""), 3);
  EXPECT_EQ(distance(U"", U"abc"), 3);
  EXPECT_EQ(distance(U"abc", U"abc"), 0);
  EXPECT_EQ(distance(U"kitten", U"sitting"), 3);
  EXPECT_EQ(distance(U"sunday", U"saturday"), 3);
  EXPECT_EQ(distance(U"saturday", U"sunday"), 3);
  EXPECT_EQ(distance(U"ab", U"ba"), 2);  // no transpositions
  EXPECT_EQ(distance(U"flaw", U"lawn"), 2);
}

TEST(WordErrors, CountWordsAndCharacters) {
  // "the cat sat" -> "the hat sat down": one word replaced, one inserted.
  const auto errors = word_errors("The hat sat down.", "the cat sat");
  EXPECT_EQ(errors.edits, 2);
  EXPECT_EQ(errors.words, 3);
  EXPECT_EQ(errors.character_edits, 6);  // c -> h, and " down"
  EXPECT_EQ(errors.characters, 11);
  EXPECT_EQ(word_errors("", "one two").edits, 2);
  EXPECT_EQ(word_errors("one two", "...").edits, 2);
  EXPECT_TRUE(std::isnan(error_rate(0, 0)));
}

TEST(Score, IsTheBestOfTheAcceptedAnswers) {
  const std::vector<std::string> accepted = {"seven", "7"};
  EXPECT_TRUE(score(Metric::kExact, "7", accepted).is_correct);
  EXPECT_FALSE(score(Metric::kExact, "8", accepted).is_correct);
  EXPECT_TRUE(score(Metric::kContains, "There are Seven.", accepted).is_correct);
  EXPECT_TRUE(score(Metric::kRelaxed, "7.2", accepted).is_correct);
  EXPECT_FALSE(score(Metric::kRelaxed, "7.2", accepted).errors.has_value());
}

TEST(Score, OfWordErrorsTakesTheLowestRate) {
  // Against the first: 2 edits of 2 words; against the second: 2 edits of 4 words.
  const auto found =
      score(Metric::kWer, "one two", std::vector<std::string>{"eins zwei", "one two three four"});
  EXPECT_FALSE(found.is_correct);
  EXPECT_EQ(found.errors->edits, 2);
  EXPECT_EQ(found.errors->words, 4);
  EXPECT_TRUE(score(Metric::kWer, "One, two!", std::vector<std::string>{"one two"}).is_correct);
}

// Where p is 0, the upper end is z^2 / (n + z^2); where it is 1, the lower one is n / (n + z^2).
TEST(WilsonInterval, HasTheValuesOfTheFormula) {
  const auto most = wilson_interval(8, 10);
  EXPECT_NEAR(most.low, 0.4901625, 1e-6);
  EXPECT_NEAR(most.high, 0.9433178, 1e-6);
  const auto none = wilson_interval(0, 5);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.4344825, 1e-6);
  const auto all = wilson_interval(1, 1);
  EXPECT_NEAR(all.low, 0.2065493, 1e-6);
  EXPECT_EQ(all.high, 1);
  EXPECT_EQ(wilson_interval(0, 0).low, 0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

}  // namespace
}  // namespace gemma3n::cli
