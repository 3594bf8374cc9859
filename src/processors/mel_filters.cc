#include "processors/mel_filters.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

double mel_from_hz(double hz) { return 2595.0 * std::log10(1.0 + hz / 700.0); }
double hz_from_mel(double mel) { return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0); }

// `count` points at equal distances on the mel scale. Ref: numpy.linspace
std::vector<double> mel_points_hz(MelFilters::Range range, std::size_t count) {
  const double first = mel_from_hz(range.min_hz), last = mel_from_hz(range.max_hz);
  const double step = (last - first) / static_cast<double>(count - 1);
  std::vector<double> points(count);
  for (std::size_t i = 0; i < count; ++i) {
    points[i] = hz_from_mel(i + 1 == count ? last : static_cast<double>(i) * step + first);
  }
  return points;
}

}  // namespace

MelFilters::MelFilters(std::size_t bins, std::size_t filters, Range range, double bin_hz)
    : filters_(filters) {
  const std::vector<double> point = mel_points_hz(range, filters + 2);
  for (std::size_t m = 0; m < filters; ++m) {
    Filter& filter = filters_[m];
    for (std::size_t k = 0; k < bins; ++k) {
      // Frequencies of bins are float32 in the reference.
      const double hz = static_cast<double>(static_cast<float>(k) * static_cast<float>(bin_hz));
      const double rising = (hz - point[m]) / (point[m + 1] - point[m]);
      const double falling = (point[m + 2] - hz) / (point[m + 2] - point[m + 1]);
      const double weight = std::min(rising, falling);
      if (!(weight > 0.0)) continue;
      if (filter.weights.empty()) filter.first_bin = k;
      filter.weights.push_back(weight);  // a triangle's bins follow each other
    }
  }
}

void MelFilters::apply(std::span<const float> magnitude, std::span<double> out) const {
  for (std::size_t m = 0; m < filters_.size(); ++m) {
    const Filter& filter = filters_[m];
    double sum = 0.0;
    for (std::size_t i = 0; i < filter.weights.size(); ++i) {
      sum += static_cast<double>(magnitude[filter.first_bin + i]) * filter.weights[i];
    }
    out[m] = sum;
  }
}

}  // namespace gemma3n
