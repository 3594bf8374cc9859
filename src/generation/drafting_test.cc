// Assisted generation with scripted models. With real ones: assisted_generate_test.cc.
#include "generation/drafting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "generation/scripted_model.h"

namespace gemma3n {
namespace {

using Ids = std::vector<TokenId>;
using Prompts = std::vector<Ids>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

GenerationConfig new_tokens(std::int64_t count) {
  GenerationConfig config;
  config.max_new_tokens = count;
  config.assistant_confidence_threshold = 0.0;
  return config;
}

GenerateOutput run(ScriptedModel& model, ScriptedModel* assistant, const Prompts& prompts,
                   const GenerationConfig& config, const GenerateOptions& options = {}) {
  const LanguageModel large = model.language_model(prompts.size());
  if (!assistant) return run_generation(large, prompts, config, nullptr, options);
  const LanguageModel small = assistant->language_model(prompts.size());
  return run_generation(large, prompts, config, nullptr, options, &small);
}

// Agrees with `script` but where the number of ids is a multiple of `period`.
Script wrong_at_each(std::size_t period, Script script) {
  return [=](std::span<const TokenId> ids, std::span<float> logits) {
    script(ids, logits);
    if (ids.size() % period == 0) std::rotate(logits.begin(), logits.begin() + 1, logits.end());
  };
}

// Its opinion is another for each history, and about as often the one of pseudo_random as not.
void vague(std::span<const TokenId> ids, std::span<float> logits) {
  pseudo_random(ids, logits);
  std::mt19937 rng(
      static_cast<std::uint32_t>(ids.size() * 31 + static_cast<std::size_t>(ids.back())));
  if (rng() % 2 == 0) logits[rng() % logits.size()] = 9.0f;
}

// ---- passes

TEST(Assistance, OfTheModelItselfIsAlwaysAccepted) {
  ScriptedModel model{10, count_up}, assistant{10, count_up};
  auto config = new_tokens(11);
  config.num_assistant_tokens = 3;
  const auto out = run(model, &assistant, {{3, 4}}, config);
  EXPECT_EQ(out.new_tokens, Prompts({{5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5}}));
  // The prompt gives the first token; two rounds four each; what is left needs one less.
  EXPECT_EQ(model.tokens_per_pass, (std::vector<std::size_t>{2, 4, 4, 2}));
  EXPECT_EQ(out.draft_rounds, 3u);
  EXPECT_EQ(out.drafted_tokens, 7u);
  EXPECT_EQ(out.accepted_tokens, 7u);
  // The prompt, then in each round what was not read yet, and token by token.
  EXPECT_EQ(assistant.tokens_per_pass, (std::vector<std::size_t>{2, 1, 1, 1, 2, 1, 1, 2}));
}

TEST(Assistance, ThatIsWrongCostsNothingButTime) {
  ScriptedModel model{10, count_up}, assistant{10, wrong_at_each(4, count_up)};
  auto config = new_tokens(9);
  config.num_assistant_tokens = 3;
  config.num_assistant_tokens_schedule = "constant";
  const auto out = run(model, &assistant, {{1}}, config);
  EXPECT_EQ(out.new_tokens, Prompts({{2, 3, 4, 5, 6, 7, 8, 9, 0}}));
  // 2 | 3 4 (5 refused, said itself) | 6 7 8 (said 9, no longer drafted) | 0
  EXPECT_EQ(model.tokens_per_pass, (std::vector<std::size_t>{1, 4, 4, 1}));
  EXPECT_EQ(out.drafted_tokens, 6u);
  EXPECT_EQ(out.accepted_tokens, 5u);
}

TEST(Assistance, LeavesBothCachesWithAllButTheLastTokens) {
  ScriptedModel model{10, count_up}, assistant{10, wrong_at_each(3, count_up)};
  const auto out = run(model, &assistant, {{3, 4}, {7}}, new_tokens(8));
  for (std::size_t i = 0; i < 2; ++i) {
    Ids all_but_last = out.sequences[i];
    all_but_last.pop_back();
    EXPECT_EQ(model.cache[i], all_but_last);
    const Ids& read = assistant.cache[i];
    EXPECT_LT(read.size(), out.sequences[i].size());
    EXPECT_TRUE(std::equal(read.begin(), read.end(), out.sequences[i].begin()));
  }
}

TEST(Assistance, GoesOnFromItsCache) {
  ScriptedModel model{50, pseudo_random}, assistant{50, vague};
  const auto first = run(model, &assistant, {{1, 2}, {3}}, new_tokens(9));
  Prompts next = first.sequences;
  next[0].push_back(7);
  assistant.tokens_per_pass.clear();
  const std::size_t held = assistant.cache[0].size() + assistant.cache[1].size();
  const auto second = run(model, &assistant, next, new_tokens(9));
  EXPECT_EQ(assistant.tokens_per_pass[0], next[0].size() + next[1].size() - held);

  ScriptedModel fresh{50, pseudo_random}, behind{50, vague};
  behind.cache = {{1}, {}};
  EXPECT_EQ(run(fresh, &behind, next, new_tokens(9)).sequences, second.sequences);
  EXPECT_EQ(run(fresh, nullptr, second.sequences, new_tokens(1)).cached_tokens,
            second.sequences[0].size() + second.sequences[1].size() - 2);
}

TEST(Assistance, RefusesACacheThatHoldsTheWholePrompt) {
  ScriptedModel model{10, count_up}, assistant{10, count_up};
  assistant.cache = {{1, 2}};
  try {
    run(model, &assistant, {{1, 2}}, new_tokens(3));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "generate: assistant_past_key_values: sequence 0: expected at most all but the "
                 "last of the prompt's 2 tokens, got 2");
  }
}

TEST(Assistance, ReadsThePromptsInTheSameChunks) {
  ScriptedModel model{10, count_up}, assistant{10, count_up};
  auto config = new_tokens(1);
  config.prefill_chunk_size = 2;
  run(model, &assistant, {{0, 1, 2, 3, 4}, {5}}, config);
  EXPECT_EQ(assistant.tokens_per_pass, (std::vector<std::size_t>{3, 2, 1}));
}

// Drafts never need a place that the model alone would not.
TEST(Assistance, FitsStaticCachesAndTheContext) {
  for (std::int64_t room = 5; room < 12; ++room) {
    ScriptedModel model{100, count_up, room, room}, assistant{100, count_up, room, room};
    EXPECT_EQ(run(model, &assistant, {{0, 1, 2}}, new_tokens(50)).sequences[0].size(),
              static_cast<std::size_t>(room) + 1);
    // A cache without room for more than is needed to meet an end token.
    auto config = new_tokens(50);
    config.eos_token_id = {static_cast<TokenId>(room)};
    ScriptedModel tight{100, count_up, 1000, room}, tight_assistant{100, count_up, 1000, room - 2};
    EXPECT_EQ(run(tight, &tight_assistant, {{0, 1, 2}}, config).finish_reasons[0],
              FinishReason::kEos);
  }
}

// ---- how many tokens

std::vector<std::size_t> draft_lengths(const GenerationConfig& config, std::size_t wrong_period) {
  ScriptedModel model{100, count_up}, assistant{100, wrong_at_each(wrong_period, count_up)};
  run(model, &assistant, {{0}}, config);
  std::vector<std::size_t> lengths;
  for (std::size_t i = 1; i < model.tokens_per_pass.size(); ++i) {
    lengths.push_back(model.tokens_per_pass[i] - 1);
  }
  return lengths;
}

TEST(DraftLength, GrowsByTwoAndShrinksByOne) {
  auto config = new_tokens(24);
  config.num_assistant_tokens = 4;
  // 2 ids and four more times up to 5: 7 | 11, for it errs after 10 | 15 | 20 | 21 | 25.
  EXPECT_EQ(draft_lengths(config, 10), (std::vector<std::size_t>{4, 4, 3, 4, 4, 3}));
  EXPECT_EQ(draft_lengths(config, 1), (std::vector<std::size_t>{4, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                                1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}));
  config.num_assistant_tokens_schedule = "constant";
  EXPECT_EQ(draft_lengths(config, 10), (std::vector<std::size_t>{4, 4, 4, 4, 3}));
}

TEST(DraftLength, EndsWithATokenThatTheAssistantDoubts) {
  // Even ids are followed with probability 0.6, odd ones with 0.3.
  const Script script = [](std::span<const TokenId> ids, std::span<float> logits) {
    const double p = ids.back() % 2 == 0 ? 0.6 : 0.3;
    std::ranges::fill(logits, static_cast<float>(std::log((1 - p) / 3)));
    logits[static_cast<std::size_t>(ids.back() + 1) % 4] = static_cast<float>(std::log(p));
  };
  auto config = new_tokens(8);
  config.num_assistant_tokens = 5;
  for (const auto& [threshold, passes] :
       {std::pair{0.2, std::vector<std::size_t>{1, 6, 1}},
        std::pair{0.5, std::vector<std::size_t>{1, 3, 2, 2}},
        std::pair{0.7, std::vector<std::size_t>{1, 2, 2, 2, 1}}}) {
    ScriptedModel model{4, script}, assistant{4, script};
    config.assistant_confidence_threshold = threshold;
    run(model, &assistant, {{1}}, config);
    EXPECT_EQ(model.tokens_per_pass, passes) << threshold;
  }
}

TEST(DraftLength, EndsWithAnEndToken) {
  ScriptedModel model{10, count_up}, assistant{10, count_up};
  auto config = new_tokens(9);
  config.eos_token_id = {6};
  EXPECT_EQ(run(model, &assistant, {{2}}, config).drafted_tokens, 3u);  // 4, 5, 6
}

// No n-gram of one token may be repeated: after ten tokens nothing is left. The model ends before
// that, the assistant's drafts must not fail.
TEST(DraftLength, EndsWhereTheAssistantHasNothingToChoose) {
  auto config = new_tokens(9);
  config.no_repeat_ngram_size = 1;
  config.eos_token_id = {9};
  config.num_assistant_tokens = 100;
  ScriptedModel model{10, count_up}, assistant{10, [](auto, std::span<float> logits) {
                                                 for (float& x : logits) x = 1.0f;
                                                 logits[9] = -1.0f;
                                               }};
  EXPECT_EQ(run(model, &assistant, {{7}}, config).new_tokens, Prompts({{8, 9}}));
}

// ---- everything else is as without

// All that a caller can observe.
struct Observed {
  std::vector<std::string> events{};
  GenerateOutput out{};
  Prompts cache{};
};

std::string text_of(std::span<const TokenId> ids) {
  std::string text;
  for (const TokenId id : ids) text += std::to_string(id) + " ";
  return text;
}

Observed observe(ScriptedModel model, ScriptedModel* assistant, const Prompts& prompts,
                 const GenerationConfig& config, std::mt19937 rng) {
  Observed seen;
  GenerateOptions options;
  const auto chance = [&](unsigned out_of) { return rng() % out_of == 0; };
  const std::size_t cancel_at = chance(3) ? 1 + rng() % 40 : 1000;
  options.on_token = [&](const GenerationStep& step) {
    seen.events.push_back("token " + std::to_string(step.sequence) + " " +
                          std::to_string(step.token));
    return seen.events.size() < cancel_at;
  };
  if (chance(2)) {
    options.logits_processors = {[&](std::span<const TokenId> ids, std::span<float> logits) {
      seen.events.push_back("process " + text_of(ids));
      logits[ids.size() % logits.size()] += 1.0f;
    }};
  }
  if (chance(3)) {
    options.batch_logits_processor = [&](std::span<const Ids> sequences, Tensor& scores) {
      for (const Ids& ids : sequences) seen.events.push_back("batch " + text_of(ids));
      scores.f32()[sequences[0].size() % scores.f32().size()] += 2.0f;
    };
  }
  if (chance(3)) {
    options.stopping_criteria = [&](std::span<const Ids> sequences, std::span<const Tensor> scores,
                                    std::vector<bool>& stop) {
      seen.events.push_back("criteria " + std::to_string(scores.size()));
      for (std::size_t i = 0; i < stop.size(); ++i) stop[i] = sequences[i].back() == 3;
    };
  }
  seen.out = run(model, assistant, prompts, config, options);
  seen.cache = model.cache;
  return seen;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(
      a, b, [](const Tensor& x, const Tensor& y) { return std::ranges::equal(x.f32(), y.f32()); });
}

GenerationConfig random_config(std::mt19937& rng) {
  const auto chance = [&](unsigned out_of) { return rng() % out_of == 0; };
  GenerationConfig config;
  config.max_new_tokens = 1 + rng() % 40;
  if (chance(3)) config.max_length = 12 + rng() % 30, config.max_new_tokens.reset();
  if (chance(3)) config.repetition_penalty = chance(2) ? 1.3 : 0.7;
  if (chance(3)) config.no_repeat_ngram_size = 2 + rng() % 3;
  if (chance(3)) config.bad_words_ids = {{static_cast<TokenId>(rng() % 40)}, {5, 6}, {7, 8, 9}};
  if (chance(2)) config.eos_token_id = {4, static_cast<TokenId>(rng() % 40)};
  if (chance(3)) config.min_new_tokens = rng() % 10;
  if (chance(3)) config.min_length = rng() % 15;
  if (chance(3)) config.prefill_chunk_size = 1 + rng() % 4;
  config.output_scores = chance(4);
  config.output_logits = chance(4);
  config.num_assistant_tokens = 1 + rng() % 8;
  if (chance(3)) config.num_assistant_tokens_schedule = "constant";
  config.assistant_confidence_threshold = chance(2) ? 0.0 : 0.05 * static_cast<double>(rng() % 8);
  return config;
}

Prompts random_prompts(std::mt19937& rng) {
  Prompts prompts(1 + rng() % 5);
  for (Ids& prompt : prompts) {
    prompt.resize(1 + rng() % 9);
    for (TokenId& id : prompt) id = static_cast<TokenId>(rng() % 40);
  }
  return prompts;
}

TEST(Assistance, ChangesNothingThatAGreedyCallerCanObserve) {
  std::mt19937 rng(1);
  const Script scripts[] = {pseudo_random, vague, wrong_at_each(3, pseudo_random), count_up};
  std::size_t accepted = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto config = random_config(rng);
    const auto prompts = random_prompts(rng);
    const ScriptedModel model{40, pseudo_random};
    ScriptedModel assistant{40, scripts[rng() % std::size(scripts)]};
    const std::mt19937 callbacks(rng());
    const auto expected = observe(model, nullptr, prompts, config, callbacks);
    const auto actual = observe(model, &assistant, prompts, config, callbacks);
    ASSERT_EQ(actual.events, expected.events) << round;
    ASSERT_EQ(actual.out.sequences, expected.out.sequences) << round;
    ASSERT_EQ(actual.out.finish_reasons, expected.out.finish_reasons) << round;
    ASSERT_EQ(actual.cache, expected.cache) << round;
    ASSERT_TRUE(same_bits(actual.out.scores, expected.out.scores)) << round;
    ASSERT_TRUE(same_bits(actual.out.logits, expected.out.logits)) << round;
    accepted += actual.out.accepted_tokens;
    refused += actual.out.drafted_tokens - actual.out.accepted_tokens;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const Ids &read = assistant.cache[i], &ids = actual.out.sequences[i];
      ASSERT_TRUE(read.size() < ids.size() && std::equal(read.begin(), read.end(), ids.begin()));
    }
  }
  EXPECT_GT(accepted, 5000u);
  EXPECT_GT(refused, 5000u);
}

