#include <algorithm>
#include <cmath>
#include <numeric>

#include "gemma3n/media.h"

namespace gemma3n {
namespace {

constexpr double kQuietSeconds = 0.2;  // about a pause between words
constexpr double kStepSeconds = 0.01;
constexpr double kSearchedShare = 0.25;  // of a segment, at its end

// The middle of the quietest `width` samples; the last of several.
std::size_t quietest_place(std::span<const float> samples, std::size_t width, std::size_t step) {
  const auto energy_at = [&](std::size_t first) {
    const auto part = samples.subspan(first, width);
    return std::transform_reduce(part.begin(), part.end(), 0.0, std::plus<>(), [](float v) {
      return static_cast<double>(v) * static_cast<double>(v);
    });
  };
  std::size_t best = 0;
  double least = energy_at(0);
  for (std::size_t first = step; first + width <= samples.size(); first += step) {
    const double energy = energy_at(first);
    if (energy > least) continue;
    least = energy;
    best = first;
  }
  return best + width / 2;
}

}  // namespace

std::vector<AudioSegment> split_audio(const AudioClip& clip, double max_seconds) {
  if (!(max_seconds >= 1.0)) {
    fail(ErrorCode::kInvalidArgument, "split_audio: max_seconds: expected 1 or more, got ",
         max_seconds);
  }
  if (clip.sample_rate_hz < 1) {
    fail(ErrorCode::kInvalidArgument, "split_audio: sample_rate_hz: expected 1 or more, got ",
         clip.sample_rate_hz);
  }
  const double rate = clip.sample_rate_hz;
  const std::span<const float> samples = clip.samples;
  const auto samples_in = [&](double seconds) {
    return std::max<std::size_t>(1, static_cast<std::size_t>(std::floor(seconds * rate)));
  };
  if (samples.empty()) return {};
  if (max_seconds * rate >= static_cast<double>(samples.size())) return {{0.0, clip}};
  const std::size_t longest = samples_in(max_seconds);
  const std::size_t searched = samples_in(max_seconds * kSearchedShare);
  const std::size_t width = samples_in(kQuietSeconds), step = samples_in(kStepSeconds);

  std::vector<AudioSegment> segments;
  for (std::size_t start = 0; start < samples.size();) {
    std::size_t length = samples.size() - start;
    if (length > longest) {
      const auto end = samples.subspan(start + longest - searched, searched);
      length = longest - searched + quietest_place(end, width, step);
    }
    const auto part = samples.subspan(start, length);
    segments.push_back(
        {static_cast<double>(start) / rate, {clip.sample_rate_hz, {part.begin(), part.end()}}});
    start += length;
  }
  return segments;
}

}  // namespace gemma3n
