// AVX2, FMA and F16C (see CMakeLists.txt for the flags only this file gets).
#include <immintrin.h>

#include <array>

#include "kernels/kernels.h"

namespace gemma3n {
namespace {

constexpr std::size_t kColumns = 3;
#include "kernels/simd256.inc"

}  // namespace

const KernelTable& avx2_kernels() {
  static constexpr KernelTable table = make_table("avx2");
  return table;
}

}  // namespace gemma3n
