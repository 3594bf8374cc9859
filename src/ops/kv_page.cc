#include "ops/kv_page.h"

#include <algorithm>

namespace gemma3n {
namespace {

void store_head(const KernelTable& kernels, CacheStorage storage, const float* x, std::size_t n,
                std::byte* to, std::byte* scale) {
  switch (storage) {
    case CacheStorage::kF32:
      std::copy_n(x, n, reinterpret_cast<float*>(to));
      break;
    case CacheStorage::kBF16:
      kernels.narrow_bf16(x, reinterpret_cast<Bf16*>(to), n);
      break;
    case CacheStorage::kInt8:
      *reinterpret_cast<float*>(scale) =
          kernels.narrow_bytes(x, reinterpret_cast<std::int8_t*>(to), n);
      break;
  }
}

}  // namespace

void KvLayout::store(const KernelTable& kernels, const float* k, const float* v, std::byte* page,
                     Index head, Index slot) const {
  const auto n = static_cast<std::size_t>(E);
  store_head(kernels, storage, k, n, page + key(head, slot), page + key_scale(head, slot));
  store_head(kernels, storage, v, n, page + value(head, slot), page + value_scale(head, slot));
}

void KvLayout::copy(const std::byte* from, std::byte* to, Index entries) const {
  for (Index head = 0; head < 2 * K; ++head) {  // the values' heads come after the keys'
    std::copy_n(from + key(head, 0), entries * E * element_bytes(), to + key(head, 0));
    std::copy_n(from + key_scale(head, 0), entries * scale_bytes(), to + key_scale(head, 0));
  }
}

}  // namespace gemma3n
