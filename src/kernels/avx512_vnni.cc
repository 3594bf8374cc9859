// AVX-512 with AVX512-VNNI (see CMakeLists.txt for the flags only this file gets): the kernels of
// AVX-512, but for products of blocks.
#include <immintrin.h>

#include <array>

#include "kernels/kernels.h"
#include "kernels/x86_tables.h"

namespace gemma3n {
namespace {

#include "kernels/simd256_vectors.inc"

#define GEMMA3N_HAS_ADD_QUADS
I add_quads(I sum, I w, I x) { return _mm256_dpbusd_epi32(sum, w, x); }
#include "kernels/simd256_blocks.inc"

}  // namespace

const KernelTable& avx512_vnni_kernels() {
  static const KernelTable table = with_products(avx512_kernels(), "avx512_vnni",
                                                 {block_matmul<8>, block_matmul<4>, int8_chains});
  return table;
}

}  // namespace gemma3n
