// Pictures and sounds from outside: decoded, checked, in the one form the processors take.
// Every limit on outside bytes lives here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

struct Image {
  std::int64_t width = 0;         // pixels
  std::int64_t height = 0;        // pixels
  std::vector<std::uint8_t> rgb;  // [height, width, 3], sRGB, top row first
};

struct AudioClip {
  int sample_rate_hz = 0;
  std::vector<float> samples;  // mono
};

// What is refused, and what may be fetched.
struct MediaLimits {
  std::int64_t max_pixels = 64'000'000;     // width * height, checked before anything is allocated
  std::size_t max_file_bytes = 256u << 20;  // of a local file or of bytes in memory
  std::size_t max_fetch_bytes = 20u << 20;  // of a remote file
  int fetch_timeout_ms = 10'000;            // for everything, redirects included
  int max_redirects = 3;
  bool allow_private_addresses = false;    // loopback, private, link-local, ... networks
  double max_audio_seconds = 12.0 * 3600;  // of decoded sound that is kept
};

// A picture in RGB as transformers' load_image makes it from a file: JPEG, PNG, WebP, GIF and APNG
// (first frame), BMP; EXIF orientation applied; alpha dropped; palettes resolved.
// `source` is a path, an http(s) URL or a data: URL.
// Throws: kNotFound (no such file, host or page), kCorruptData (damaged), kUnsupported (another
// format, by name), kInvalidArgument (a limit, a refused URL).
Image load_image(const std::string& source, const MediaLimits& limits = {});
Image decode_image(std::span<const std::byte> bytes, const MediaLimits& limits = {});

// RGBA pixels over white.   rgba: [height, width, 4]
Image blend_over_white(std::span<const std::uint8_t> rgba, std::int64_t width, std::int64_t height);

// Sound as transformers' load_audio makes it: channels averaged, resampled to `sample_rate_hz` by
// libsoxr HQ. WAV, FLAC, Ogg Vorbis, Opus, MP3. `source` as above.
// Throws: as load_image; kCorruptData also for a sample that is not finite, by its number.
// Differs: the reference lets NaN and infinities through, hears only the first link of chained Ogg
// and the samples that a FLAC header counts, and passes over Ogg pages that are damaged or missing.
AudioClip load_audio(const std::string& source, int sample_rate_hz = 16000,
                     const MediaLimits& limits = {});
AudioClip decode_audio(std::span<const std::byte> bytes, int sample_rate_hz = 16000,
                       const MediaLimits& limits = {});
// The format of the sound file that `bytes` begin like, "WAV" or "MP3" say, also if it is none that
// is decoded; empty if they are none, such as raw samples. MP3 without a tag counts if two frames
// of layer III follow one another.
std::string_view sound_format(std::span<const std::byte> bytes);
// Mono samples at another rate.
AudioClip resample(const AudioClip& clip, int sample_rate_hz);

struct AudioSegment {
  double start_seconds = 0;  // in the clip it was cut from
  AudioClip clip;
};
// Consecutive segments of at most `max_seconds`, for models that hear no longer clips. Each is cut
// in the quietest fifth of a second of its last quarter. A clip that is short enough is one
// segment, an empty one is none.
// Throws: kInvalidArgument for max_seconds below 1, or a clip without a sample rate.
std::vector<AudioSegment> split_audio(const AudioClip& clip, double max_seconds = 30.0);

}  // namespace gemma3n
