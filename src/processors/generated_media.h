// For tests: pictures and sounds that the scripts in tools/reference make too, from a hash of each
// element's index.
#pragma once

#include <cstdint>
#include <vector>

#include "gemma3n/media.h"

namespace gemma3n {

// Element i is the top byte of a hash of i.
inline std::vector<std::uint8_t> generated_bytes(std::int64_t count) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(count));
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t x = i * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    bytes.push_back(static_cast<std::uint8_t>(x >> 24));
  }
  return bytes;
}

inline Image generated_image(std::int64_t width, std::int64_t height) {
  return {width, height, generated_bytes(width * height * 3)};
}

inline AudioClip generated_clip(std::int64_t samples) {
  AudioClip clip = {16000, {}};
  for (const auto byte : generated_bytes(samples)) {
    clip.samples.push_back((static_cast<float>(byte) - 128.0f) / 128.0f);
  }
  return clip;
}

}  // namespace gemma3n
