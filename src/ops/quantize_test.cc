// Weights of 4 and 8 bits: how close they are, and that products and look-ups are those of the
// values they stand for.
#include "ops/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <span>

#include "ops/ops.h"

namespace gemma3n {
namespace {

class Quantize : public testing::TestWithParam<Storage> {
 protected:
  const Storage storage_ = GetParam();
  const bool is_int4_ = storage_ == Storage::kInt4Blocks || storage_ == Storage::kInt4Groups;
  Arena arena_;
  ThreadPool pool_{2};
  Ops op_{active_kernels(), arena_, pool_};
  std::vector<std::byte> blocks_;

  Weight quantized(const std::vector<float>& values, Index O, Index I,
                   std::span<const float> importance = {}) {
    const Weight rows{values.data(), DType::kF32, {O, I}};
    blocks_.resize(quantized_size(rows.shape, storage_));
    return quantize(pool_, rows, storage_, blocks_.data(), importance);
  }
  // What the blocks stand for.
  std::vector<float> values_of(const Weight& w) {
    std::vector<Index> ids(static_cast<std::size_t>(w.shape[0]));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Index>(i);
    const auto all = op_.lookup(w, ids, 1.0f);
    return {all.data(), all.data() + all.size()};
  }
};

std::vector<float> random_floats(std::size_t n, float scale = 1.0f) {
  static std::mt19937 rng(11);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  for (float& v : values) v = normal(rng);
  return values;
}

double relative_error(const std::vector<float>& actual, const std::vector<float>& expected) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(static_cast<double>(actual[i]) - expected[i], 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(error / size);
}

TEST_P(Quantize, ValuesAreClose) {
  for (const float scale : {1.0f, 0.01f, 50.0f}) {
    const auto values = random_floats(37 * 96, scale);
    const double error = relative_error(values_of(quantized(values, 37, 96)), values);
    EXPECT_LT(error, is_int4_ ? 0.084 : 0.0055) << scale;
    EXPECT_GT(error, is_int4_ ? 0.02 : 0.001) << scale;
  }
}

// The search has to be worth its time: rounding to max / 8 is the plain way.
TEST_P(Quantize, TheSearchedScaleBeatsThePlainOne) {
  if (!is_int4_) GTEST_SKIP() << "8 bits need no search";
  const auto values = random_floats(16 * 320);
  std::vector<float> plain(values.size());
  for (std::size_t at = 0; at < values.size(); at += kGroup) {
    float most = 0;
    for (std::size_t k = at; k < at + kGroup; ++k) {
      if (std::fabs(values[k]) > std::fabs(most)) most = values[k];
    }
    const float scale = most / -8.0f;
    for (std::size_t k = at; k < at + kGroup; ++k) {
      plain[k] = scale * std::clamp(std::nearbyint(values[k] / scale), -8.0f, 7.0f);
    }
  }
  EXPECT_LT(relative_error(values_of(quantized(values, 16, 320)), values),
            0.95 * relative_error(plain, values));
}

TEST_P(Quantize, WhatIsRepresentableStaysAsItIs) {
  std::vector<float> values(16 * 32);
  const int top = is_int4_ ? 8 : 127;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 0.25f * static_cast<float>(static_cast<int>(i * 7 % 16) - 8);
    if (i % 32 == 3) values[i] = -0.25f * static_cast<float>(top);
  }
  EXPECT_EQ(values_of(quantized(values, 16, 32)), values);
  const std::vector<float> zeros(5 * 64);
  EXPECT_EQ(values_of(quantized(zeros, 5, 64)), zeros);
}

// sum of importance * (what is kept - what was)^2
double weighted_error(const std::vector<float>& kept, const std::vector<float>& values,
                      const std::vector<float>& importance) {
  double error = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error +=
        importance[i % importance.size()] * std::pow(static_cast<double>(kept[i]) - values[i], 2);
  }
  return error;
}

