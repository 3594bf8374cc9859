// What becomes of a stored matrix: transposed, converted, quantised; in parts as at once.
#include "ops/weight_form.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "ops/ops.h"
#include "ops/quantize.h"

namespace gemma3n {
namespace {

constexpr Access kEach[] = {Access::kAsStored, Access::kProduct, Access::kTower,
                            Access::kRows,     Access::kColumns, Access::kTable};
constexpr Quantization kEvery[] = {Quantization::kNone, Quantization::kInt8, Quantization::kInt4,
                                   Quantization::kBF16, Quantization::kF32};

std::vector<float> random_floats(Index n) {
  std::mt19937 rng(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) v = normal(rng);
  return values;
}

TEST(WeightForm, IsChosenByHowAMatrixIsRead) {
  const auto form = [](Access access, Quantization q) {
    return form_of({64, 96}, DType::kF16, access, q);
  };
  const WeightForm stored = {Storage::kRows, DType::kF16};
  for (const auto q : kEvery) EXPECT_EQ(form(Access::kAsStored, q), stored);
  for (const auto access : kEach) EXPECT_EQ(form(access, Quantization::kNone), stored);
  EXPECT_EQ(form(Access::kProduct, Quantization::kInt8).storage, Storage::kInt8Blocks);
  EXPECT_EQ(form(Access::kProduct, Quantization::kInt4).storage, Storage::kInt4Blocks);
  for (const auto q : {Quantization::kInt8, Quantization::kInt4}) {
    EXPECT_EQ(form(Access::kTower, q).storage, Storage::kInt8Blocks);
  }
  for (const auto access : {Access::kRows, Access::kColumns, Access::kTable}) {
    EXPECT_EQ(form(access, Quantization::kInt8).storage, Storage::kInt8Groups);
    EXPECT_EQ(form(access, Quantization::kInt4).storage, Storage::kInt4Groups);
  }
  EXPECT_EQ(form(Access::kProduct, Quantization::kBF16),
            (WeightForm{Storage::kRows, DType::kBF16}));
  EXPECT_EQ(form(Access::kColumns, Quantization::kF32), (WeightForm{Storage::kRows, DType::kF32}));
  EXPECT_EQ(form(Access::kTable, Quantization::kF32), stored);
}

TEST(WeightForm, WhatHasNoWholeGroupsStaysAsItIs) {
  const WeightForm stored = {Storage::kRows, DType::kBF16};
  for (const auto access : {Access::kProduct, Access::kRows, Access::kTable}) {
    EXPECT_EQ(form_of({64, 40}, DType::kBF16, access, Quantization::kInt4), stored);
  }
  EXPECT_EQ(form_of({40, 64}, DType::kBF16, Access::kColumns, Quantization::kInt4), stored);
  EXPECT_EQ(form_of({64, 40}, DType::kBF16, Access::kColumns, Quantization::kInt4).storage,
            Storage::kInt4Groups);
}

TEST(WeightForm, PartsAreAsTheWhole) {
  ThreadPool pool(2);
  const auto values = random_floats(101 * 96);
  for (const auto& shape : {Shape{101, 96}, Shape{96, 101}}) {
    const Weight from{values.data(), DType::kF32, shape};
    for (const auto access : kEach) {
      for (const auto quantization : kEvery) {
        const WeightForm form = form_of(shape, DType::kF32, access, quantization);
        const Shape read = shape_as_read(shape, access);
        std::vector<std::byte> whole(size_bytes(form, read)), parts(whole.size());
        write_rows(pool, from, access, form, 0, read[0], whole.data());
        std::byte* to = parts.data();
        for (Index first = 0; first < read[0]; first += 48) {
          const Index n = std::min<Index>(48, read[0] - first);
          write_rows(pool, from, access, form, first, n, to);
          to += size_bytes(form, {n, read[1]});
        }
        EXPECT_EQ(to, parts.data() + parts.size());
        EXPECT_EQ(parts, whole);
      }
    }
  }
}

TEST(WeightForm, ConvolutionsBecomeRowsOfWindows) {
  ThreadPool pool(2);
  const Shape shape = {3, 32, 2, 3};
  EXPECT_EQ(shape_as_read(shape, Access::kTower), (Shape{3, 192}));
  EXPECT_FALSE(lies_as_read(shape, Access::kTower));
  EXPECT_TRUE(lies_as_read({3, 32, 1, 1}, Access::kTower));
  EXPECT_TRUE(lies_as_read({3, 32}, Access::kTower));
  const auto values = random_floats(shape.size());
  std::vector<float> windows(values.size());
  for (std::size_t o = 0, at = 0; o < 3; ++o) {
    for (std::size_t i = 0; i < 32; ++i) {
      for (std::size_t tap = 0; tap < 6; ++tap, ++at) windows[o * 192 + tap * 32 + i] = values[at];
    }
  }
  const Weight from = {values.data(), DType::kF32, shape};
  const Weight expected = {windows.data(), DType::kF32, {3, 192}};
  for (const auto quantization : kEvery) {
    const WeightForm form = form_of(shape, DType::kF32, Access::kTower, quantization);
    std::vector<std::byte> here(size_bytes(form, {3, 192})), there(here.size()), parts(here.size());
    write_rows(pool, from, Access::kTower, form, 0, 3, here.data());
    write_rows(pool, expected, Access::kTower, form, 0, 3, there.data());
    EXPECT_EQ(here, there);
    if (is_blocks(form.storage)) continue;  // has but one
    for (Index o = 0; o < 3; ++o) {
      write_rows(pool, from, Access::kTower, form, o, 1,
                 parts.data() + static_cast<std::size_t>(o) * size_bytes(form, {1, 192}));
    }
    EXPECT_EQ(parts, here);
  }
  const std::vector<std::uint16_t> halves = {1, 2, 3, 4};  // [1, 2, 1, 2]
  std::vector<std::uint16_t> window(4);
  write_rows(pool, {halves.data(), DType::kBF16, {1, 2, 1, 2}}, Access::kTower,
             {Storage::kRows, DType::kBF16}, 0, 1, reinterpret_cast<std::byte*>(window.data()));
  EXPECT_EQ(window, (std::vector<std::uint16_t>{1, 3, 2, 4}));
}

TEST(WeightForm, ColumnsBecomeRowsWhateverTheirDtype) {
  ThreadPool pool(1);
  const std::vector<std::uint16_t> halves = {1, 2, 3, 4, 5, 6};
  std::vector<std::uint16_t> turned(6);
  write_rows(pool, {halves.data(), DType::kF16, {2, 3}}, Access::kColumns,
             {Storage::kRows, DType::kF16}, 0, 3, reinterpret_cast<std::byte*>(turned.data()));
  EXPECT_EQ(turned, (std::vector<std::uint16_t>{1, 4, 2, 5, 3, 6}));

  // Quantised: the same as quantising the transpose.
  const auto values = random_floats(64 * 33);
  std::vector<float> transpose(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) transpose[i % 33 * 64 + i / 33] = values[i];
  const WeightForm form = {Storage::kInt4Groups};
  std::vector<std::byte> here(size_bytes(form, {33, 64})), there(here.size());
  write_rows(pool, {values.data(), DType::kF32, {64, 33}}, Access::kColumns, form, 0, 33,
             here.data());
  quantize(pool, {transpose.data(), DType::kF32, {33, 64}}, form.storage, there.data());
  EXPECT_EQ(here, there);
}

TEST(WeightForm, ValuesAreRoundedToNearestEven) {
  ThreadPool pool(1);
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {
      1.0f,    -2.5f, 1.00390625f, 1.01171875f,
      3.4e38f, inf,   -inf,        std::bit_cast<float>(0x7F800001u)};  // a NaN of low bits
  std::vector<std::uint16_t> halves(values.size());
  write_rows(pool, {values.data(), DType::kF32, {1, 8}}, Access::kProduct,
             {Storage::kRows, DType::kBF16}, 0, 1, reinterpret_cast<std::byte*>(halves.data()));
  EXPECT_EQ(halves, (std::vector<std::uint16_t>{0x3F80, 0xC020, 0x3F80, 0x3F82, 0x7F80, 0x7F80,
                                                0xFF80, 0x7FC0}));
  std::vector<float> back(values.size());
  write_rows(pool, {halves.data(), DType::kBF16, {1, 8}}, Access::kProduct,
             {Storage::kRows, DType::kF32}, 0, 1, reinterpret_cast<std::byte*>(back.data()));
  EXPECT_EQ(back[1], -2.5f);
  EXPECT_TRUE(std::isnan(back[7]));
}

}  // namespace
}  // namespace gemma3n
