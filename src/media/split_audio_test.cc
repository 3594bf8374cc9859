#include <gtest/gtest.h>

#include <cmath>

#include "base/expect_error.h"
#include "gemma3n/media.h"

namespace gemma3n {
namespace {

// A tone that is silent from `from` to `to`, in seconds, for each pause.
AudioClip tone(double seconds, std::vector<std::pair<double, double>> pauses, int rate = 16000) {
  AudioClip clip = {rate, {}};
  for (int i = 0; i < static_cast<int>(seconds * rate); ++i) {
    const double t = static_cast<double>(i) / rate;
    bool is_pause = false;
    for (const auto& [from, to] : pauses) is_pause = is_pause || (t >= from && t < to);
    clip.samples.push_back(is_pause ? 0.0f : static_cast<float>(0.5 * std::sin(2000 * t)));
  }
  return clip;
}

// All samples, in order, in segments that are short enough and know when they start.
void expect_complete(const AudioClip& clip, const std::vector<AudioSegment>& segments,
                     double max_seconds) {
  std::vector<float> joined;
  for (const auto& segment : segments) {
    EXPECT_EQ(segment.clip.sample_rate_hz, clip.sample_rate_hz);
    EXPECT_EQ(segment.start_seconds,
              static_cast<double>(joined.size()) / static_cast<double>(clip.sample_rate_hz));
    EXPECT_GT(segment.clip.samples.size(), 0u);
    EXPECT_LE(static_cast<double>(segment.clip.samples.size()), max_seconds * clip.sample_rate_hz);
    joined.insert(joined.end(), segment.clip.samples.begin(), segment.clip.samples.end());
  }
  EXPECT_EQ(joined, clip.samples);
}

TEST(SplitAudio, LeavesShortClipsWhole) {
  for (const double seconds : {0.0001, 1.0, 29.999, 30.0}) {
    const auto clip = tone(seconds, {});
    const auto segments = split_audio(clip);
    EXPECT_EQ(segments.size(), 1u) << seconds;
    expect_complete(clip, segments, 30);
  }
  EXPECT_TRUE(split_audio(AudioClip{16000, {}}).empty());
}

TEST(SplitAudio, CutsInPauses) {
  const auto clip = tone(70, {{10, 10.5}, {26.5, 26.9}, {29.0, 29.1}, {52.0, 52.3}});
  const auto segments = split_audio(clip);
  expect_complete(clip, segments, 30);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_GE(segments[1].start_seconds, 26.5);
  EXPECT_LE(segments[1].start_seconds, 26.9);
  EXPECT_GE(segments[2].start_seconds, 52.0);
  EXPECT_LE(segments[2].start_seconds, 52.3);
}

TEST(SplitAudio, WithoutAPauseSegmentsAreLong) {
  for (const double seconds : {30.0001, 31.0, 59.0, 60.1, 3600.0}) {
    const auto clip = tone(seconds, {}, 4000);
    const auto segments = split_audio(clip);
    expect_complete(clip, segments, 30);
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
      EXPECT_GE(segments[i].clip.samples.size(), 22u * 4000u);
    }
    EXPECT_GE(segments.back().clip.samples.size(), 400u) << "a last segment too short to hear";
  }
}

TEST(SplitAudio, SilenceAndLoudnessAreNoObstacle) {
  AudioClip silence = {8000, std::vector<float>(8000 * 100)};
  expect_complete(silence, split_audio(silence), 30);
  AudioClip loud = {8000, std::vector<float>(8000 * 100, 3e38f)};
  expect_complete(loud, split_audio(loud, 1.0), 1.0);
}

TEST(SplitAudio, RefusesWhatMakesNoSense) {
  const auto clip = tone(2, {});
  for (const double seconds : {0.0, 0.99, -1.0, std::nan("")}) {
    expect_error(ErrorCode::kInvalidArgument, "max_seconds: expected 1 or more",
                 [&] { split_audio(clip, seconds); });
  }
  expect_error(ErrorCode::kInvalidArgument, "sample_rate_hz", [] { split_audio(AudioClip{}); });
  EXPECT_EQ(split_audio(clip, INFINITY).size(), 1u);
}

}  // namespace
}  // namespace gemma3n
