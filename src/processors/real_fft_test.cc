#include "processors/real_fft.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using Complex = std::complex<double>;

// The sum of the definition, term by term.
Complex direct(const std::vector<float>& x, std::size_t k) {
  Complex sum = 0;
  const auto n = static_cast<double>(x.size());
  for (std::size_t j = 0; j < x.size(); ++j) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(j * k % x.size()) / n;
    sum += static_cast<double>(x[j]) * Complex(std::cos(angle), std::sin(angle));
  }
  return sum;
}

TEST(RealFft, EqualsTheDefinitionAtEverySize) {
  std::mt19937 rng(3);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  for (std::size_t n = 2; n <= 2048; n *= 2) {
    std::vector<float> x(n);
    for (float& v : x) v = uniform(rng);
    std::vector<Complex> y(n / 2 + 1);
    RealFft(n).forward(x, y);
    for (std::size_t k = 0; k < y.size(); ++k) {
      EXPECT_LT(std::abs(y[k] - direct(x, k)), 1e-13 * static_cast<double>(n)) << n << " " << k;
    }
    EXPECT_EQ(y.front().imag(), 0.0);
    EXPECT_EQ(y.back().imag(), 0.0);
  }
}

TEST(RealFft, AToneIsOneBin) {
  std::vector<float> x(16);
  for (std::size_t j = 0; j < x.size(); ++j) {
    x[j] = static_cast<float>(std::cos(2 * std::numbers::pi * 3 * static_cast<double>(j) / 16));
  }
  std::vector<Complex> y(9);
  RealFft(16).forward(x, y);
  for (std::size_t k = 0; k < y.size(); ++k) EXPECT_NEAR(std::abs(y[k]), k == 3 ? 8.0 : 0.0, 1e-6);
}

TEST(RealFft, RefusesOtherSizes) {
  EXPECT_THROW(RealFft(0), Error);
  EXPECT_THROW(RealFft(1), Error);
  EXPECT_THROW(RealFft(48), Error);
  std::vector<float> x(7);
  std::vector<Complex> y(5);
  EXPECT_THROW(RealFft(8).forward(x, y), Error);
}

TEST(Magnitudes, NeitherOverflowNorVanish) {
  const std::vector<Complex> spectrum = {{3.0, -4.0}, {3e38, 0.0}, {3e-38, 4e-38}, {0.0, 0.0}};
  std::vector<float> out(4);
  magnitudes(spectrum, out);
  EXPECT_FLOAT_EQ(out[0], 5.0f);
  EXPECT_FLOAT_EQ(out[1], 3e38f);
  EXPECT_FLOAT_EQ(out[2], 5e-38f);
  EXPECT_EQ(out[3], 0.0f);
}

}  // namespace
}  // namespace gemma3n
