#include "generation/logits_processors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gemma3n {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();
using Scores = std::vector<float>;
using Ids = std::vector<TokenId>;

template <typename Processor>
Scores apply(Processor processor, Scores scores, const Ids& ids = {0},
             std::size_t prompt_length = 1) {
  processor(SequenceState{ids, prompt_length}, scores);
  return scores;
}

// Scores whose softmax is `probabilities`.
Scores scores_of(std::initializer_list<double> probabilities) {
  Scores scores;
  for (const double p : probabilities) scores.push_back(static_cast<float>(std::log(p)));
  return scores;
}

// Which tokens are still allowed.
Ids allowed(const Scores& scores) {
  Ids ids;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] != kForbidden) ids.push_back(static_cast<TokenId>(i));
  }
  return ids;
}

TEST(RepetitionPenalty, MultipliesNegativeAndDividesOtherScoresOncePerId) {
  EXPECT_EQ(apply(RepetitionPenalty(2.0, 4), {3, -3, 0, 5}, {0, 1, 0, 2, 1}),
            Scores({1.5, -6, 0, 5}));
}

TEST(RepetitionPenalty, ForgetsTheLastSequence) {
  RepetitionPenalty penalty(2.0, 2);
  Scores first = {4, 4}, second = {4, 4};
  penalty(SequenceState{Ids{0}, 1}, first);
  penalty(SequenceState{Ids{1}, 1}, second);
  EXPECT_EQ(first, Scores({2, 4}));
  EXPECT_EQ(second, Scores({4, 2}));
}

TEST(NoRepeatNGram, ForbidsWhatFollowedTheSameWordsBefore) {
  // 1 2 was followed by 3 and by 0; the sequence ends with 1 2 again.
  EXPECT_EQ(allowed(apply(NoRepeatNGram{3}, Scores(5), {1, 2, 3, 1, 2, 0, 1, 2})), Ids({1, 2, 4}));
}

TEST(NoRepeatNGram, OfSizeOneForbidsEveryIdSoFar) {
  EXPECT_EQ(allowed(apply(NoRepeatNGram{1}, Scores(4), {3, 1})), Ids({0, 2}));
}

TEST(NoRepeatNGram, NeedsAWholeNGram) {
  EXPECT_EQ(allowed(apply(NoRepeatNGram{4}, Scores(3), {1, 1, 1})), Ids({0, 1, 2}));
  EXPECT_EQ(allowed(apply(NoRepeatNGram{3}, Scores(3), {1, 1, 1})), Ids({0, 2}));
}

TEST(NoBadWords, ForbidsSingleTokensAlwaysAndLongerWordsAtTheirEnd) {
  const std::vector<Ids> words = {{4}, {1, 2, 3}, {0, 5}};
  const NoBadWords processor(words, {}, 6);
  EXPECT_EQ(allowed(apply(processor, Scores(6), {0, 1, 2})), Ids({0, 1, 2, 5}));
  EXPECT_EQ(allowed(apply(processor, Scores(6), {2})), Ids({0, 1, 2, 3, 5}));
  EXPECT_EQ(allowed(apply(processor, Scores(6), {2, 0})), Ids({0, 1, 2, 3}));
}

TEST(NoBadWords, CannotForbidAnEndToken) {
  const std::vector<Ids> words = {{1}, {2}};
  EXPECT_EQ(allowed(apply(NoBadWords(words, Ids{1}, 3), Scores(3))), Ids({0, 1}));
}

TEST(NoBadWords, RefusesIdsOutsideTheVocabulary) {
  EXPECT_THROW(NoBadWords({{1, 3}}, {}, 3), Error);
  EXPECT_THROW(NoBadWords({{-1}}, {}, 3), Error);
}

TEST(MinLength, ForbidsEndTokensUntilTheSequenceIsLongEnough) {
  const MinLength processor{4, {1, 99}};  // 99: not in this vocabulary
  EXPECT_EQ(allowed(apply(processor, Scores(3), {0, 0, 0}, 2)), Ids({0, 2}));
  EXPECT_EQ(allowed(apply(processor, Scores(3), {0, 0, 0, 0}, 2)), Ids({0, 1, 2}));
}

TEST(MinNewTokens, CountsWithoutThePrompt) {
  const MinNewTokens processor{2, {1}};
  EXPECT_EQ(allowed(apply(processor, Scores(3), {0, 0, 0, 0}, 3)), Ids({0, 2}));
  EXPECT_EQ(allowed(apply(processor, Scores(3), {0, 0, 0, 0}, 2)), Ids({0, 1, 2}));
}

TEST(Temperature, DividesTheScores) {
  EXPECT_EQ(apply(Temperature{0.5f}, {1, -2, kForbidden}), Scores({2, -4, kForbidden}));
}

TEST(TopK, KeepsTheLargestAndWhatEqualsTheLastOfThem) {
  EXPECT_EQ(allowed(apply(TopK(2), {1, 4, 2, 3})), Ids({1, 3}));
  EXPECT_EQ(allowed(apply(TopK(2), {3, 4, 2, 3})), Ids({0, 1, 3}));
  EXPECT_EQ(allowed(apply(TopK(9), {3, 4})), Ids({0, 1}));
  EXPECT_EQ(allowed(apply(TopK(3), {kForbidden, 4, kForbidden, kForbidden})), Ids({1}));
}