// An exception of a callback, at any token: the cache goes on from what was said.
TEST(Assistance, LeavesNoDraftInTheCachesAfterAThrow) {
  for (int calls = 1; calls < 20; ++calls) {
    ScriptedModel model{50, pseudo_random}, assistant{50, vague};
    GenerateOptions options;
    Prompts said = {{1, 2}, {3}};
    options.on_token = [&, left = calls](const GenerationStep& step) mutable {
      said[step.sequence].push_back(step.token);
      if (--left == 0) throw std::runtime_error("enough");
      return true;
    };
    EXPECT_THROW(run(model, &assistant, {{1, 2}, {3}}, new_tokens(20), options),
                 std::runtime_error);
    for (std::size_t i = 0; i < 2; ++i) {
      // The step's tokens are chosen before the first of them is heard.
      ASSERT_LE(model.cache[i].size(), said[i].size());
      EXPECT_TRUE(std::equal(model.cache[i].begin(), model.cache[i].end(), said[i].begin()));
      const Ids& read = assistant.cache[i];
      ASSERT_LE(read.size(), said[i].size());
      EXPECT_TRUE(std::equal(read.begin(), read.end(), said[i].begin()));
    }
  }
}

// ---- sampling

GenerationConfig sampling(std::int64_t count, std::uint64_t seed) {
  auto config = new_tokens(count);
  config.do_sample = true;
  config.top_k = 0;
  config.seed = seed;
  return config;
}

