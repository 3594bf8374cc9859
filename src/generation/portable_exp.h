// exp() with the same bits on every machine. The C library's differs between versions and
// processors in the last bit, and one bit can change which token a draw falls on.
#pragma once

#include <bit>
#include <cstdint>

namespace gemma3n {

// exp(x) for x <= 0, accurate to about 2^-52 relative; 0 below -708, where the result would leave
// the normal numbers, and for NaN. Uses only IEEE 754 additions and multiplications in double, in
// round-to-nearest, and relies on -ffp-contract=off.
//
//   x = k ln 2 + r,  |r| <= ln 2 / 2;   exp(x) = 2^k (1 + r + r^2/2! + ... + r^13/13!)
//
// Ref: W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980 (ln 2 in two
// parts: the first has 32 bits, so that k times it is exact).
inline double portable_exp(double x) {
  constexpr double kInverseLn2 = 1.44269504088896338700e+00;
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kSmallest = -708.0;
  // Adding it leaves no bits for a fraction: the sum is rounded to an integer.
  constexpr double kRound = 0x1.8p52;
  constexpr double kInverseFactorials[] = {1.0 / 6227020800,
                                           1.0 / 479001600,
                                           1.0 / 39916800,
                                           1.0 / 3628800,
                                           1.0 / 362880,
                                           1.0 / 40320,
                                           1.0 / 5040,
                                           1.0 / 720,
                                           1.0 / 120,
                                           1.0 / 24,
                                           1.0 / 6,
                                           1.0 / 2,
                                           1.0,
                                           1.0};  // 1 / 13! to 1 / 0!
  constexpr int kExponentBias = 1023, kMantissaBits = 52;

  if (!(x >= kSmallest)) return 0.0;
  const double k = (x * kInverseLn2 + kRound) - kRound;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 0.0;
  for (const double coefficient : kInverseFactorials) sum = sum * r + coefficient;
  const auto exponent = static_cast<std::uint64_t>(static_cast<std::int64_t>(k) + kExponentBias);
  return sum * std::bit_cast<double>(exponent << kMantissaBits);
}

}  // namespace gemma3n
