#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>

#include "gemma3n/media.h"
#include "media/audio_format.h"
#include "media/resampler.h"
#include "media/sound_file.h"
#include "media/source.h"

namespace gemma3n {
namespace {

// Samples that grow without ever being copied as a whole, so that sound of unknown length needs the
// memory of its samples and no more.
class GrowingSamples {
 public:
  explicit GrowingSamples(std::size_t limit) : limit_(limit) {}

  // Throws: kInvalidArgument beyond the limit.
  void append(std::span<const float> samples) {
    if (samples.size() > limit_ - size_) {
      fail(ErrorCode::kInvalidArgument, "expected at most ", limit_,
           " samples of sound, got more; cut the sound or raise max_audio_seconds");
    }
    while (!samples.empty()) {
      if (blocks_.empty() || blocks_.back().size() == blocks_.back().capacity()) {
        blocks_.emplace_back().reserve(std::clamp(size_, kFirstBlock, kLargestBlock));
      }
      auto& block = blocks_.back();
      const auto part = samples.first(std::min(samples.size(), block.capacity() - block.size()));
      block.insert(block.end(), part.begin(), part.end());
      size_ += part.size();
      samples = samples.subspan(part.size());
    }
  }

  std::size_t size() const { return size_; }

  // All of them; nothing is left.
  std::vector<float> take() {
    std::vector<float> all;
    all.reserve(size_);
    while (!blocks_.empty()) {
      all.insert(all.end(), blocks_.front().begin(), blocks_.front().end());
      blocks_.pop_front();
    }
    return all;
  }

 private:
  static constexpr std::size_t kFirstBlock = 16384;
  // More than an allocator keeps for itself when it is freed (glibc: 32 MiB), so that take() does
  // not need the memory twice.
  static constexpr std::size_t kLargestBlock = (36u << 20) / sizeof(float);
  std::size_t limit_, size_ = 0;
  std::deque<std::vector<float>> blocks_;
};

void expect_rate(int sample_rate_hz) {
  if (sample_rate_hz >= SoundFile::kMinRateHz && sample_rate_hz <= SoundFile::kMaxRateHz) return;
  fail(ErrorCode::kInvalidArgument, "sample rate: expected ", SoundFile::kMinRateHz, " to ",
       SoundFile::kMaxRateHz, " Hz, got ", sample_rate_hz);
}

std::size_t sample_limit(const MediaLimits& limits, int sample_rate_hz) {
  constexpr double kMost = 1e12;
  const double most = limits.max_audio_seconds * sample_rate_hz;
  return most >= 0.0 ? static_cast<std::size_t>(std::min(most, kMost)) : 0;
}

}  // namespace

AudioClip decode_audio(std::span<const std::byte> bytes, int sample_rate_hz,
                       const MediaLimits& limits) {
  expect_rate(sample_rate_hz);
  if (bytes.size() > limits.max_file_bytes) {
    fail(ErrorCode::kInvalidArgument, "expected at most ", limits.max_file_bytes, " bytes, got ",
         bytes.size());
  }
  GrowingSamples kept(sample_limit(limits, sample_rate_hz));
  const AudioParts parts = audio_parts(bytes);
  std::optional<Resampler> resampler;
  int rate_hz = 0;  // of the part before
  for (const auto part : parts.files) {
    SoundFile sound(part, parts.format);
    if (sound.sample_rate_hz() != rate_hz) {
      if (resampler) kept.append(resampler->finish());
      rate_hz = sound.sample_rate_hz();
      resampler.emplace(rate_hz, sample_rate_hz);
    }
    for (auto block = sound.read_mono(); !block.empty(); block = sound.read_mono()) {
      kept.append(resampler->add(block));
    }
  }
  kept.append(resampler->finish());
  if (kept.size() == 0) {
    fail(ErrorCode::kCorruptData, "expected at least one sample of sound, got none");
  }
  return {sample_rate_hz, kept.take()};
}

AudioClip load_audio(const std::string& source, int sample_rate_hz, const MediaLimits& limits) {
  const std::string bytes = read_source(source, limits);
  return naming_source(source,
                       [&] { return decode_audio(as_bytes(bytes), sample_rate_hz, limits); });
}

AudioClip resample(const AudioClip& clip, int sample_rate_hz) {
  expect_rate(clip.sample_rate_hz);
  expect_rate(sample_rate_hz);
  for (std::size_t i = 0; i < clip.samples.size(); ++i) {
    if (std::isfinite(clip.samples[i])) continue;
    fail(ErrorCode::kInvalidArgument, "sample ", i, ": expected a finite number, got ",
         clip.samples[i]);
  }
  Resampler resampler(clip.sample_rate_hz, sample_rate_hz);
  const auto begun = resampler.add(clip.samples);
  AudioClip result = {sample_rate_hz, {begun.begin(), begun.end()}};
  const auto rest = resampler.finish();
  result.samples.insert(result.samples.end(), rest.begin(), rest.end());
  return result;
}

}  // namespace gemma3n