TEST(AssistedSampling, RepeatsWithTheSameSeedOnly) {
  const auto sample = [](std::uint64_t seed) {
    ScriptedModel model{50, pseudo_random}, assistant{50, vague};
    return run(model, &assistant, {{1, 2}}, sampling(30, seed)).sequences;
  };
  EXPECT_EQ(sample(7), sample(7));
  EXPECT_NE(sample(7), sample(8));
}

TEST(AssistedSampling, DoesNotDependOnTheBatch) {
  const Prompts prompts = {{1}, {2, 3}, {4, 4, 4}, {9}, {2, 3}};
  ScriptedModel model{50, pseudo_random}, assistant{50, vague};
  auto config = sampling(25, 3);
  config.assistant_confidence_threshold = 0.1;
  const auto batch = run(model, &assistant, prompts, config);
  EXPECT_GT(batch.accepted_tokens, 0u);
  EXPECT_LT(batch.accepted_tokens, batch.drafted_tokens);
  for (std::size_t i = 0; i < 4; ++i) {
    ScriptedModel alone{50, pseudo_random}, other{50, vague};
    EXPECT_EQ(run(alone, &other, {prompts[i]}, config).sequences[0], batch.sequences[i]) << i;
  }
  EXPECT_NE(batch.sequences[4], batch.sequences[1]);  // the second of its prompt
}

