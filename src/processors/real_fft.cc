#include "processors/real_fft.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "gemma3n/error.h"

namespace gemma3n {

using Complex = std::complex<double>;

namespace {

// std::complex's own product spends its time on infinities.
Complex product(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

RealFft::RealFft(std::size_t size) : size_(size) {
  check(std::has_single_bit(size) && size >= 2, "a transform's size is a power of two");
  const std::size_t half = size / 2;
  for (std::size_t k = 0; k < half; ++k) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(size);
    roots_.emplace_back(std::cos(angle), std::sin(angle));
  }
  bit_reversed_.resize(half);
  for (std::size_t k = 1; k < half; ++k) {
    bit_reversed_[k] = bit_reversed_[k / 2] / 2 + (k % 2) * half / 2;
  }
}

// Even samples as real, odd ones as imaginary parts give one complex transform of half the size,
//   Z[k] = E[k] + i O[k],   with   Y[k] = E[k] + exp(-2 pi i k / n) O[k],
// and E and O, being transforms of real samples, are got back from Z[k] and Z[n/2 - k].
void RealFft::forward(std::span<const float> x, std::span<Complex> spectrum) const {
  const std::size_t half = size_ / 2;
  check(x.size() == size_ && spectrum.size() == half + 1, "a transform's buffers have its size");
  Complex* const z = spectrum.data();
  for (std::size_t k = 0; k < half; ++k) {
    z[bit_reversed_[k]] = {static_cast<double>(x[2 * k]), static_cast<double>(x[2 * k + 1])};
  }
  for (std::size_t length = 1; length < half; length *= 2) {  // of the transforms being joined
    const std::size_t root_step = half / length;
    for (std::size_t first = 0; first < half; first += 2 * length) {
      for (std::size_t k = 0; k < length; ++k) {
        const Complex a = z[first + k], b = product(z[first + k + length], roots_[k * root_step]);
        z[first + k] = a + b;
        z[first + k + length] = a - b;
      }
    }
  }
  const Complex first = z[0];
  z[0] = first.real() + first.imag();
  z[half] = first.real() - first.imag();
  for (std::size_t k = 1; 2 * k <= half; ++k) {
    const Complex a = z[k], b = std::conj(z[half - k]);
    const Complex even = 0.5 * (a + b), difference = 0.5 * (a - b);
    const Complex odd = product(roots_[k], {difference.imag(), -difference.real()});
    z[k] = even + odd;
    z[half - k] = std::conj(even - odd);
  }
}

void magnitudes(std::span<const Complex> spectrum, std::span<float> out) {
  check(out.size() == spectrum.size(), "one magnitude per bin");
  for (std::size_t k = 0; k < out.size(); ++k) {
    const float re = std::fabs(static_cast<float>(spectrum[k].real()));
    const float im = std::fabs(static_cast<float>(spectrum[k].imag()));
    const float large = std::max(re, im), small = std::min(re, im);
    const float ratio = large == 0.0f ? 0.0f : small / large;
    out[k] = large * std::sqrt(std::fma(ratio, ratio, 1.0f));
  }
}

}  // namespace gemma3n
