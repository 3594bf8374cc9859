// Where a value of a block's group lies: the layout of table.h, for code that takes it apart. Not
// for the files of single instruction sets.
#pragma once

#include "kernels/table.h"

namespace gemma3n {

// The byte that holds w[o, k], from the beginning of the group.
inline std::size_t int8_place(std::size_t o, std::size_t k) {
  return kScaleBytes + k / 4 * 4 * kBlockRows + 4 * o + k % 4;
}

// The same of 4 bits: rows from kInt4Half on are in the byte's high half.
inline constexpr std::size_t kInt4Half = kBlockRows / 2;
inline std::size_t int4_place(std::size_t o, std::size_t k) {
  return kScaleBytes + k / 4 * 4 * kInt4Half + 4 * (o % kInt4Half) + k % 4;
}

inline int read_int8(const std::byte* group, std::size_t o, std::size_t k) {
  return static_cast<std::int8_t>(group[int8_place(o, k)]);
}
inline int read_int4(const std::byte* group, std::size_t o, std::size_t k) {
  const auto both = static_cast<unsigned>(group[int4_place(o, k)]);
  return static_cast<int>(o < kInt4Half ? both & 15u : both >> 4) - 8;
}

}  // namespace gemma3n