TEST(AssistedSampling, GivesSeveralSequencesOfOnePrefill) {
  ScriptedModel model{50, pseudo_random}, assistant{50, vague};
  auto config = sampling(10, 11);
  config.num_return_sequences = 3;
  const auto out = run(model, &assistant, {{1, 2}, {5}}, config);
  EXPECT_EQ(model.tokens_per_pass[0], 3u);
  EXPECT_EQ(assistant.tokens_per_pass[0], 3u);
  ScriptedModel repeated{50, pseudo_random}, repeated_assistant{50, vague};
  EXPECT_EQ(
      run(repeated, &repeated_assistant, {{1, 2}, {1, 2}, {1, 2}}, sampling(10, 11)).sequences,
      Prompts(out.sequences.begin(), out.sequences.begin() + 3));
}

std::vector<double> softmax(std::span<const float> scores) {
  std::vector<double> p;
  double total = 0.0;
  for (const float score : scores) total += p.emplace_back(std::exp(score));
  for (double& x : p) x /= total;
  return p;
}

// Over cells in which fewer than 5 are expected together.
struct ChiSquare {
  double value = 0.0;
  int degrees = -1;

  void add(double count, double expected) {
    count_ += count, expected_ += expected;
    if (expected_ < 5) return;
    value += (count_ - expected_) * (count_ - expected_) / expected_;
    ++degrees;
    count_ = expected_ = 0.0;
  }
  // Wilson and Hilferty's approximation: exceeded by one seed in 1,000.
  double limit() const {
    const double d = degrees, z = 3.09;
    return d * std::pow(1 - 2 / (9 * d) + z * std::sqrt(2 / (9 * d)), 3);
  }

