#include "perplexity.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gemma3n::cli {
namespace {

TEST(NegativeLogLikelihood, IsThatOfTheSoftmax) {
  const float even[] = {3.0f, 3.0f, 3.0f, 3.0f};
  EXPECT_DOUBLE_EQ(negative_log_likelihood(even, 2), std::log(4.0));
  const float odds[] = {0.0f, std::log(3.0f)};  // 1 to 3
  EXPECT_NEAR(negative_log_likelihood(odds, 0), std::log(4.0), 1e-7);
  EXPECT_NEAR(negative_log_likelihood(odds, 1), std::log(4.0 / 3.0), 1e-7);
  const float large[] = {1000.0f, 0.0f};
  EXPECT_EQ(negative_log_likelihood(large, 0), 0);
  EXPECT_EQ(negative_log_likelihood(large, 1), 1000);
}

TEST(PerplexityWindows, ScoreEachTokenOnce) {
  for (std::size_t tokens = 1; tokens < 20; ++tokens) {
    for (std::size_t context = 2; context < 12; ++context) {
      for (std::size_t stride = 1; stride < context; ++stride) {
        std::size_t scored = 0;
        for (const auto& window : perplexity_windows(tokens, context, stride)) {
          EXPECT_EQ(window.first_scored, scored);
          EXPECT_LE(window.begin, window.first_scored);
          EXPECT_LT(window.first_scored, window.end);
          EXPECT_LE(window.end - window.begin, context - 1);
          scored = window.end;
        }
        EXPECT_EQ(scored, tokens);
      }
    }
  }
}

TEST(PerplexityWindows, BeginAStrideApart) {
  // Ten tokens, windows of <bos> and 5, every 3: [0 5), [3 8) scoring 5 to 7, [6 10) scoring 8, 9.
  const auto windows = perplexity_windows(10, 6, 3);
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[1].begin, 3u);
  EXPECT_EQ(windows[1].end, 8u);
  EXPECT_EQ(windows[1].first_scored, 5u);
  EXPECT_EQ(windows[2].begin, 6u);
  EXPECT_EQ(windows[2].end, 10u);
  EXPECT_EQ(windows[2].first_scored, 8u);
  EXPECT_EQ(perplexity_windows(3, 2048, 1024).size(), 1u);
}

TEST(PerplexitySum, GivesMeansOfTokensAndBytes) {
  const PerplexitySum sum = {.tokens = 4, .nats = 4 * std::log(2.0)};
  EXPECT_DOUBLE_EQ(sum.nats_per_token(), std::log(2.0));
  EXPECT_DOUBLE_EQ(sum.perplexity(), 2);
  EXPECT_DOUBLE_EQ(sum.bits_per_byte(8), 0.5);
}

const ForCausalLM& chat_model() {
  static const auto kModel =
      ForCausalLM::from_pretrained(GEMMA3N_CHECKPOINTS "/chat", {.threads = 2});
  return kModel;
}

constexpr TokenId kBos = 2;

std::vector<TokenId> some_tokens(std::size_t count) {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>(10 + i * 37 % 380));
  return tokens;
}

PerplexitySum measured(std::span<const TokenId> tokens, std::size_t context, std::size_t stride) {
  return measure_perplexity(chat_model(), kBos, tokens,
                            perplexity_windows(tokens.size(), context, stride),
                            [](const PerplexitySum&) { return true; });
}

// One forward call per window, all logits, probabilities as quotients.
double plainly(std::span<const TokenId> tokens, std::size_t context, std::size_t stride) {
  double nats = 0;
  std::size_t scored = 0;
  for (std::size_t begin = 0; scored < tokens.size(); begin += stride) {
    const std::size_t end = std::min(begin + context - 1, tokens.size());
    std::vector<std::int64_t> ids = {kBos};
    ids.insert(ids.end(), tokens.begin() + static_cast<std::ptrdiff_t>(begin),
               tokens.begin() + static_cast<std::ptrdiff_t>(end));
    CausalLMInputs inputs;
    inputs.input_ids = Tensor::of(ids, {1, static_cast<std::int64_t>(ids.size())});
    const auto logits = chat_model().forward(inputs).logits;
    const auto V = static_cast<std::size_t>(logits.dim(2));
    for (; scored < end; ++scored) {
      const auto row = logits.f32().subspan((scored - begin) * V, V);
      double total = 0;
      for (const float logit : row) total += std::exp(static_cast<double>(logit));
      const auto wanted = static_cast<double>(row[static_cast<std::size_t>(tokens[scored])]);
      nats -= std::log(std::exp(wanted) / total);
    }
  }
  return nats;
}

TEST(MeasurePerplexity, EqualsOneForwardCallPerWindow) {
  // Windows below and above the rows of a step (128), and the whole text at once.
  const auto tokens = some_tokens(400);
  for (const auto& [context, stride] : {std::pair<std::size_t, std::size_t>{2, 1},
                                        {16, 8},
                                        {16, 15},
                                        {300, 150},
                                        {300, 20},
                                        {512, 256}}) {
    const auto sum = measured(tokens, context, stride);
    EXPECT_EQ(sum.tokens, tokens.size());
    EXPECT_NEAR(sum.nats, plainly(tokens, context, stride), 1e-6 * sum.nats)
        << context << " " << stride;
  }
}

TEST(MeasurePerplexity, OfOneTokenIsItsProbabilityAfterBos) {
  const auto tokens = some_tokens(1);
  CausalLMInputs inputs;
  inputs.input_ids = Tensor::of(std::vector<std::int64_t>{kBos}, {1, 1});
  const auto logits = chat_model().forward(inputs).logits;
  EXPECT_EQ(measured(tokens, 16, 8).nats, negative_log_likelihood(logits.f32(), tokens[0]));
}

TEST(MeasurePerplexity, EndsWhenToldTo) {
  const auto tokens = some_tokens(400);
  const auto sum =
      measure_perplexity(chat_model(), kBos, tokens, perplexity_windows(400, 200, 100),
                         [](const PerplexitySum& so_far) { return so_far.tokens == 0; });
  EXPECT_EQ(sum.tokens, 128u);
}

}  // namespace
}  // namespace gemma3n::cli
