// A whole sound file in memory, opened by the library that decodes its format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "gemma3n/error.h"
#include "media/audio_format.h"

namespace gemma3n {

// Of FLAC's STREAMINFO: the number of samples, 36 bits. Ref: RFC 9639, 8.2
inline constexpr std::int64_t kFlacTotalAt = 21, kFlacTotalBytes = 5;

struct SoundBlock {
  std::size_t frames = 0;  // none at the end
  std::string damage;      // what was met behind them, if anything
};

class SoundDecoder {
 public:
  virtual ~SoundDecoder() = default;

  // The next frames, as many as `interleaved` has room for.
  virtual SoundBlock read(std::span<float> interleaved) = 0;

  int sample_rate_hz = 0, channels = 0;  // as the file says, not checked
};

// Both throw kCorruptData if the file cannot be decoded; kUnsupported for ways to store samples
// that are not decoded. `bytes` must outlive the result.
std::unique_ptr<SoundDecoder> open_with_sndfile(std::span<const std::byte> bytes,
                                                AudioFormat format);
std::unique_ptr<SoundDecoder> open_mp3(std::span<const std::byte> bytes);

}  // namespace gemma3n