 private:
  double count_ = 0.0, expected_ = 0.0;
};

TEST(DrawVerified, HasTheDistributionOfTheScores) {
  const std::vector<float> p = {0, 1, -1, 2, 0.5f, -kInfinity, 1.5f, -2};
  const std::vector<std::vector<float>> proposals = {
      {2, -1, 1, 0, 0.5f, 1, -3, 0},                                             // quite another
      {0, -kInfinity, -kInfinity, -kInfinity, -kInfinity, 1, -kInfinity, 0.5f},  // few tokens
      {-kInfinity, -kInfinity, -kInfinity, 0, -kInfinity, -kInfinity, -kInfinity, -kInfinity},
      p};
  const auto expected = softmax(p);
  CategoricalSampler sampler;
  for (const auto& q : proposals) {
    constexpr std::uint64_t kDraws = 50000;
    std::vector<double> counts(p.size());
    std::uint64_t accepted = 0;
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      DrawId id{5, 0, i, DrawPurpose::kDraft};
      const TokenId drafted = sampler.draw(q, uniform(id));
      const TokenId token = draw_verified(sampler, p, q, drafted, id);
      ++counts[static_cast<std::size_t>(token)];
      accepted += token == drafted;
    }
    ChiSquare chi_square;
    for (std::size_t i = 0; i < p.size(); ++i) chi_square.add(counts[i], kDraws * expected[i]);
    EXPECT_EQ(chi_square.degrees, 6);
    EXPECT_LT(chi_square.value, chi_square.limit());
    // The share of accepted tokens is the sum of min(p, q): Leviathan et al., theorem 3.5.
    double overlap = 0.0;
    const auto proposed = softmax(q);
    for (std::size_t i = 0; i < p.size(); ++i) overlap += std::min(expected[i], proposed[i]);
    EXPECT_NEAR(static_cast<double>(accepted) / kDraws, overlap, 0.01);
  }
}

