#include "generation/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "generation/portable_exp.h"

namespace gemma3n {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The known answers that come with the reference implementation, Random123 (kat_vectors).
TEST(Philox, GivesTheKnownAnswers) {
  constexpr std::uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  EXPECT_EQ(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(
      philox4x32_10({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}),
      (PhiloxCounter{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

// (0x6627E8D5 * 2^32 + 0xE169C58D) >> 11, times 2^-53.
TEST(Uniform, IsTheUpper53BitsOfTwoWords) {
  EXPECT_EQ(uniform({.seed = 0, .copy = 0, .position = 0}),
            static_cast<double>(0x6627E8D5E169C58DULL >> 11) / 9007199254740992.0);
}

TEST(Uniform, DependsOnEachWordOfItsId) {
  const std::uint64_t high = std::uint64_t{1} << 32;
  const std::set<double> values = {
      uniform({}),
      uniform({.seed = 1}),
      uniform({.seed = high}),
      uniform({.copy = 1}),
      uniform({.copy = high}),
      uniform({.position = 1}),
      uniform({.position = high}),
      uniform({.purpose = DrawPurpose::kDraft}),
      uniform({.purpose = DrawPurpose::kAcceptance}),
      uniform({.purpose = DrawPurpose::kExcess}),
  };
  EXPECT_EQ(values.size(), 10u);
}

// With 10,000 draws the mean of a uniform variable has a standard deviation of 0.0029.
TEST(Uniform, HasTheMeanAndRangeOfAUniformVariable) {
  double sum = 0.0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const double u = uniform({.seed = 17, .position = i});
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
}

TEST(PortableExp, AgreesWithTheCLibrary) {
  for (double x = 0.0; x > -708.0; x -= 0.1271) {
    EXPECT_NEAR(portable_exp(x) / std::exp(x), 1.0, 1e-15) << x;
  }
}

TEST(PortableExp, IsExactlyOneAtZeroAndZeroFarBelow) {
  EXPECT_EQ(portable_exp(0.0), 1.0);
  EXPECT_EQ(portable_exp(-0.0), 1.0);
  EXPECT_EQ(portable_exp(-709.0), 0.0);
  EXPECT_EQ(portable_exp(-std::numeric_limits<double>::infinity()), 0.0);
}

// From the same formula in another language's IEEE 754 doubles; the nearest doubles to the true
// values, too.
TEST(PortableExp, HasTheSameBitsEverywhere) {
  EXPECT_EQ(portable_exp(-0.1), 0x1.cf46d99d52b3ap-1);
  EXPECT_EQ(portable_exp(-1.0), 0x1.78b56362cef38p-2);
  EXPECT_EQ(portable_exp(-30.0), 0x1.a56e0c2ac7f75p-44);
  EXPECT_EQ(portable_exp(-700.25), 0x1.af5fe9a485c8ep-1011);
}

TEST(Largest, TakesTheFirstOfEqualScores) {
  EXPECT_EQ(largest(std::vector<float>{1, 3, 2, 3}), 1);
  EXPECT_EQ(largest(std::vector<float>{-kInfinity, -7}), 1);
}

TEST(Largest, RefusesNaNAndAllForbidden) {
  EXPECT_THROW(largest(std::vector<float>{1, kNaN}), Error);
  EXPECT_THROW(largest(std::vector<float>{kNaN, 1}), Error);
  EXPECT_THROW(largest(std::vector<float>{-kInfinity, -kInfinity}), Error);
}

// Probabilities 1/4, 0, 1/2, 1/4: cumulative 0.25, 0.25, 0.75, 1.
TEST(CategoricalSampler, InvertsTheCumulativeDistribution) {
  const float half = std::log(2.0f);
  const std::vector<float> scores = {0, -kInfinity, half, 0};
  CategoricalSampler sampler;
  EXPECT_EQ(sampler.draw(scores, 0.0), 0);
  EXPECT_EQ(sampler.draw(scores, 0.2499), 0);
  EXPECT_EQ(sampler.draw(scores, 0.2501), 2);
  EXPECT_EQ(sampler.draw(scores, 0.7499), 2);
  EXPECT_EQ(sampler.draw(scores, 0.7501), 3);
  EXPECT_EQ(sampler.draw(scores, 1.0 - 0x1p-53), 3);
}

TEST(CategoricalSampler, NeverDrawsATokenWithoutProbability) {
  const std::vector<float> scores = {-kInfinity, 3.0f, -2000.0f};
  CategoricalSampler sampler;
  EXPECT_EQ(sampler.draw(scores, 0.0), 1);
  EXPECT_EQ(sampler.draw(scores, 1.0 - 0x1p-53), 1);
}

TEST(Probability, IsTheSoftmax) {
  const float half = std::log(2.0f);
  const std::vector<float> scores = {0, -kInfinity, half, 0};
  EXPECT_NEAR(probability(scores, 0), 0.25, 1e-7);
  EXPECT_EQ(probability(scores, 1), 0.0);
  EXPECT_NEAR(probability(scores, 2), 0.5, 1e-7);
  EXPECT_THROW(probability(std::vector<float>{1, kInfinity}, 0), Error);
}

// Probabilities 1/4, 0, 1/2, 1/4 where 1/2, 1/4, 1/4, 0 were proposed: in excess by 1/4 at ids 2
// and 3.
TEST(CategoricalSampler, DrawsFromWhatIsInExcess) {
  const float half = std::log(2.0f);
  const std::vector<float> scores = {0, -kInfinity, half, 0}, proposed = {half, 0, 0, -kInfinity};
  CategoricalSampler sampler;
  EXPECT_EQ(sampler.draw_excess(scores, proposed, 0.0), 2);
  EXPECT_EQ(sampler.draw_excess(scores, proposed, 0.4999), 2);
  EXPECT_EQ(sampler.draw_excess(scores, proposed, 0.5001), 3);
  EXPECT_EQ(sampler.draw_excess(scores, proposed, 1.0 - 0x1p-53), 3);
  EXPECT_EQ(sampler.draw_excess(scores, scores, 0.2), 0);  // nothing is in excess
  EXPECT_EQ(sampler.draw_excess(scores, scores, 0.6), 2);
}

TEST(CategoricalSampler, RefusesScoresItCannotDrawFrom) {
  CategoricalSampler sampler;
  EXPECT_THROW(sampler.draw(std::vector<float>{1, kNaN}, 0.5), Error);
  EXPECT_THROW(sampler.draw(std::vector<float>{1, kInfinity}, 0.5), Error);
  EXPECT_THROW(sampler.draw(std::vector<float>{-kInfinity}, 0.5), Error);
}

// Chi-square against softmax: with 7 degrees of freedom, 24.3 is exceeded once in 1000 seeds.
TEST(CategoricalSampler, DrawsFromTheSoftmax) {
  const std::vector<float> scores = {0.0f, 1.0f, -1.0f, 2.0f, 0.5f, -0.5f, 1.5f, -2.0f};
  constexpr int kDraws = 20000;
  double total = 0.0;
  for (const float score : scores) total += std::exp(score);
  CategoricalSampler sampler;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    std::vector<int> counts(scores.size());
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      ++counts[static_cast<std::size_t>(
          sampler.draw(scores, uniform({.seed = seed, .position = i})))];
    }
    double chi_square = 0.0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double expected = kDraws * std::exp(scores[i]) / total;
      chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    EXPECT_LT(chi_square, 24.3) << "seed " << seed;
  }
}

// Neighbouring copies, positions and seeds give independent draws: the correlation of 10,000 pairs
// of independent values has a standard deviation of 0.01.
TEST(Uniform, NeighbouringStreamsAreUncorrelated) {
  double copies = 0, positions = 0, seeds = 0, purposes = 0;
  constexpr int kPairs = 10000;
  for (std::uint64_t i = 0; i < kPairs; ++i) {
    const double u = uniform({.seed = 5, .position = i}) - 0.5;
    copies += u * (uniform({.seed = 5, .copy = 1, .position = i}) - 0.5);
    positions += u * (uniform({.seed = 5, .position = i + 1}) - 0.5);
    seeds += u * (uniform({.seed = 6, .position = i}) - 0.5);
    purposes += u * (uniform({5, 0, i, DrawPurpose::kDraft}) - 0.5);
  }
  constexpr double kVariance = 1.0 / 12;
  EXPECT_NEAR(copies / kPairs / kVariance, 0.0, 0.04);
  EXPECT_NEAR(positions / kPairs / kVariance, 0.0, 0.04);
  EXPECT_NEAR(seeds / kPairs / kVariance, 0.0, 0.04);
  EXPECT_NEAR(purposes / kPairs / kVariance, 0.0, 0.04);
}

}  // namespace
}  // namespace gemma3n
