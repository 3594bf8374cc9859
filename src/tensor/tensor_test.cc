#include "gemma3n/tensor.h"

#include <gtest/gtest.h>

#include <limits>

#include "tensor/arena.h"

namespace gemma3n {
namespace {

TEST(Tensor, StartsAtZeroAndSharesItsElements) {
  Tensor a(DType::kF32, {2, 3});
  EXPECT_EQ(a.f32()[5], 0.0f);
  Tensor shared = a, separate = a.clone();
  shared.f32()[0] = 1.0f;
  EXPECT_EQ(a.f32()[0], 1.0f);
  EXPECT_EQ(separate.f32()[0], 0.0f);
  EXPECT_EQ(a.reshape({3, 2}).f32()[0], 1.0f);
}

TEST(Tensor, IsAbsentByDefaultButPresentWhenEmpty) {
  EXPECT_FALSE(Tensor());
  EXPECT_TRUE(Tensor(DType::kF32, {0, 4}));
  EXPECT_EQ(Tensor(DType::kF32, {}).size(), 1);  // a scalar
}

TEST(Tensor, RefusesWhatDoesNotFit) {
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_THROW(Tensor(DType::kF32, {huge, huge}), Error);
  EXPECT_THROW(Tensor(DType::kF32, {-1}), Error);
  EXPECT_THROW(Tensor(DType::kF32, {2}).i64(), Error);
  EXPECT_THROW(Tensor(DType::kF32, {2}).reshape({3}), Error);
  const float one[] = {1.0f};
  EXPECT_THROW(Tensor::of(one, {2}), Error);
}

TEST(Arena, ReusesMemoryOfClosedScopes) {
  Arena arena;
  const float* first = nullptr;
  {
    const ArenaScope scope(arena);
    first = arena.tensor({10}).data();
    arena.tensor({1 << 20});  // larger than a block: a second one
  }
  const std::size_t capacity = arena.capacity_bytes();
  {
    const ArenaScope scope(arena);
    EXPECT_EQ(arena.tensor({10}).data(), first);
    arena.tensor({1 << 20});
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arena.tensor({3}).data()) % 64, 0u);
  }
  EXPECT_LE(arena.capacity_bytes(), capacity + (1 << 20));
}

}  // namespace
}  // namespace gemma3n
