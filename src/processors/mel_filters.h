// Triangular filters at equal distances on the mel scale.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gemma3n {

// A sparse matrix: each filter covers a few neighbouring bins.
class MelFilters {
 public:
  struct Range {
    double min_hz, max_hz;
  };
  // Filter m rises from point m to 1 at point m + 1 and falls to point m + 2, of filters + 2 points
  // from range.min_hz to range.max_hz. Bin k of `bins` stands at k * bin_hz.
  // Ref: HF create_fb_matrix without norm
  MelFilters(std::size_t bins, std::size_t filters, Range range, double bin_hz);

  // out[m] = sum_k magnitude[k] filter[m][k], in float64.   magnitude: [bins], out: [filters]
  void apply(std::span<const float> magnitude, std::span<double> out) const;

 private:
  struct Filter {
    std::size_t first_bin = 0;
    std::vector<double> weights;  // of the bins from first_bin on
  };
  std::vector<Filter> filters_;
};

}  // namespace gemma3n
