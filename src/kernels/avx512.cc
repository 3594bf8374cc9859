// AVX-512 on 256-bit vectors: twice as many registers as AVX2, so twice the tile.
#include <immintrin.h>

#include <array>

#include "kernels/kernels.h"

namespace gemma3n {
namespace {

constexpr std::size_t kColumns = 6;
#include "kernels/simd256.inc"

}  // namespace

const KernelTable& avx512_kernels() {
  static constexpr KernelTable table = make_table("avx512");
  return table;
}

}  // namespace gemma3n
