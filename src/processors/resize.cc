#include "processors/resize.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

// Output i of one axis is the sum over `begin[i]` <= j < `end[i]` of tap(i, j) times input j.
template <typename T>
struct Axis {
  std::vector<std::int64_t> begin, end;
  std::vector<std::size_t> first;  // where the taps of output i start
  std::vector<T> taps;
  int precision = 0;  // integer taps are taps * 2^precision

  T tap(std::int64_t i, std::int64_t j) const {
    const auto at = static_cast<std::size_t>(i);
    return taps[first[at] + static_cast<std::size_t>(j - begin[at])];
  }
};

// Triangles of half width max(scale, 1) around each output's centre, of sum 1.
Axis<double> triangle_axis(std::int64_t inputs, std::int64_t outputs) {
  const double scale = static_cast<double>(inputs) / static_cast<double>(outputs);
  const double support = std::max(scale, 1.0);
  Axis<double> axis;
  for (std::int64_t i = 0; i < outputs; ++i) {
    const double centre = scale * (static_cast<double>(i) + 0.5);
    const auto begin = std::max(static_cast<std::int64_t>(centre - support + 0.5), std::int64_t{0});
    const auto end = std::min(static_cast<std::int64_t>(centre + support + 0.5), inputs);
    axis.begin.push_back(begin);
    axis.end.push_back(end);
    axis.first.push_back(axis.taps.size());
    double sum = 0;
    for (std::int64_t j = begin; j < end; ++j) {
      const double distance = std::abs((static_cast<double>(j) - centre + 0.5) / support);
      axis.taps.push_back(std::max(0.0, 1.0 - distance));
      sum += axis.taps.back();
    }
    for (std::size_t k = axis.first.back(); k < axis.taps.size(); ++k) axis.taps[k] /= sum;
  }
  return axis;
}

template <typename T, typename Convert>
Axis<T> with_taps(const Axis<double>& from, int precision, const Convert& convert) {
  Axis<T> axis{from.begin, from.end, from.first, {}, precision};
  axis.taps.reserve(from.taps.size());
  for (const double tap : from.taps) axis.taps.push_back(convert(tap));
  return axis;
}

// The largest precision, up to 22, at which no tap leaves int16.
Axis<std::int32_t> integer_axis(std::int64_t inputs, std::int64_t outputs) {
  const Axis<double> axis = triangle_axis(inputs, outputs);
  const double largest = *std::ranges::max_element(axis.taps);
  int precision = 0;
  while (precision < 22 && static_cast<int>(0.5 + largest * (1 << (precision + 1))) < 1 << 15) {
    ++precision;
  }
  const double unit = 1 << precision;
  return with_taps<std::int32_t>(axis, precision, [&](double tap) {
    return static_cast<std::int32_t>(std::floor(tap * unit + 0.5));
  });
}

Axis<float> float_axis(std::int64_t inputs, std::int64_t outputs) {
  return with_taps<float>(triangle_axis(inputs, outputs), 0,
                          [](double tap) { return static_cast<float>(tap); });
}

// Sums start at one half, so that rounding down rounds to nearest.
std::int32_t initial_sum(const Axis<std::int32_t>& axis) { return (1 << axis.precision) >> 1; }
float initial_sum(const Axis<float>&) { return 0.0f; }

std::uint8_t rounded(std::int32_t sum, const Axis<std::int32_t>& axis) {
  return static_cast<std::uint8_t>(std::clamp(sum >> axis.precision, 0, 255));
}
float rounded(float sum, const Axis<float>&) { return sum; }

// row: [inputs, C],  out: [outputs, C]
template <int C, typename Pixel, typename T>
void resize_row(const Pixel* row, const Axis<T>& axis, Pixel* out) {
  for (std::size_t i = 0; i < axis.begin.size(); ++i) {
    T sums[C];
    std::fill_n(sums, C, initial_sum(axis));
    const T* tap = axis.taps.data() + axis.first[i];
    const Pixel* pixel = row + C * axis.begin[i];
    for (auto j = axis.begin[i]; j < axis.end[i]; ++j, pixel += C, ++tap) {
      for (int c = 0; c < C; ++c) sums[c] += *tap * static_cast<T>(pixel[c]);
    }
    for (int c = 0; c < C; ++c) *out++ = rounded(sums[c], axis);
  }
}

template <typename Pixel, typename T>
void add_row(const std::vector<Pixel>& row, T tap, T* sums) {
  for (std::size_t k = 0; k < row.size(); ++k) sums[k] += tap * static_cast<T>(row[k]);
}

// Both passes at once, input row by input row: a row is resized, then added to every output row it
// has a tap in. Nothing of the size [input height, output width] is ever held.
template <int C, typename Pixel, typename T>
std::vector<Pixel> resize_channels(std::span<const Pixel> pixels, const PixelGrid& from,
                                   const Axis<T>& down, const Axis<T>& across) {
  const std::size_t row_values = across.begin.size() * C;
  std::vector<T> sums(down.begin.size() * row_values, initial_sum(down));
  std::vector<Pixel> row(row_values);
  std::size_t active = 0;  // outputs above it are complete
  for (std::int64_t y = 0; y < from.height; ++y) {
    resize_row<C>(pixels.data() + C * from.width * y, across, row.data());
    while (active < down.end.size() && down.end[active] <= y) ++active;
    for (std::size_t i = active; i < down.begin.size() && down.begin[i] <= y; ++i) {
      add_row(row, down.tap(static_cast<std::int64_t>(i), y), sums.data() + row_values * i);
    }
  }
  std::vector<Pixel> out(sums.size());
  std::ranges::transform(sums, out.begin(), [&](T sum) { return rounded(sum, down); });
  return out;
}

template <typename Pixel, typename T>
std::vector<Pixel> resize(std::span<const Pixel> pixels, const PixelGrid& from, const Axis<T>& down,
                          const Axis<T>& across) {
  switch (from.channels) {
    case 1:
      return resize_channels<1>(pixels, from, down, across);
    case 3:
      return resize_channels<3>(pixels, from, down, across);
    default:
      break;
  }
  check(false, "resized pictures have 1 or 3 channels");
  return {};
}

void expect_sizes(std::size_t values, const PixelGrid& from, std::int64_t height,
                  std::int64_t width) {
  check(from.size() > 0 && static_cast<std::int64_t>(values) == from.size(),
        "pixels to resize have their grid's size");
  check(height > 0 && width > 0, "resized pictures have at least one pixel");
}

}  // namespace

std::vector<std::uint8_t> resize_bilinear(std::span<const std::uint8_t> pixels,
                                          const PixelGrid& from, std::int64_t height,
                                          std::int64_t width) {
  expect_sizes(pixels.size(), from, height, width);
  return resize(pixels, from, integer_axis(from.height, height), integer_axis(from.width, width));
}

std::vector<float> resize_bilinear(std::span<const float> pixels, const PixelGrid& from,
                                   std::int64_t height, std::int64_t width) {
  expect_sizes(pixels.size(), from, height, width);
  return resize(pixels, from, float_axis(from.height, height), float_axis(from.width, width));
}

}  // namespace gemma3n
