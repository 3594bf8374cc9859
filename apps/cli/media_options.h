// Pictures and sounds on the command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/processor.h"
#include "options.h"

namespace gemma3n::cli {

// What to do with sound that is longer than a clip of the model: 30 s.
enum class LongAudio {
  kCut,    // take its beginning, with a warning, as transformers does without one
  kSplit,  // several clips
};

// What the model is asked to do with a sound, unless the user says otherwise.
constexpr const char* kTranscribePrompt = "Transcribe the following speech segment.";

struct MediaOptions {
  std::vector<std::string> images, sounds;
  std::optional<std::string> long_audio;
  std::optional<std::int64_t> image_size;  // pixels along a side
  bool allow_private_urls = false;

  MediaLimits limits() const;
  // Throws: kInvalidArgument for another word than "cut" and "split".
  LongAudio long_audio_mode() const;
};

void declare_media_options(Options& options, MediaOptions& slots);
void declare_image_size(Options& options, MediaOptions& slots);
void declare_long_audio(Options& options, MediaOptions& slots);
void declare_url_options(Options& options, MediaOptions& slots);

// The checkpoint's, with pictures of the size that was asked for.
// Throws: as Processor::from_pretrained; kInvalidArgument for a size out of range; kUnsupported for
// a size if the checkpoint takes no pictures.
Processor load_processor(const std::filesystem::path& model_dir, const MediaOptions& given);

// Of the sounds this checkpoint takes; 0 if it takes none.
int sample_rate_hz(const Processor& processor);

// All of one sound, at `rate_hz`. A source is a path, a URL, a data: URL, or "-": standard
// input, a sound file or raw 16-bit little-endian mono samples at 16 kHz.
// Throws: as load_audio; kInvalidArgument for a sound without samples; kUnsupported if the rate is
// 0.
AudioClip load_sound(const std::string& source, int rate_hz, const MediaLimits& limits);

double seconds_of(const AudioClip& clip);

Part load_image_part(const std::string& source, const MediaLimits& limits);
// One part for each clip.
std::vector<Part> load_sound_parts(const std::string& source, LongAudio mode, int rate_hz,
                                   const MediaLimits& limits);

// The pictures, then the sounds, in the order in which they were given.
std::vector<Part> load_media_parts(const MediaOptions& given, int rate_hz);

}  // namespace gemma3n::cli
