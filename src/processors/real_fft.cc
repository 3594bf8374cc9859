#include "processors/real_fft.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// In both passes, input element i of transform j of group k is at  i + length (k + groups j), and
// output element i of the transform that was number b is at  i + length (b + radix k): the layout
// of RealFft::forward for the whole, cut into `radix` rows of `length`.
struct Layout {
  const double* in;
  double* out;
  std::size_t radix, length, groups;

  double from(std::size_t i, std::size_t k, std::size_t j) const {
    return in[i + length * (k + groups * j)];
  }
  double& to(std::size_t i, std::size_t b, std::size_t k) const {
    return out[i + length * (b + radix * k)];
  }
};

struct Complex {
  double re, im;
};

// The value times exp(-i angle), given the angle's cosine and sine.
Complex turned(Complex value, const double* cos_sin) {
  return {cos_sin[0] * value.re + cos_sin[1] * value.im,
          cos_sin[0] * value.im - cos_sin[1] * value.re};
}

void radix2(const Layout& at, const double* twiddles) {
  const std::size_t n = at.length;
  for (std::size_t k = 0; k < at.groups; ++k) {
    const double a = at.from(0, k, 0), b = at.from(0, k, 1);
    at.to(0, 0, k) = a + b;
    at.to(n - 1, 1, k) = a - b;
  }
  if (n % 2 == 0) {
    for (std::size_t k = 0; k < at.groups; ++k) {
      at.to(0, 1, k) = -at.from(n - 1, k, 1);
      at.to(n - 1, 0, k) = at.from(n - 1, k, 0);
    }
  }
  for (std::size_t k = 0; k < at.groups; ++k) {
    for (std::size_t i = 2; i < n; i += 2) {
      const std::size_t mirror = n - i;
      const Complex a = {at.from(i - 1, k, 0), at.from(i, k, 0)};
      const Complex b = turned({at.from(i - 1, k, 1), at.from(i, k, 1)}, twiddles + i - 2);
      at.to(i - 1, 0, k) = a.re + b.re;
      at.to(mirror - 1, 1, k) = a.re - b.re;
      at.to(i, 0, k) = b.im + a.im;
      at.to(mirror, 1, k) = b.im - a.im;
    }
  }
}

// Elements without imaginary part: the first of each transform, and the last of even lengths, whose
// angle is a multiple of pi/4.
void radix4_real(const Layout& at) {
  constexpr double kHalfSqrt2 = 0.70710678118654752440;
  const std::size_t n = at.length;
  for (std::size_t k = 0; k < at.groups; ++k) {
    const double odd = at.from(0, k, 3) + at.from(0, k, 1);
    const double even = at.from(0, k, 0) + at.from(0, k, 2);
    at.to(0, 2, k) = at.from(0, k, 3) - at.from(0, k, 1);
    at.to(n - 1, 1, k) = at.from(0, k, 0) - at.from(0, k, 2);
    at.to(0, 0, k) = even + odd;
    at.to(n - 1, 3, k) = even - odd;
  }
  if (n % 2 != 0) return;
  for (std::size_t k = 0; k < at.groups; ++k) {
    const double im = -kHalfSqrt2 * (at.from(n - 1, k, 1) + at.from(n - 1, k, 3));
    const double re = kHalfSqrt2 * (at.from(n - 1, k, 1) - at.from(n - 1, k, 3));
    at.to(n - 1, 0, k) = at.from(n - 1, k, 0) + re;
    at.to(n - 1, 2, k) = at.from(n - 1, k, 0) - re;
    at.to(0, 3, k) = im + at.from(n - 1, k, 2);
    at.to(0, 1, k) = im - at.from(n - 1, k, 2);
  }
}

