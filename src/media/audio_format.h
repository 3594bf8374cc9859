// Which sound format a file is, told from its first bytes, and how it falls into parts.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

enum class AudioFormat { kWav, kFlac, kOgg, kMp3 };

struct AudioParts {
  AudioFormat format = AudioFormat::kWav;
  std::vector<std::span<const std::byte>> files;  // whole ones; several for chained Ogg
};

// Leaves out ID3v2 tags, which may stand before any format and be larger than a decoder skips.
// Throws: kUnsupported naming the format if it is a known one that is not decoded (AIFF, MP4, ...);
// kCorruptData if it is none; as ogg_links.
AudioParts audio_parts(std::span<const std::byte> file);

}  // namespace gemma3n
