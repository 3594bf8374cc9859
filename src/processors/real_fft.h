// The discrete Fourier transform of real samples.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gemma3n {

// A plan for one size. Immutable; safe to use from many threads.
//
// In float64, as numpy.fft.rfft computes even for float32 samples; sums and products follow the
// order of FFTPACK's radix-4 algorithm, which NumPy runs for powers of two, so that results rounded
// to float32 have the same bits.
class RealFft {
 public:
  explicit RealFft(std::size_t size);  // a power of two >= 1

  std::size_t size() const { return size_; }

  // x: [n], replaced by its spectrum Y as  Y0, re Y1, im Y1, re Y2, im Y2, ..., re Y(n/2);
  // `scratch`: [n].   Y[k] = sum_j x[j] exp(-2 pi i j k / n)
  // Ref: numpy.fft.rfft
  void forward(std::span<double> x, std::span<double> scratch) const;

 private:
  // One pass turns `radix` transforms of length `length` into one of radix * length, `groups`
  // times.
  struct Pass {
    std::size_t radix, length, groups;
    std::vector<double> twiddles;  // [radix - 1, (length - 1) / 2] pairs of cosine and sine
  };
  std::size_t size_;
  std::vector<Pass> passes_;  // in the order they run
};

// |Y[k]| of the spectrum that RealFft::forward leaves, rounded to float32 first.
//   spectrum: [n], out: [n / 2 + 1]
// As max sqrt(1 + (min / max)^2) of both parts, which neither overflows nor loses small values.
// Ref: numpy.abs of complex64
void magnitudes(std::span<const double> spectrum, std::span<float> out);

}  // namespace gemma3n