void radix4(const Layout& at, const double* twiddles) {
  radix4_real(at);
  const std::size_t n = at.length;
  for (std::size_t k = 0; k < at.groups; ++k) {
    for (std::size_t i = 2; i < n; i += 2) {
      const std::size_t mirror = n - i;
      const auto input = [&](std::size_t j) {
        return Complex{at.from(i - 1, k, j), at.from(i, k, j)};
      };
      const auto twiddled = [&](std::size_t j) {
        return turned(input(j), twiddles + (j - 1) * (n - 1) + i - 2);
      };
      const Complex a = input(0), b = twiddled(1), c = twiddled(2), d = twiddled(3);
      const Complex odd = {d.re + b.re, b.im + d.im}, odd_turned = {b.im - d.im, d.re - b.re};
      const Complex even = {a.re + c.re, a.im + c.im}, even_turned = {a.re - c.re, a.im - c.im};
      at.to(i - 1, 0, k) = even.re + odd.re;
      at.to(mirror - 1, 3, k) = even.re - odd.re;
      at.to(i, 0, k) = odd.im + even.im;
      at.to(mirror, 3, k) = odd.im - even.im;
      at.to(i - 1, 2, k) = even_turned.re + odd_turned.re;
      at.to(mirror - 1, 1, k) = even_turned.re - odd_turned.re;
      at.to(i, 2, k) = odd_turned.im + even_turned.im;
      at.to(mirror, 1, k) = odd_turned.im - even_turned.im;
    }
  }
}

}  // namespace

RealFft::RealFft(std::size_t size) : size_(size) {
  check(std::has_single_bit(size), "a transform's size is a power of two");
  // Fours, and one two in front if it is needed; the last factor's pass runs first.
  std::vector<std::size_t> radices;
  const auto bits = static_cast<std::size_t>(std::countr_zero(size));
  if (bits % 2 != 0) radices.push_back(2);
  radices.insert(radices.end(), bits / 2, 4);

  std::size_t groups = 1;
  for (const std::size_t radix : radices) {
    const std::size_t length = size / (groups * radix);
    Pass pass = {radix, length, groups, std::vector<double>((radix - 1) * (length - 1))};
    for (std::size_t j = 1; j < radix; ++j) {
      for (std::size_t i = 1; 2 * i < length; ++i) {
        const double angle =
            2 * std::numbers::pi * static_cast<double>(j * groups * i) / static_cast<double>(size);
        double* pair = &pass.twiddles[(j - 1) * (length - 1) + 2 * i - 2];
        pair[0] = std::cos(angle);
        pair[1] = std::sin(angle);
      }
    }
    passes_.push_back(std::move(pass));
    groups *= radix;
  }
  std::ranges::reverse(passes_);
}

void RealFft::forward(std::span<double> x, std::span<double> scratch) const {
  check(x.size() == size_ && scratch.size() == size_, "a transform's buffers have its size");
  double* from = x.data();
  double* to = scratch.data();
  for (const Pass& pass : passes_) {
    const Layout layout = {from, to, pass.radix, pass.length, pass.groups};
    if (pass.radix == 4) {
      radix4(layout, pass.twiddles.data());
    } else {
      radix2(layout, pass.twiddles.data());
    }
    std::swap(from, to);
  }
  if (from != x.data()) std::copy_n(from, size_, x.data());
}

void magnitudes(std::span<const double> spectrum, std::span<float> out) {
  const std::size_t n = spectrum.size();
  check(out.size() == n / 2 + 1, "a spectrum of n samples has n/2 + 1 values");
  out[0] = std::fabs(static_cast<float>(spectrum[0]));
  if (n % 2 == 0) out[n / 2] = std::fabs(static_cast<float>(spectrum[n - 1]));
  for (std::size_t k = 1; 2 * k < n; ++k) {
    const float re = std::fabs(static_cast<float>(spectrum[2 * k - 1]));
    const float im = std::fabs(static_cast<float>(spectrum[2 * k]));
    const float large = std::max(re, im), small = std::min(re, im);
    const float ratio = large == 0.0f ? 0.0f : small / large;
    out[k] = large * std::sqrt(std::fma(ratio, ratio, 1.0f));
  }
}

}  // namespace gemma3n