TEST_P(Quantize, WhatCountsMoreLosesLess) {
  constexpr Index kRows = 48, kColumns = 320;
  const auto values = random_floats(kRows * kColumns);
  for (const float spread : {0.1f, 1.0f, 2.0f}) {
    auto importance = random_floats(kColumns, spread);
    for (float& v : importance) v = std::exp(v);
    const auto plain = values_of(quantized(values, kRows, kColumns));
    const auto weighted = values_of(quantized(values, kRows, kColumns, importance));
    const double before = weighted_error(plain, values, importance);
    const double after = weighted_error(weighted, values, importance);
    if (is_int4_) {
      EXPECT_LT(after, before * (spread < 1 ? 1.0 : 0.95)) << spread;
    } else {
      EXPECT_EQ(weighted, plain);  // there is nothing to choose
    }
  }
}

// Four of 32 inputs are all there is: they are kept about as well as by themselves.
TEST_P(Quantize, WhatIsNeverUsedIsNearlyForgotten) {
  if (!is_int4_) GTEST_SKIP() << "8 bits need no search";
  const auto values = random_floats(64 * 32);
  std::vector<float> importance(32);
  for (const std::size_t used : {1, 9, 17, 30}) importance[used] = 5.0f;
  const auto plain = values_of(quantized(values, 64, 32));
  const auto kept = values_of(quantized(values, 64, 32, importance));
  EXPECT_LT(weighted_error(kept, values, importance),
            0.8 * weighted_error(plain, values, importance));
  EXPECT_LT(relative_error(kept, values), 0.2);  // the others are still there
}

TEST_P(Quantize, EqualImportanceIsNone) {
  const auto values = random_floats(40 * 96);
  quantized(values, 40, 96);
  const auto plain = blocks_;
  for (const float same : {1.0f, 0.3f, 1e-30f, 3e38f, 0.0f}) {
    quantized(values, 40, 96, std::vector<float>(96, same));
    EXPECT_EQ(blocks_, plain) << same;
  }
}

