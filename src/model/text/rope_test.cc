#include "model/text/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gemma3n {
namespace {

TEST(SinCos, IsTheDoublePrecisionValueRounded) {
  for (double x = 0; x < 40000; x = x * 1.001 + 0.0137) {
    const auto angle = static_cast<float>(x);
    const SinCos v = sin_cos(angle);
    EXPECT_NEAR(v.sin, std::sin(static_cast<double>(angle)), 6.1e-8) << angle;
    EXPECT_NEAR(v.cos, std::cos(static_cast<double>(angle)), 6.1e-8) << angle;
  }
  EXPECT_EQ(sin_cos(0.0f).cos, 1.0f);
}

TEST(RotaryEmbedding, FrequenciesArePowersOfTheta) {
  // theta^(-2j / E) for E = 4: 1 and 1 / 100.
  const RotaryEmbedding rope(RopeParameters{.rope_theta = 10000.0}, 4, 100);
  ASSERT_EQ(rope.inv_freq().size(), 2u);
  EXPECT_EQ(rope.inv_freq()[0], 1.0f);
  EXPECT_FLOAT_EQ(rope.inv_freq()[1], 0.01f);
  RopeParameters linear{.rope_type = "linear", .rope_theta = 10000.0};
  linear.factor = 4.0;
  EXPECT_EQ(RotaryEmbedding(linear, 4, 100).inv_freq()[0], 0.25f);
}

TEST(RotaryEmbedding, YarnRoundsTheBordersOfItsRampEvenIfToldNotTo) {
  // E = 8, theta 1000, 16 positions: the ramp runs from floor(-2.9) -> 0 to ceil(0.54) = 1, so that
  // all frequencies but the first are divided by the factor. Ref: HF _compute_yarn_parameters
  RopeParameters yarn{.rope_type = "yarn", .rope_theta = 1000.0};
  yarn.factor = 4.0;
  yarn.original_max_position_embeddings = 16;
  const auto expected = RotaryEmbedding(yarn, 8, 256).inv_freq();
  EXPECT_EQ(expected[0], 1.0f);
  EXPECT_FLOAT_EQ(expected[1], 0.25f * std::pow(1000.0f, -0.25f));
  yarn.truncate = false;
  EXPECT_EQ(RotaryEmbedding(yarn, 8, 256).inv_freq(), expected);
}

TEST(Rotate, TurnsPairsOfHalvesByTheRowsAngle) {
  Arena arena;
  ThreadPool pool(1);
  Ops op(portable_kernels(), arena, pool);
  const RotaryEmbedding rope(RopeParameters{.rope_theta = 10000.0}, 2, 100);  // one frequency: 1
  const Index positions[] = {0, 1};
  std::vector<float> x = {1, 0, 1, 0};
  rotate(op, View<float>(x.data(), {2, 1, 2}), rope.tables(op, positions));
  EXPECT_EQ(x[0], 1.0f);
  EXPECT_FLOAT_EQ(x[2], std::cos(1.0f));
  EXPECT_FLOAT_EQ(x[3], std::sin(1.0f));
}

}  // namespace
}  // namespace gemma3n
