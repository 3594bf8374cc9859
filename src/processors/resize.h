// The antialiased bilinear filter of torch, over pixels [height, width, channels] whose channels
// lie side by side.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

struct PixelGrid {
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t size() const { return height * width * channels; }
};

// Pixels of another size.   pixels: `from`, returns [height, width, from.channels]
// The uint8 form has exactly the bits of torch's own uint8 kernel: integer taps, the horizontal
// pass rounded to uint8 before the vertical one. The float form agrees up to rounding. Needs 4
// bytes per output value beside input and output. Ref: torch upsample_bilinear2d_aa
std::vector<std::uint8_t> resize_bilinear(std::span<const std::uint8_t> pixels,
                                          const PixelGrid& from, std::int64_t height,
                                          std::int64_t width);
std::vector<float> resize_bilinear(std::span<const float> pixels, const PixelGrid& from,
                                   std::int64_t height, std::int64_t width);

}  // namespace gemma3n