TEST_P(Quantize, ImportanceThatIsNoneIsRefused) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float odd : {inf, -inf, std::nanf(""), -1.0f, -1e-30f}) {
    std::vector<float> importance(64, 1.0f);
    importance[40] = odd;
    try {
      quantized(random_floats(3 * 64), 3, 64, importance);
      ADD_FAILURE() << odd << ": expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  }
}

TEST_P(Quantize, ProductsAreThoseOfTheValues) {
  if (!is_blocks(storage_)) GTEST_SKIP() << "rows of groups are not multiplied";
  for (const Index O : {1, 15, 16, 17, 100, 131}) {
    const Index I = 128, T = 9;
    const Weight w = quantized(random_floats(static_cast<std::size_t>(O * I)), O, I);
    const auto values = values_of(w);
    auto x = random_floats(static_cast<std::size_t>(T * I));
    const auto y = op_.linear(View<const float>(x.data(), {T, I}), w);
    for (Index t = 0; t < T; ++t) {
      for (Index o = 0; o < O; ++o) {
        double sum = 0, size = 0;
        for (Index i = 0; i < I; ++i) {
          const double term = static_cast<double>(x[static_cast<std::size_t>(t * I + i)]) *
                              values[static_cast<std::size_t>(o * I + i)];
          sum += term;
          size += term * term;
        }
        EXPECT_NEAR(y(t, o), sum, 0.04 * std::sqrt(size)) << O;  // x is rounded to 8 bits
      }
    }
  }
}

TEST_P(Quantize, APrefixOfRowsIsASlice) {
  if (!is_blocks(storage_)) GTEST_SKIP() << "rows of groups are not multiplied";
  const auto values = random_floats(64 * 64);
  const Weight w = quantized(values, 64, 64);
  auto x = random_floats(3 * 64);
  const View<const float> rows(x.data(), {3, 64});
  const auto all = op_.linear(rows, w), part = op_.linear(rows, rows_of(w, 16, 21));
  for (Index t = 0; t < 3; ++t) {
    for (Index o = 0; o < 21; ++o) EXPECT_EQ(part(t, o), all(t, 16 + o));
  }
}

TEST_P(Quantize, RowsAreReadByThemselves) {
  const Weight w = quantized(random_floats(64 * 96), 64, 96);
  const auto values = values_of(w);
  const auto part = values_of(rows_of(w, 16, 21));
  EXPECT_TRUE(std::ranges::equal(part, std::span(values).subspan(16 * 96, 21 * 96)));
  const Index ids[] = {40, 3, 40};
  const auto rows = op_.lookup(w, ids, 0.5f);
  for (Index i = 0; i < 3; ++i) {
    for (Index d = 0; d < 96; ++d) {
      EXPECT_EQ(rows(i, d), 0.5f * values[static_cast<std::size_t>(ids[i] * 96 + d)]);
    }
  }
}

// One rule for both layouts: where a matrix lies changes nothing of what it says.
TEST_P(Quantize, BlocksAndGroupsStandForTheSameValues) {
  const auto values = random_floats(21 * 160);
  const Weight rows{values.data(), DType::kF32, {21, 160}};
  const auto here = values_of(quantized(values, 21, 160));
  const Storage other = storage_ == Storage::kInt8Blocks   ? Storage::kInt8Groups
                        : storage_ == Storage::kInt4Blocks ? Storage::kInt4Groups
                        : storage_ == Storage::kInt8Groups ? Storage::kInt8Blocks
                                                           : Storage::kInt4Blocks;
  std::vector<std::byte> bytes(quantized_size(rows.shape, other));
  EXPECT_EQ(values_of(quantize(pool_, rows, other, bytes.data())), here);
}

TEST_P(Quantize, ThreadsAndRowsChangeNoBit) {
  if (!is_blocks(storage_)) GTEST_SKIP() << "rows of groups are not multiplied";
  const auto values = random_floats(300 * 256);
  const Weight w = quantized(values, 300, 256);
  auto x = random_floats(150 * 256);
  const auto all = op_.linear(View<const float>(x.data(), {150, 256}), w);
  ThreadPool one(1);
  Ops alone(active_kernels(), arena_, one);
  for (const Index t : {0, 63, 149}) {
    const auto row = alone.linear(View<const float>(x.data() + t * 256, {1, 256}), w);
    for (Index o = 0; o < 300; ++o) ASSERT_EQ(row(0, o), all(t, o));
  }
}

TEST_P(Quantize, WhatHasNoScaleIsRefused) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float odd : {inf, -inf, std::nanf(""), 3e38f}) {
    std::vector<float> values(2 * 32, 1.0f);
    values[40] = odd;
    try {
      quantized(values, 2, 32);
      ADD_FAILURE() << odd << ": expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    }
  }
}

TEST_P(Quantize, WhatIsTooSmallForAScaleVanishes) {
  for (const float tiny : {1e-30f, -1e-9f, 1e-42f, 0.0f}) {
    std::vector<float> values(2 * 32, 1.0f);
    std::fill_n(values.begin() + 32, 32, tiny);
    const auto rows = values_of(quantized(values, 2, 32));
    EXPECT_GT(rows[0], 0.9f);
    EXPECT_TRUE(std::all_of(rows.begin() + 32, rows.end(), [](float v) { return v == 0.0f; }));
  }
}

INSTANTIATE_TEST_SUITE_P(EachStorage, Quantize,
                         testing::Values(Storage::kInt8Blocks, Storage::kInt4Blocks,
                                         Storage::kInt8Groups, Storage::kInt4Groups),
                         [](const testing::TestParamInfo<Storage>& storage) -> std::string {
                           switch (storage.param) {
                             case Storage::kInt8Blocks:
                               return "int8_blocks";
                             case Storage::kInt4Blocks:
                               return "int4_blocks";
                             case Storage::kInt8Groups:
                               return "int8_groups";
                             default:
                               return "int4_groups";
                           }
                         });

}  // namespace
}  // namespace gemma3n
