// Which picture format a file is, told from its first bytes, never from its name.
#pragma once

#include <cstddef>
#include <span>

#include "gemma3n/error.h"

namespace gemma3n {

enum class ImageFormat { kJpeg, kPng, kWebp, kGif, kBmp };

// Throws: kUnsupported naming the format if it is a known one that is not decoded (TIFF, SVG, AVIF,
// PDF, ...); kCorruptData if it is none.
ImageFormat sniff_image_format(std::span<const std::byte> file);

}  // namespace gemma3n
