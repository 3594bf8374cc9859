// One function per picture format: a whole file in memory -> RGB8, first frame, as it is stored
// (orientation not applied). Pixels equal those Pillow gives after convert("RGB").
//
// All of them throw kCorruptData for damage, kUnsupported for variants of the format that are not
// decoded, kInvalidArgument for too many pixels, before memory for pixels is allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "gemma3n/media.h"

namespace gemma3n {

struct StoredPicture {
  Image image;
  std::string exif;  // a TIFF file, perhaps behind "Exif\0\0"; or empty
  std::string xmp;   // an XML document; or empty
};

StoredPicture decode_jpeg(std::span<const std::byte> file, const MediaLimits& limits);
StoredPicture decode_png(std::span<const std::byte> file, const MediaLimits& limits);
StoredPicture decode_webp(std::span<const std::byte> file, const MediaLimits& limits);
StoredPicture decode_gif(std::span<const std::byte> file, const MediaLimits& limits);
StoredPicture decode_bmp(std::span<const std::byte> file, const MediaLimits& limits);

// Throws: kCorruptData if a side is not positive; kInvalidArgument for more than limits.max_pixels
// or a side of more than 1,000,000.
void expect_decodable(const char* format, std::int64_t width, std::int64_t height,
                      const MediaLimits& limits);

// A black picture of that size. Throws: as expect_decodable.
Image new_image(const char* format, std::int64_t width, std::int64_t height,
                const MediaLimits& limits);
// All pixels of one colour, in the time of a copy: damage behind it is still to be found.
void fill(Image& image, const std::array<std::uint8_t, 3>& colour);

}  // namespace gemma3n
