// Scratch memory for one forward pass: bump allocation, released scope by scope, kept for the next.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

#include "tensor/view.h"

namespace gemma3n {

// Grows by blocks while a pass is larger than all before it; after that, no call allocates.
// Not thread-safe: one arena per forward pass in flight.
class Arena {
 public:
  // Uninitialised, 64-byte aligned; valid until the enclosing ArenaScope ends.
  View<float> tensor(Shape shape) {
    return {array<float>(static_cast<std::size_t>(shape.size())).data(), shape};
  }
  template <typename T>
  std::span<T> array(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kAlignment);
    return {static_cast<T*>(allocate(count * sizeof(T))), count};
  }

  std::size_t capacity_bytes() const {
    std::size_t total = 0;
    for (const Block& block : blocks_) total += block.size;
    return total;
  }

 private:
  friend class ArenaScope;
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kMinBlockBytes = std::size_t{1} << 20;

  struct Free {
    void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
  };
  struct Block {
    std::unique_ptr<std::byte, Free> data;
    std::size_t size = 0;
  };

  void* allocate(std::size_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      const std::size_t size = bytes > kMinBlockBytes ? bytes : kMinBlockBytes;
      void* data = ::operator new (size, std::align_val_t{kAlignment});
      blocks_.push_back({std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(data)), size});
    }
    void* result = blocks_[block_].data.get() + used_;
    used_ += bytes;
    return result;
  }

  std::vector<Block> blocks_;
  std::size_t block_ = 0;  // the block in use
  std::size_t used_ = 0;   // bytes of it
};

// Frees everything allocated since its construction.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), block_(arena.block_), used_(arena.used_) {}
  ~ArenaScope() {
    arena_.block_ = block_;
    arena_.used_ = used_;
  }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  std::size_t block_, used_;
};

}  // namespace gemma3n
