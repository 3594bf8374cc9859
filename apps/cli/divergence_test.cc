#include "divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gemma3n::cli {
namespace {

TEST(TokenDivergence, IsTheKullbackLeiblerDivergenceOfTheSoftmax) {
  // P = (1/2, 1/2), Q = (1/4, 3/4): 1/2 log 2 + 1/2 log 2/3 = 1/2 log 4/3.
  const float even[] = {5.0f, 5.0f}, odd[] = {0.0f, std::log(3.0f)};
  EXPECT_NEAR(token_divergence(even, odd).nats, 0.5 * std::log(4.0 / 3.0), 1e-7);
  // The other way: 1/4 log 1/2 + 3/4 log 3/2.
  EXPECT_NEAR(token_divergence(odd, even).nats, 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-7);
  // Three tokens by hand: P = (0.7, 0.2, 0.1), Q = (0.1, 0.2, 0.7): 0.6 log 7.
  const float p[] = {std::log(7.0f), std::log(2.0f), 0.0f};
  const float q[] = {0.0f, std::log(2.0f), std::log(7.0f)};
  EXPECT_NEAR(token_divergence(p, q).nats, 0.6 * std::log(7.0), 1e-6);
  EXPECT_FALSE(token_divergence(p, q).is_same_top);
}

TEST(TokenDivergence, OfTheSameLogitsIsExactlyZero) {
  std::vector<float> logits;
  for (int i = 0; i < 1000; ++i) logits.push_back(30.0f * std::sin(static_cast<float>(i * i)));
  const auto same = token_divergence(logits, logits);
  EXPECT_EQ(same.nats, 0.0);
  EXPECT_TRUE(same.is_same_top);
}

TEST(TokenDivergence, IsNoLessThanZeroWhateverIsAddedToAllLogits) {
  std::vector<float> p = {1.25f, -7.5f, 3.0f}, q = p;
  for (float& v : q) v += 1000.0f;
  const auto token = token_divergence(p, q);
  EXPECT_GE(token.nats, 0.0);
  EXPECT_NEAR(token.nats, 0.0, 1e-12);
  EXPECT_TRUE(token.is_same_top);
}

TEST(DivergenceSum, GivesMeanPercentilesAndAgreement) {
  DivergenceSum sum;
  for (int i = 200; i >= 1; --i) sum.add({static_cast<double>(i), i % 4 != 0});
  EXPECT_EQ(sum.tokens(), 200u);
  EXPECT_DOUBLE_EQ(sum.mean(), 100.5);
  EXPECT_EQ(sum.percentile(0.99), 198);
  EXPECT_EQ(sum.percentile(0.5), 100);
  EXPECT_EQ(sum.percentile(1), 200);
  EXPECT_DOUBLE_EQ(sum.top_agreement(), 0.75);
  DivergenceSum one;
  one.add({0.5, true});
  EXPECT_EQ(one.percentile(0.99), 0.5);
}

using Scored = std::vector<std::int64_t>;

TEST(PromptParts, OfTextScoreAllTokensButTheFirst) {
  const std::vector<std::int64_t> types(10, 0);
  const auto whole = prompt_parts(types, 100);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].end, 10u);
  EXPECT_EQ(whole[0].scored, (Scored{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  const auto parts = prompt_parts(types, 4);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[1].begin, 4u);
  EXPECT_EQ(parts[1].end, 8u);
  EXPECT_EQ(parts[1].scored, (Scored{0, 1, 2, 3}));
  EXPECT_EQ(parts[2].scored, (Scored{0}));
  EXPECT_TRUE(prompt_parts({}, 4).empty());
}

TEST(PromptParts, NeverCutAMedium) {
  // Text, a picture of three tokens, text, a sound of two, text.
  const std::vector<std::int64_t> types = {0, 0, 1, 1, 1, 0, 3, 3, 0, 0};
  const auto whole = prompt_parts(types, 100);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].scored, (Scored{0, 4, 7, 8}));  // what these predict is text
  EXPECT_EQ(whole[0].images, 1u);
  EXPECT_EQ(whole[0].sounds, 1u);
  const auto parts = prompt_parts(types, 1);
  std::size_t end = 0, scored = 0, images = 0, sounds = 0;
  for (const auto& part : parts) {
    EXPECT_EQ(part.begin, end);
    end = part.end;
    if (part.begin > 0) {
      EXPECT_TRUE(types[part.begin] == 0 || types[part.begin] != types[part.begin - 1]);
    }
    scored += part.scored.size();
    images += part.images;
    sounds += part.sounds;
  }
  EXPECT_EQ(end, types.size());
  EXPECT_EQ(scored, 4u);
  EXPECT_EQ(images, 1u);
  EXPECT_EQ(sounds, 1u);
}

TEST(MediaOfPart, AreItsRows) {
  MediaInputs media;
  media.pixel_values = Tensor::of(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 1, 1, 2});
  PromptPart part;
  part.images = 2;
  const auto found = media_of_part(media, part, 1, 0);
  EXPECT_EQ(found.pixel_values.shape(), (std::vector<std::int64_t>{2, 1, 1, 2}));
  EXPECT_EQ(found.pixel_values.f32()[0], 3.0f);
  EXPECT_EQ(found.pixel_values.f32()[3], 6.0f);
  EXPECT_FALSE(found.input_features);
}

}  // namespace
}  // namespace gemma3n::cli
