// exp() with the same bits on every machine. The C library's differs between versions and
// processors in the last bit, and one bit can change which token a draw falls on.
#pragma once

#include <cmath>

namespace gemma3n {

// exp(x) for x <= 0, accurate to about 2^-51 relative; 0 below -708, where the result would leave
// the normal numbers. Uses only IEEE 754 additions and multiplications in double, std::floor and
// std::ldexp, which are exact, and relies on -ffp-contract=off.
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
  constexpr int kTerms = 13;  // the next term is below 2^-57 of the sum

  if (!(x >= kSmallest)) return 0.0;
  const double k = std::floor(x * kInverseLn2 + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1.0;
  for (int n = kTerms; n >= 1; --n) sum = 1.0 + sum * r / n;
  return std::ldexp(sum, static_cast<int>(k));
}

}  // namespace gemma3n
