// Decodes one sound file block by block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gemma3n/error.h"
#include "media/audio_format.h"
#include "media/sound_decoders.h"

namespace gemma3n {

class SoundFile {
 public:
  static constexpr int kMinRateHz = 1000, kMaxRateHz = 768000;
  static constexpr int kMaxChannels = 32;

  // `bytes` must outlive this object.
  // Throws: kCorruptData if it cannot be decoded as `format`; kUnsupported for other ways to store
  // samples in it; kInvalidArgument for a sample rate or a number of channels outside the limits.
  SoundFile(std::span<const std::byte> bytes, AudioFormat format);

  int sample_rate_hz() const { return decoder_->sample_rate_hz; }

  // The next samples, channels averaged; empty at the end. Valid until the next call. What a header
  // says of the length plays no part: sound ends where decoding does.
  // Throws: kCorruptData for damage, or samples that are not finite; the message says where.
  std::span<const float> read_mono();

 private:
  bool may_end_at(std::int64_t frames) const;

  std::unique_ptr<SoundDecoder> decoder_;
  AudioFormat format_;
  std::int64_t flac_total_ = 0;  // samples that the file says it has; 0: not known
  std::int64_t frames_read_ = 0;
  std::string damage_;  // met, unless it was the end
  std::vector<float> interleaved_, mono_;
};

// The mean over channels, in the order in which NumPy adds them.   frame: [channels]
// Ref: numpy.mean over the last axis of float32
float mean_of_channels(std::span<const float> frame);

}  // namespace gemma3n
