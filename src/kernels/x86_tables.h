// The tables of x86 processors, and how one is made of another that differs in its products of
// blocks alone.
#pragma once

#include "kernels/table.h"

namespace gemma3n {

const KernelTable& avx2_kernels();
const KernelTable& avx2_vnni_kernels();
const KernelTable& avx512_kernels();
const KernelTable& avx512_vnni_kernels();
const KernelTable& vnni_by_avx2_kernels();  // in tests only

struct BlockProducts {
  void (*matmul_int8)(const BlockMatmul&);
  void (*matmul_int4)(const BlockMatmul&);
  std::uint32_t (*int8_chains)(std::size_t steps);
};

// Inline functions of files with flags of their own must not be shared: each has its own copy.
static inline KernelTable with_products(KernelTable table, const char* name,
                                        const BlockProducts& products) {
  table.name = name;
  table.matmul_int8 = products.matmul_int8;
  table.matmul_int4 = products.matmul_int4;
  table.int8_chains = products.int8_chains;
  return table;
}

}  // namespace gemma3n
