// How keys and values lie in memory: in pages, each of some consecutive entries (tokens) of one
// layer and one sequence.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "gemma3n/cache_storage.h"
#include "kernels/kernels.h"
#include "tensor/view.h"

namespace gemma3n {

inline constexpr Index kPageEntries = 512;

inline constexpr std::size_t kPageAlignment = 64;
struct FreePage {
  void operator()(std::byte* page) const {
    ::operator delete (page, std::align_val_t{kPageAlignment});
  }
};
using KvPage = std::unique_ptr<std::byte, FreePage>;

// A page is keys [K, kPageEntries, E], values likewise, then, for kInt8, the scales of the keys
// [K, kPageEntries] f32 and those of the values: a number is its scale times a byte of -127..127.
struct KvLayout {
  CacheStorage storage = CacheStorage::kF32;
  Index K = 0;
  Index E = 0;

  Index element_bytes() const {
    return storage == CacheStorage::kInt8 ? 1 : storage == CacheStorage::kBF16 ? 2 : 4;
  }
  Index scale_bytes() const {
    return storage == CacheStorage::kInt8 ? sizeof(float) : 0;
  }  // a head
  std::size_t page_bytes() const {
    return static_cast<std::size_t>(2 * K * kPageEntries * (E * element_bytes() + scale_bytes()));
  }

  // Not initialised: memory that no entry has touched costs nothing.
  KvPage new_page() const {
    void* page = ::operator new (page_bytes(), std::align_val_t{kPageAlignment});
    return KvPage(static_cast<std::byte*>(page));
  }

  // Where a page holds the key and the value of a head at `slot`, an entry's place in its page.
  Index key(Index head, Index slot) const {
    return (head * kPageEntries + slot) * E * element_bytes();
  }
  Index value(Index head, Index slot) const { return key(K + head, slot); }
  Index key_scale(Index head, Index slot) const {
    return key(2 * K, 0) + (head * kPageEntries + slot) * scale_bytes();
  }
  Index value_scale(Index head, Index slot) const { return key_scale(K + head, slot); }

  // Writes key and value [E] of a head, rounded as the storage asks.
  void store(const KernelTable& kernels, const float* key, const float* value, std::byte* page,
             Index head, Index slot) const;
  // Copies the first `entries` of a page.
  void copy(const std::byte* from, std::byte* to, Index entries) const;
};

}  // namespace gemma3n
