// Rounding to 16-bit floats. Not for the files of single instruction sets.
#pragma once

#include <bit>
#include <cmath>

#include "kernels/table.h"

namespace gemma3n {

// To nearest even; 65520 and more become infinity, and so does NaN.
inline F16 narrow_f16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const float size = std::fabs(x);
  if (!(size < 65520.0f)) return {static_cast<std::uint16_t>(sign | 0x7C00u)};
  if (size < 0x1p-14f) {  // subnormal: a multiple of 2^-24
    const auto multiple = static_cast<unsigned>(std::nearbyint(size * 0x1p24f));
    return {static_cast<std::uint16_t>(sign | multiple)};
  }
  const auto whole = std::bit_cast<std::uint32_t>(size) - (112u << 23);
  return {static_cast<std::uint16_t>(sign | ((whole + 0xFFFu + ((whole >> 13) & 1u)) >> 13))};
}

}  // namespace gemma3n
