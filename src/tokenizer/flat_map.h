// The one hash table of this layer: 64-bit keys, open addressing, filled once and then only read.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace gemma3n {

// Drawn anew in each process, so that nobody can write a tokenizer.json whose keys all collide.
std::uint64_t hash_seed();

// The finaliser of splitmix64: every bit of the input reaches every bit of the result.
inline std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t hash = seed ^ bytes.size();
  while (bytes.size() >= 8) {
    std::uint64_t eight;
    std::memcpy(&eight, bytes.data(), 8);
    hash = mix_bits(hash ^ eight);
    bytes.remove_prefix(8);
  }
  std::uint64_t rest = 0;
  for (const char c : bytes) rest = (rest << 8) | static_cast<unsigned char>(c);
  return mix_bits(hash ^ rest);
}

template <typename Value>
class FlatMap {
 public:
  explicit FlatMap(std::size_t expected_size = 0) { resize_for(expected_size); }

  // Null if the key is absent. The pointer is valid until the next assign().
  const Value* find(std::uint64_t key) const {
    for (std::size_t i = home(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == kEmpty) return nullptr;
    }
  }

  // Inserts, or overwrites what `key` had. The key ~0 is reserved.
  void assign(std::uint64_t key, const Value& value) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    std::size_t i = home(key);
    while (slots_[i].key != key && slots_[i].key != kEmpty) i = (i + 1) & mask_;
    size_ += slots_[i].key == kEmpty;
    slots_[i] = {key, value};
  }

  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Value value{};
  };

  std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>(mix_bits(key ^ seed_)) & mask_;
  }

  void resize_for(std::size_t expected_size) {
    slots_.assign(std::bit_ceil(expected_size * 2 + 2), Slot{});
    mask_ = slots_.size() - 1;
    size_ = 0;
  }

  void grow() {
    std::vector<Slot> old;
    old.swap(slots_);
    resize_for(old.size());
    for (const Slot& slot : old) {
      if (slot.key != kEmpty) assign(slot.key, slot.value);
    }
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
  std::uint64_t seed_ = hash_seed();
};

}  // namespace gemma3n
