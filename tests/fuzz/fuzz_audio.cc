// Any bytes as a sound file: an Error, or finite samples within the limit. As JSON: an Error, or a
// feature extractor.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gemma3n/media.h"
#include "gemma3n/processor.h"

// libsndfile 1.2.0 loses a few kilobytes of libvorbis when it refuses a damaged Ogg file. All other
// leaks are still found.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libvorbis.so\n";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gemma3n::MediaLimits limits;
  limits.max_audio_seconds = 20;
  try {
    const auto clip = gemma3n::decode_audio(std::as_bytes(std::span(data, size)), 16000, limits);
    if (clip.samples.empty() || clip.samples.size() > 20 * 16000) __builtin_trap();
    for (const float x : clip.samples) {
      if (!std::isfinite(x)) __builtin_trap();
    }
  } catch (const gemma3n::Error&) {
  }
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    gemma3n::AudioFeatureExtractorConfig::from_json(text).validate();
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
