#include <gtest/gtest.h>

#include <cmath>

#include "generation/scripted_model.h"

namespace gemma3n {
namespace {

using Ids = std::vector<TokenId>;
using Prompts = std::vector<Ids>;

GenerateOutput run(ScriptedModel& model, const Prompts& prompts, const GenerationConfig& config,
                   const GenerateOptions& options = {}) {
  return run_generation(model.language_model(prompts.size()), prompts, config, nullptr, options);
}

GenerationConfig new_tokens(std::int64_t count) {
  GenerationConfig config;
  config.max_new_tokens = count;
  return config;
}

GenerationConfig sampling(std::int64_t count, std::uint64_t seed) {
  GenerationConfig config = new_tokens(count);
  config.do_sample = true;
  config.top_k = 0;
  config.seed = seed;
  return config;
}

ErrorCode code_of(ScriptedModel model, const Prompts& prompts, const GenerationConfig& config,
                  const GenerateOptions& options = {}) {
  try {
    run(model, prompts, config, options);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST(Generation, ContinuesThePromptGreedily) {
  ScriptedModel model{10, count_up};
  const auto out = run(model, {{3, 4}}, new_tokens(3));
  EXPECT_EQ(out.sequences, Prompts({{3, 4, 5, 6, 7}}));
  EXPECT_EQ(out.new_tokens, Prompts({{5, 6, 7}}));
  EXPECT_EQ(out.finish_reasons, std::vector{FinishReason::kLength});
  EXPECT_EQ(out.prompt_tokens, 2u);
  EXPECT_EQ(out.generated_tokens, 3u);
  EXPECT_EQ(out.text, std::vector<std::string>{""});  // no tokenizer
}

TEST(Generation, LeavesTheCacheWithAllButTheLastToken) {
  ScriptedModel model{10, count_up};
  run(model, {{3, 4}, {7}}, new_tokens(3));
  EXPECT_EQ(model.cache, Prompts({{3, 4, 5, 6}, {7, 8, 9}}));
}

TEST(Generation, StopsAtAnyEndToken) {
  ScriptedModel model{10, count_up};
  auto config = new_tokens(5);
  config.eos_token_id = {9, 6, 400};  // 400: not in this vocabulary
  const auto out = run(model, {{4}, {7}, {0}}, config);
  EXPECT_EQ(out.new_tokens, Prompts({{5, 6}, {8, 9}, {1, 2, 3, 4, 5}}));
  using enum FinishReason;
  EXPECT_EQ(out.finish_reasons, (std::vector{kEos, kEos, kLength}));
}

TEST(Generation, ComputesFinishedSequencesNoMore) {
  ScriptedModel model{10, count_up};
  auto config = new_tokens(5);
  config.eos_token_id = {6};
  run(model, {{5}, {0}}, config);
  EXPECT_EQ(model.tokens_per_pass, (std::vector<std::size_t>{2, 1, 1, 1, 1}));
}

TEST(Generation, GivesTwentyTokensByDefault) {
  ScriptedModel model{100, count_up};
  EXPECT_EQ(run(model, {{0, 1}, {5}}, {}).generated_tokens, 40u);
}

TEST(Generation, CountsThePromptInMaxLengthOnly) {
  ScriptedModel model{100, count_up};
  GenerationConfig config;
  config.max_length = 4;
  EXPECT_EQ(run(model, {{0, 1}, {5}}, config).new_tokens, Prompts({{2, 3}, {6, 7, 8}}));
  ScriptedModel other{100, count_up};
  config.max_new_tokens = 1;  // wins
  EXPECT_EQ(run(other, {{0, 1}, {5}}, config).new_tokens, Prompts({{2}, {6}}));
}

TEST(Generation, StopsWhenTheModelCanReadNoMore) {
  ScriptedModel model{100, count_up, 5};
  const auto out = run(model, {{0, 1, 2}}, new_tokens(50));
  EXPECT_EQ(out.new_tokens, Prompts({{3, 4, 5}}));  // five tokens were read, the sixth is the last
  EXPECT_EQ(out.finish_reasons, std::vector{FinishReason::kLength});
  ScriptedModel full{100, count_up, 5};
  EXPECT_EQ(run(full, {{0, 1, 2, 3, 4}}, new_tokens(50)).new_tokens, Prompts({{5}}));
}

TEST(Generation, RefusesAPromptLongerThanTheContext) {
  EXPECT_EQ(code_of({100, count_up, 5}, {{0}, {0, 1, 2, 3, 4, 5}}, {}), ErrorCode::kContextFull);
}

TEST(Generation, RefusesInvalidRequests) {
  const ScriptedModel model{10, count_up};
  EXPECT_EQ(code_of(model, {}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(model, {{1}, {}}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(model, {{1, 10}}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(model, {{-1}}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(model, {{1}}, new_tokens(0)), ErrorCode::kInvalidArgument);

  GenerationConfig config;
  config.stop_strings = {"x"};  // without a tokenizer
  EXPECT_EQ(code_of(model, {{1}}, config), ErrorCode::kInvalidArgument);
  config = {};
  config.max_length = 2;
  EXPECT_EQ(code_of(model, {{1}, {1, 2}}, config), ErrorCode::kInvalidArgument);
  config = {};
  config.bad_words_ids = {{10}};
  EXPECT_EQ(code_of(model, {{1}}, config), ErrorCode::kInvalidArgument);
  config = {};
  config.no_repeat_ngram_size = 1;  // after ten tokens none is left
  config.max_new_tokens = 10;
  EXPECT_EQ(code_of(model, {{0}}, config), ErrorCode::kInvalidArgument);
}

TEST(Generation, NamesTheTokenThatIsOutsideTheVocabulary) {
  ScriptedModel model{10, count_up};
  try {
    run(model, {{1}, {2, 77}}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "generate: prompt 1: token 1: expected an id from 0 to 9, got 77");
  }
}

TEST(Generation, ForbidsEndTokensUpToTheMinimum) {
  auto config = new_tokens(6);
  config.eos_token_id = {3};
  config.min_new_tokens = 4;
  ScriptedModel model{10, [](std::span<const TokenId>, std::span<float> logits) {
                        logits[3] = 2.0f;
                        logits[8] = 1.0f;
                      }};
  EXPECT_EQ(run(model, {{0}}, config).new_tokens, Prompts({{8, 8, 8, 8, 3}}));
  config.min_new_tokens = 0;
  config.min_length = 3;
  model.cache.clear();
  EXPECT_EQ(run(model, {{0}}, config).new_tokens, Prompts({{8, 8, 3}}));
}

TEST(Generation, ReportsScoresAndLogitsOfEachStep) {
  auto config = new_tokens(2);
  config.eos_token_id = {1};
  config.bad_words_ids = {{2}};
  config.output_scores = config.output_logits = true;
  ScriptedModel model{4, count_up};
  const auto out = run(model, {{0}, {2}}, config);
  EXPECT_EQ(out.new_tokens, Prompts({{1}, {3, 0}}));
  ASSERT_EQ(out.logits.size(), 2u);
  ASSERT_EQ(out.scores.size(), 2u);
  EXPECT_EQ(out.scores[0].shape(), (std::vector<std::int64_t>{2, 4}));
  const auto row = [](const Tensor& tensor, std::size_t i) {
    const auto part = tensor.f32().subspan(i * 4, 4);
    return std::vector<float>(part.begin(), part.end());
  };
  EXPECT_EQ(row(out.logits[0], 0), (std::vector<float>{0, 5, 0, 0}));
  EXPECT_EQ(row(out.scores[0], 1), (std::vector<float>{0, 0, -INFINITY, 5}));
  EXPECT_EQ(row(out.logits[1], 0), (std::vector<float>{0, 0, 0, 0}));  // finished
  EXPECT_EQ(row(out.logits[1], 1), (std::vector<float>{5, 0, 0, 0}));
  EXPECT_EQ(row(out.scores[1], 0), (std::vector<float>{0, 0, 0, 0}));
}

TEST(Generation, RunsTheCallersProcessors) {
  GenerateOptions options;
  options.logits_processors = {
      [](std::span<const TokenId> ids, std::span<float> logits) { logits[ids.size()] = 100.0f; }};
  ScriptedModel model{10, count_up};
  EXPECT_EQ(run(model, {{9, 9}}, new_tokens(3), options).new_tokens, Prompts({{2, 3, 4}}));
}

// The user's processor sees what is before the temperature (/ 4), and the chosen scores are after.
TEST(Generation, RunsTheCallersProcessorsBeforeTheTemperature) {
  GenerateOptions options;
  std::vector<float> seen;
  options.logits_processors = {[&](std::span<const TokenId>, std::span<float> scores) {
    seen.assign(scores.begin(), scores.end());
  }};
  auto config = new_tokens(1);
  config.do_sample = true;
  config.temperature = 4.0;
  config.top_k = 0;
  config.output_scores = true;
  ScriptedModel model{4, count_up};
  const auto out = run(model, {{0}}, config, options);
  EXPECT_EQ(seen, (std::vector<float>{0, 5, 0, 0}));
  EXPECT_EQ(out.scores[0].f32()[1], 1.25f);
}

TEST(Generation, ShowsAllSequencesToABatchProcessor) {
  GenerateOptions options;
  std::vector<Prompts> seen;
  options.batch_logits_processor = [&](std::span<const Ids> sequences, Tensor& scores) {
    seen.emplace_back(sequences.begin(), sequences.end());
    EXPECT_EQ(scores.shape(), (std::vector<std::int64_t>{2, 10}));
    scores.f32()[10 + 7] = 100.0f;  // the second sequence's
  };
  ScriptedModel model{10, count_up};
  EXPECT_EQ(run(model, {{9}, {1, 2}}, new_tokens(2), options).new_tokens,
            Prompts({{0, 1}, {7, 7}}));
  EXPECT_EQ(seen, (std::vector<Prompts>{{{9}, {1, 2}}, {{9, 0}, {1, 2, 7}}}));
}

TEST(Generation, RefusesNonsenseFromABatchProcessor) {
  GenerateOptions options;
  ScriptedModel model{10, count_up};
  options.batch_logits_processor = [](std::span<const Ids>, Tensor& scores) {
    scores.f32()[3] = NAN;
  };
  EXPECT_THROW(run(model, {{9}}, new_tokens(1), options), Error);
  options.batch_logits_processor = [](std::span<const Ids>, Tensor& scores) {
    scores = Tensor(DType::kF32, {1, 9});
  };
  EXPECT_THROW(run(model, {{9}}, new_tokens(1), options), Error);
}

TEST(Generation, EndsTheSequencesThatACriterionNames) {
  auto config = new_tokens(4);
  config.output_scores = true;
  GenerateOptions options;
  options.stopping_criteria = [](std::span<const Ids> sequences, std::span<const Tensor> scores,
                                 std::vector<bool>& stop) {
    EXPECT_EQ(scores.size() + 1, sequences[1].size());
    stop[0] = sequences[0].back() == 2;
  };
  ScriptedModel model{10, count_up};
  const auto out = run(model, {{0}, {4}}, config, options);
  EXPECT_EQ(out.new_tokens, Prompts({{1, 2}, {5, 6, 7, 8}}));
  EXPECT_EQ(out.finish_reasons[0], FinishReason::kStoppingCriteria);
  EXPECT_EQ(out.finish_reasons[1], FinishReason::kLength);
  EXPECT_EQ(finish_reason_name(out.finish_reasons[0]), "stopping_criteria");
  options.stopping_criteria = [](std::span<const Ids>, std::span<const Tensor>,
                                 std::vector<bool>& stop) { stop.resize(1); };
  EXPECT_THROW(run(model, {{0}, {4}}, new_tokens(1), options), Error);
}

// ---- prefill

TEST(Prefill, ReadsAllPromptsInOnePass) {
  ScriptedModel model{10, count_up};
  run(model, {{0, 1, 2}, {5}}, new_tokens(1));
  EXPECT_EQ(model.tokens_per_pass, std::vector<std::size_t>{4});
}

TEST(Prefill, ReadsInChunksWithTheSameResult) {
  const Prompts prompts = {{0, 1, 2, 3, 4}, {5}, {2, 4, 8}};
  ScriptedModel whole{50, pseudo_random};
  const auto expected = run(whole, prompts, new_tokens(6));
  for (std::int64_t chunk = 1; chunk <= 6; ++chunk) {
    ScriptedModel model{50, pseudo_random};
    auto config = new_tokens(6);
    config.prefill_chunk_size = chunk;
    EXPECT_EQ(run(model, prompts, config).sequences, expected.sequences) << chunk;
    if (chunk == 2) {
      EXPECT_EQ(model.tokens_per_pass[0], 5u);  // two, one and two
    }
  }
}

TEST(Prefill, ReportsProgress) {
  ScriptedModel model{10, count_up};
  std::vector<double> shares;
  GenerateOptions options;
  options.on_prefill = [&](double share) {
    shares.push_back(share);
    return true;
  };
  run(model, {Ids(640, 1)}, new_tokens(1), options);
  EXPECT_EQ(shares, (std::vector<double>{0.4, 0.8, 1.0}));  // 256, 512, 640
}

TEST(Prefill, CanBeCancelledBetweenChunks) {
  ScriptedModel model{10, count_up};
  auto config = new_tokens(5);
  config.prefill_chunk_size = 2;
  GenerateOptions options;
  options.on_prefill = [](double share) { return share < 0.5; };
  const auto out = run(model, {{0, 1, 2, 3, 4}}, config, options);
  EXPECT_EQ(out.finish_reasons, std::vector{FinishReason::kCancelled});
  EXPECT_EQ(out.sequences, Prompts({{0, 1, 2, 3, 4}}));
  EXPECT_EQ(out.new_tokens, Prompts({{}}));
  EXPECT_EQ(model.cache, Prompts({{0, 1, 2, 3}}));
}

TEST(Prefill, ContinuesWhatTheCacheHolds) {
  ScriptedModel model{50, pseudo_random};
  const auto first = run(model, {{1, 2}, {3}}, new_tokens(4));
  Prompts next = first.sequences;
  next[0].push_back(7);  // one prompt goes on, the other just continues
  model.tokens_per_pass.clear();
  const auto second = run(model, next, new_tokens(4));
  EXPECT_EQ(model.tokens_per_pass[0], 3u);  // its last token and 7; the other's last token
  EXPECT_EQ(second.cached_tokens, 5u + 4u);
  EXPECT_EQ(second.prompt_tokens, 7u + 5u);

  ScriptedModel fresh{50, pseudo_random};
  EXPECT_EQ(run(fresh, next, new_tokens(4)).sequences, second.sequences);
}

TEST(Prefill, RefusesACacheThatHoldsTheWholePrompt) {
  ScriptedModel model{10, count_up};
  model.cache = {{1, 2}};
  EXPECT_EQ(code_of(model, {{1, 2}}, {}), ErrorCode::kInvalidArgument);
}

// ---- callbacks

TEST(OnToken, SeesEveryTokenInOrder) {
  ScriptedModel model{10, count_up};
  auto config = new_tokens(3);
  config.eos_token_id = {6};
  std::vector<std::pair<std::size_t, TokenId>> seen;
  GenerateOptions options;
  options.on_token = [&](const GenerationStep& step) {
    seen.emplace_back(step.sequence, step.token);
    return true;
  };
  run(model, {{1}, {4}}, config, options);
  EXPECT_EQ(seen,
            (std::vector<std::pair<std::size_t, TokenId>>{{0, 2}, {1, 5}, {0, 3}, {1, 6}, {0, 4}}));
}

TEST(OnToken, CancelsAllSequencesAtTheSameStep) {
  ScriptedModel model{10, count_up};
  int calls = 0;
  GenerateOptions options;
  options.on_token = [&](const GenerationStep&) { return ++calls < 3; };
  const auto out = run(model, {{0}, {5}}, new_tokens(5), options);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(out.new_tokens, Prompts({{1, 2}, {6, 7}}));
  EXPECT_EQ(out.finish_reasons, std::vector(2, FinishReason::kCancelled));
  EXPECT_EQ(model.cache, Prompts({{0, 1}, {5, 6}}));  // all but the last, as ever
}

TEST(OnToken, CannotCancelWhatIsFinished) {
  ScriptedModel model{10, count_up};
  GenerateOptions options;
  options.on_token = [](const GenerationStep&) { return false; };
  EXPECT_EQ(run(model, {{0}}, new_tokens(1), options).finish_reasons,
            std::vector{FinishReason::kLength});
}

// ---- sampling

TEST(Sampling, RepeatsWithTheSameSeedOnly) {
  ScriptedModel a{50, pseudo_random}, b{50, pseudo_random}, c{50, pseudo_random};
  const auto first = run(a, {{1, 2}}, sampling(30, 7));
  EXPECT_EQ(run(b, {{1, 2}}, sampling(30, 7)).sequences, first.sequences);
  EXPECT_NE(run(c, {{1, 2}}, sampling(30, 8)).sequences, first.sequences);
}

TEST(Sampling, DoesNotDependOnTheBatch) {
  const Prompts prompts = {{1}, {2, 3}, {4, 4, 4}, {9}};
  ScriptedModel together{50, pseudo_random};
  const auto batch = run(together, prompts, sampling(20, 3));
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    ScriptedModel alone{50, pseudo_random};
    EXPECT_EQ(run(alone, {prompts[i]}, sampling(20, 3)).sequences[0], batch.sequences[i]) << i;
  }
}

TEST(Sampling, ContinuesAsIfItHadNotStopped) {
  ScriptedModel whole{50, pseudo_random}, parts{50, pseudo_random};
  const auto expected = run(whole, {{1, 2}}, sampling(20, 5));
  const auto half = run(parts, {{1, 2}}, sampling(10, 5));
  EXPECT_EQ(run(parts, half.sequences, sampling(10, 5)).sequences, expected.sequences);
}

TEST(Sampling, GivesSeveralSequencesOfOnePrefill) {
  ScriptedModel model{50, pseudo_random};
  auto config = sampling(10, 11);
  config.num_return_sequences = 3;
  const auto out = run(model, {{1, 2}, {5}}, config);
  ASSERT_EQ(out.sequences.size(), 6u);
  EXPECT_EQ(model.tokens_per_pass[0], 3u);
  EXPECT_EQ(model.tokens_per_pass[1], 6u);
  EXPECT_EQ(out.sequences[2][0], 1);
  EXPECT_EQ(out.sequences[3][0], 5);
  EXPECT_NE(out.sequences[0], out.sequences[1]);
  EXPECT_NE(out.sequences[1], out.sequences[2]);
  for (std::size_t i = 0; i < 6; ++i) {
    Ids all_but_last = out.sequences[i];
    all_but_last.pop_back();
    EXPECT_EQ(model.cache[i], all_but_last);
  }

  // The same as the prompt three times, and the first as the prompt once.
  ScriptedModel repeated{50, pseudo_random};
  EXPECT_EQ(run(repeated, {{1, 2}, {1, 2}, {1, 2}}, sampling(10, 11)).sequences,
            Prompts(out.sequences.begin(), out.sequences.begin() + 3));
}

// 2,000 first tokens against the softmax of logits 0, 1, 2 at temperature 2, of which top_k = 2
// leaves the last two: weights exp(0.5) and exp(1). Chi-square, 1 degree of freedom: 10.8 is
// exceeded once in 1,000 seeds.
TEST(Sampling, DrawsFromTheFilteredDistribution) {
  ScriptedModel model{3, [](std::span<const TokenId>, std::span<float> logits) {
                        logits[1] = 1.0f;
                        logits[2] = 2.0f;
                      }};
  auto config = sampling(1, 42);
  config.temperature = 2.0;
  config.top_k = 2;
  config.num_return_sequences = 2000;
  const auto out = run(model, {{0}}, config);
  std::vector<double> counts(3);
  for (const Ids& ids : out.new_tokens) ++counts[static_cast<std::size_t>(ids.at(0))];
  EXPECT_EQ(counts[0], 0);
  const double expected = 2000 / (1 + std::exp(0.5));
  const double difference = counts[1] - expected;
  EXPECT_LT(difference * difference / expected + difference * difference / (2000 - expected), 10.8);
}

}  // namespace
}  // namespace gemma3n