// Three tokens of each of 24,000 sequences: with an assistant of quite another opinion, all triples
// are as frequent as the large model alone makes them.
void expect_distribution_of_the_model(GenerationConfig config, const Script& assistant_script) {
  constexpr std::size_t V = 6;
  config.num_return_sequences = 24000;
  const Script script = [](std::span<const TokenId> ids, std::span<float> logits) {
    pseudo_random(ids, logits);
  };
  ScriptedModel model{V, script}, assistant{V, assistant_script};
  const auto out = run(model, &assistant, {{1, 2}}, config);
  ASSERT_GT(out.accepted_tokens, 2000u);
  ASSERT_GT(out.drafted_tokens - out.accepted_tokens, 2000u);
  std::map<Ids, double> counts;
  for (const Ids& ids : out.new_tokens) ++counts[ids];

  const auto probabilities = [&](const Ids& ids) {
    std::vector<float> scores(V);
    script(ids, scores);
    const SequenceState state{ids, 2};
    for (const auto& process : make_logits_processors(config, V, {})) process(state, scores);
    for (const auto& process : make_logits_warpers(config)) process(state, scores);
    return softmax(scores);
  };
  ChiSquare chi_square;
  for (TokenId a = 0; a < static_cast<TokenId>(V); ++a) {
    for (TokenId b = 0; b < static_cast<TokenId>(V); ++b) {
      for (TokenId c = 0; c < static_cast<TokenId>(V); ++c) {
        const double p = probabilities({1, 2})[static_cast<std::size_t>(a)] *
                         probabilities({1, 2, a})[static_cast<std::size_t>(b)] *
                         probabilities({1, 2, a, b})[static_cast<std::size_t>(c)];
        const double count = counts.contains({a, b, c}) ? counts[{a, b, c}] : 0.0;
        EXPECT_TRUE(p > 0.0 || count == 0.0);
        chi_square.add(count, 24000 * p);
      }
    }
  }
  EXPECT_GT(chi_square.degrees, 5);
  EXPECT_LT(chi_square.value, chi_square.limit()) << chi_square.degrees;
}

// Depends on the last id only, and prefers what the model does not.
void contrary(std::span<const TokenId> ids, std::span<float> logits) {
  pseudo_random(ids.last(1), logits);
  for (float& x : logits) x = 2.0f - x;
}

TEST(AssistedSampling, HasTheDistributionOfTheModel) {
  for (const Script& assistant : {Script(vague), Script(contrary)}) {
    expect_distribution_of_the_model(sampling(3, 1), assistant);
    auto config = sampling(3, 2);
    config.temperature = 0.6;
    expect_distribution_of_the_model(config, assistant);
    config.temperature = 1.7;
    config.top_k = 4;
    expect_distribution_of_the_model(config, assistant);
    config.top_k = 0;
    config.top_p = 0.8;
    expect_distribution_of_the_model(config, assistant);
    config.min_p = 0.2;
    config.repetition_penalty = 1.4;
    config.bad_words_ids = {{3}};
    expect_distribution_of_the_model(config, assistant);
    // Drafts that end early must not favour any token.
    config = sampling(3, 3);
    config.assistant_confidence_threshold = 0.3;
    config.num_assistant_tokens = 2;
    expect_distribution_of_the_model(config, assistant);
  }
}

}  // namespace
}  // namespace gemma3n