TEST(TopP, DropsTheTailThatFitsIntoTheRest) {
  const Scores scores = scores_of({0.1, 0.4, 0.3, 0.2});
  EXPECT_EQ(allowed(apply(TopP(0.95), scores)), Ids({0, 1, 2, 3}));
  EXPECT_EQ(allowed(apply(TopP(0.85), scores)), Ids({1, 2, 3}));  // 0.1 <= 0.15 < 0.3
  EXPECT_EQ(allowed(apply(TopP(0.65), scores)), Ids({1, 2}));     // 0.3 <= 0.35 < 0.6
  EXPECT_EQ(allowed(apply(TopP(0.35), scores)), Ids({1}));
  EXPECT_EQ(allowed(apply(TopP(0.0), scores)), Ids({1}));
}

TEST(TopP, KeepsTheLowerIdsOfEqualScores) {
  EXPECT_EQ(allowed(apply(TopP(0.6), scores_of({0.25, 0.25, 0.25, 0.25}))), Ids({0, 1, 2}));
}

TEST(MinP, ComparesWithTheMostProbableToken) {
  const Scores scores = scores_of({0.1, 0.4, 0.3, 0.2});
  EXPECT_EQ(allowed(apply(MinP(0.24), scores)), Ids({0, 1, 2, 3}));
  EXPECT_EQ(allowed(apply(MinP(0.26), scores)), Ids({1, 2, 3}));
  EXPECT_EQ(allowed(apply(MinP(1.0), scores)), Ids({1}));
}

// Surprises 0.51, 1.61, 2.30, 2.30; entropy 0.6 * 0.51 + 0.2 * 1.61 + 0.2 * 2.30 = 1.09.
// Distances 0.58, 0.52, 1.21, 1.21: token 1 is the most typical one, then token 0.
TEST(TypicalP, KeepsTheTokensNearestToTheEntropy) {
  const Scores scores = scores_of({0.6, 0.2, 0.1, 0.1});
  EXPECT_EQ(allowed(apply(TypicalP(0.1), scores)), Ids({1}));
  EXPECT_EQ(allowed(apply(TypicalP(0.5), scores)), Ids({0, 1}));
  EXPECT_EQ(allowed(apply(TypicalP(0.85), scores)), Ids({0, 1, 2, 3}));  // 2 and 3 are tied
}

TEST(Filters, IgnoreForbiddenTokens) {
  const Scores scores = {kForbidden, 1, kForbidden, 0};
  EXPECT_EQ(allowed(apply(TopP(0.99), scores)), Ids({1, 3}));
  EXPECT_EQ(allowed(apply(MinP(0.1), scores)), Ids({1, 3}));
  EXPECT_EQ(allowed(apply(TypicalP(0.99), scores)), Ids({1, 3}));
}

TEST(Filters, RefuseInfiniteScores) {
  const Scores scores = {std::numeric_limits<float>::infinity(), 1};
  EXPECT_THROW(apply(TopP(0.5), scores), Error);
  EXPECT_THROW(apply(MinP(0.5), scores), Error);
  EXPECT_THROW(apply(TypicalP(0.5), scores), Error);
}

TEST(MakeLogitsProcessors, MakesNoneByDefault) {
  EXPECT_TRUE(make_logits_processors({}, 10, {}).empty());
}

TEST(MakeLogitsProcessors, IgnoresSamplingOptionsWhenGreedy) {
  GenerationConfig config;
  config.temperature = 0.5;
  config.top_p = config.typical_p = config.min_p = 0.5;
  EXPECT_TRUE(make_logits_processors(config, 10, {}).empty());
  EXPECT_TRUE(make_logits_warpers(config).empty());
  config.do_sample = true;
  EXPECT_EQ(make_logits_warpers(config).size(), 5u);  // and top_k = 50
}

TEST(MakeLogitsProcessors, LetsMinNewTokensReplaceMinLength) {
  GenerationConfig config;
  config.eos_token_id = {1};
  config.min_length = 100;
  config.min_new_tokens = 1;
  const auto list = make_logits_processors(config, 3, {});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(allowed(apply(list[0], Scores(3), {0, 0}, 1)), Ids({0, 1, 2}));
}

TEST(MakeLogitsProcessors, RunsTheUsersAfterThePenalty) {
  GenerationConfig config;
  config.repetition_penalty = 2.0;
  Scores seen;
  const UserLogitsProcessor user = [&](std::span<const TokenId> ids, std::span<float> scores) {
    EXPECT_EQ(ids.size(), 1u);
    seen.assign(scores.begin(), scores.end());
    scores[1] = 8;
  };
  Scores scores = {1, 1};
  for (auto& process : make_logits_processors(config, 2, std::span(&user, 1))) {
    scores = apply(process, scores);
  }
  EXPECT_EQ(seen, Scores({0.5, 1}));
  EXPECT_EQ(scores, Scores({0.5, 8}));
}

TEST(MakeLogitsProcessors, RefusesNaNFromTheUser) {
  const UserLogitsProcessor user = [](std::span<const TokenId>, std::span<float> scores) {
    scores[1] = std::numeric_limits<float>::quiet_NaN();
  };
  const auto list = make_logits_processors({}, 2, std::span(&user, 1));
  EXPECT_THROW(apply(list.at(0), Scores(2)), Error);
}

}  // namespace
}  // namespace gemma3n
