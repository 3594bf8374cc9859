// The discrete Fourier transform of real samples.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace gemma3n {

// A plan for one size. Immutable; safe to use from many threads.
class RealFft {
 public:
  explicit RealFft(std::size_t size);  // a power of two >= 2

  std::size_t size() const { return size_; }

  // Y[k] = sum_j x[j] exp(-2 pi i j k / n).   x: [n], spectrum: [n / 2 + 1]
  // In float64: numpy.fft.rfft computes so even for float32 samples and rounds its results.
  // Ref: numpy.fft.rfft
  void forward(std::span<const float> x, std::span<std::complex<double>> spectrum) const;

 private:
  std::size_t size_;
  std::vector<std::complex<double>> roots_;  // [n / 2]: exp(-2 pi i k / n)
  std::vector<std::size_t> bit_reversed_;    // [n / 2]: where an element of the half transform goes
};

// |Y[k]|, rounded as numpy.abs does for complex64: both parts to float32 first, then
// max sqrt(1 + (min / max)^2), which neither overflows nor loses small values.
void magnitudes(std::span<const std::complex<double>> spectrum, std::span<float> out);

}  // namespace gemma3n
