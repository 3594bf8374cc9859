// For tests on processors without VNNI: its kernels, with the one instruction they are about made
// of others.
#include <immintrin.h>

#include <array>

#include "kernels/kernels.h"
#include "kernels/x86_tables.h"

namespace gemma3n {
namespace {

#include "kernels/simd256_vectors.inc"

#define GEMMA3N_HAS_ADD_QUADS
I add_quads(I sum, I w, I x) {
  const I low = _mm256_set1_epi16(0xFF);
  // Bytes 0 and 2 of each lane, then 1 and 3, as numbers of 16 bits.
  const I even_w = _mm256_and_si256(w, low), odd_w = _mm256_srli_epi16(w, 8);
  const I even_x = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), odd_x = _mm256_srai_epi16(x, 8);
  return _mm256_add_epi32(
      sum, _mm256_add_epi32(_mm256_madd_epi16(even_w, even_x), _mm256_madd_epi16(odd_w, odd_x)));
}
#include "kernels/simd256_blocks.inc"

}  // namespace

const KernelTable& vnni_by_avx2_kernels() {
  static const KernelTable table = with_products(avx2_kernels(), "vnni_by_avx2",
                                                 {block_matmul<8>, block_matmul<4>, int8_chains});
  return table;
}

}  // namespace gemma3n
