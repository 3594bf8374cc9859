// Decodes one sound file block by block, through libsndfile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gemma3n/error.h"
#include "media/audio_format.h"

namespace gemma3n {

class SoundFile {
 public:
  static constexpr int kMinRateHz = 1000, kMaxRateHz = 768000;
  static constexpr int kMaxChannels = 32;

  // `bytes` must outlive this object.
  // Throws: kCorruptData if it cannot be decoded as `format`; kUnsupported for other ways to store
  // samples in it; kInvalidArgument for a sample rate or a number of channels outside the limits.
  SoundFile(std::span<const std::byte> bytes, AudioFormat format);
  ~SoundFile();
  SoundFile(const SoundFile&) = delete;
  SoundFile& operator=(const SoundFile&) = delete;

  int sample_rate_hz() const { return sample_rate_hz_; }
  int channels() const { return channels_; }

  // The next samples, channels averaged; empty at the end. Valid until the next call. What a header
  // says of the length plays no part: sound ends where decoding does.
  // Throws: kCorruptData for damage, or samples that are not finite; the message says where.
  std::span<const float> read_mono();

 private:
  struct Source;
  std::unique_ptr<Source> source_;
  int sample_rate_hz_ = 0;
  int channels_ = 0;
  std::int64_t frames_read_ = 0;
  std::int64_t flac_total_ = 0;  // samples that the file says it has; 0: not known
  std::string damage_;           // met, unless it was the end
  std::vector<float> interleaved_, mono_;
};

// The mean over channels, in the order in which NumPy adds them.   frame: [channels]
// Ref: numpy.mean over the last axis of float32
float mean_of_channels(std::span<const float> frame);

}  // namespace gemma3n
