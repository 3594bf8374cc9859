// Normal random numbers as numpy.random.seed and numpy.random.randn give them.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

namespace gemma3n {

// Marsaglia's polar method on the Mersenne Twister. Ref: numpy.random.RandomState
class LegacyNormal {
 public:
  explicit LegacyNormal(std::uint32_t seed) : engine_(seed) {}

  double operator()() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double x = 0, y = 0, square = 0;
    do {
      x = 2.0 * uniform() - 1.0;
      y = 2.0 * uniform() - 1.0;
      square = x * x + y * y;
    } while (square >= 1.0 || square == 0.0);
    const double factor = std::sqrt(-2.0 * std::log(square) / square);
    spare_ = factor * x;
    has_spare_ = true;
    return factor * y;
  }

 private:
  // In [0, 1), with 53 random bits.
  double uniform() {
    const auto high = static_cast<double>(engine_() >> 5),
               low = static_cast<double>(engine_() >> 6);
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  std::mt19937 engine_;
  bool has_spare_ = false;
  double spare_ = 0.0;
};

}  // namespace gemma3n
