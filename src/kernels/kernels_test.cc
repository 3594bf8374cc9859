// Every instruction set gives the bits of the portable loops, for all sizes around a vector's
// width.
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/x86_tables.h"

namespace gemma3n {
namespace {

// Those that run here, and those of VNNI as far as they can be tested without it.
std::vector<const KernelTable*> tested_kernels() {
  const auto supported = supported_kernels();
  std::vector<const KernelTable*> tables(supported.begin(), supported.end());
#ifdef GEMMA3N_X86_KERNELS
  for (const KernelTable* table : supported) {
    if (std::string_view(table->name) == "avx2") tables.push_back(&vnni_by_avx2_kernels());
  }
#endif
  return tables;
}

class Kernels : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& fast = *GetParam();
  const KernelTable& plain = portable_kernels();
};

std::mt19937 rng(7);

std::vector<float> random_floats(std::size_t n, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  for (float& v : values) v = normal(rng);
  return values;
}

template <typename W>
std::vector<W> random_weights(std::size_t n) {
  if constexpr (std::is_same_v<W, float>) {
    return random_floats(n);
  } else if constexpr (std::is_same_v<W, std::int8_t>) {
    std::vector<W> values(n);
    for (W& v : values) v = static_cast<W>(static_cast<int>(rng() % 255u) - 127);
    return values;
  } else {
    std::vector<W> values(n);
    // Any pattern with a moderate exponent: bf16 around 1, f16 with subnormals.
    for (W& v : values) {
      const auto bits = static_cast<std::uint16_t>(rng());
      v.bits = std::is_same_v<W, Bf16> ? static_cast<std::uint16_t>((bits & 0x80FF) | 0x3F00)
                                       : static_cast<std::uint16_t>(bits & 0xBBFF);
    }
    return values;
  }
}

// NaNs of any payload are one; zeros keep their sign.
void expect_same_bits(std::span<const float> actual, std::span<const float> expected,
                      const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::isnan(actual[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(actual[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << what << " at " << i << ": " << actual[i] << " and " << expected[i];
  }
}

template <typename W>
void check_matmul(void (*fast)(const Matmul<W>&), void (*plain)(const Matmul<W>&), std::size_t T,
                  std::size_t O, std::size_t K) {
  const std::size_t x_stride = K + 3, w_stride = K + 1, y_stride = O + 2;
  const auto x = random_floats(T * x_stride);
  const auto w = random_weights<W>(O * w_stride);
  std::vector<float> a(T * y_stride, -1.0f), b(T * y_stride, -1.0f);
  fast({x.data(), x_stride, T, w.data(), w_stride, O, K, a.data(), y_stride});
  plain({x.data(), x_stride, T, w.data(), w_stride, O, K, b.data(), y_stride});
  expect_same_bits(
      a, b,
      "matmul T=" + std::to_string(T) + " O=" + std::to_string(O) + " K=" + std::to_string(K));
}

TEST_P(Kernels, MatmulAtEverySize) {
  for (const std::size_t T : {0, 1, 2, 3, 4, 5, 7, 8, 33}) {
    for (const std::size_t O : {0, 1, 2, 3, 4, 5, 6, 7, 13, 50}) {
      for (const std::size_t K : {0, 1, 7, 8, 9, 16, 31, 64}) {
        check_matmul(fast.matmul_f32, plain.matmul_f32, T, O, K);
        check_matmul(fast.matmul_bf16, plain.matmul_bf16, T, O, K);
        check_matmul(fast.matmul_f16, plain.matmul_f16, T, O, K);
        check_matmul(fast.matmul_bytes, plain.matmul_bytes, T, O, K);
      }
    }
  }
  for (const std::size_t K : {511, 512, 513, 1031}) {  // around the depth of a block
    check_matmul(fast.matmul_f32, plain.matmul_f32, 37, 101, K);
    check_matmul(fast.matmul_bf16, plain.matmul_bf16, 6, 7, K);
    check_matmul(fast.matmul_f16, plain.matmul_f16, 3, 5, K);
  }
}

TEST_P(Kernels, ARowsSumsDoNotDependOnTheOtherRows) {
  const std::size_t T = 41, O = 29, K = 1037;
  const auto x = random_floats(T * K);
  const auto w = random_weights<Bf16>(O * K);
  std::vector<float> all(T * O), one(O);
  fast.matmul_bf16({x.data(), K, T, w.data(), K, O, K, all.data(), O});
  for (std::size_t t = 0; t < T; ++t) {
    fast.matmul_bf16({x.data() + t * K, K, 1, w.data(), K, O, K, one.data(), O});
    expect_same_bits(one, std::span(all).subspan(t * O, O), "row");
  }
}

// Random blocks: any bits are values, but for -128; scales are moderate.
std::vector<std::byte> random_blocks(std::size_t O, std::size_t groups, std::size_t group_bytes) {
  std::vector<std::byte> blocks((O + kBlockRows - 1) / kBlockRows * groups * group_bytes);
  for (std::size_t at = 0; at < blocks.size(); at += group_bytes) {
    for (std::size_t i = 0; i < group_bytes; ++i) {
      blocks[at + i] = static_cast<std::byte>(rng());
      if (blocks[at + i] == std::byte{0x80} && group_bytes == kInt8GroupBytes) {
        blocks[at + i] = std::byte{0x7F};
      }
    }
    for (std::size_t o = 0; o < kBlockRows; ++o) {
      const auto bits = static_cast<std::uint16_t>(rng() & 0xBBFF);
      std::memcpy(&blocks[at + 2 * o], &bits, sizeof bits);
    }
  }
  return blocks;
}

struct QuantizedRows {
  std::vector<std::int8_t> values;
  std::vector<float> scales;
  std::vector<std::int32_t> biases;
};

QuantizedRows quantize(const KernelTable& table, const std::vector<float>& x, std::size_t K) {
  QuantizedRows rows = {std::vector<std::int8_t>(x.size()), std::vector<float>(x.size() / kGroup),
                        std::vector<std::int32_t>(x.size() / kGroup)};
  for (std::size_t at = 0; at < x.size(); at += K) {
    table.quantize_row(&x[at], K,
                       {&rows.values[at], &rows.scales[at / kGroup], &rows.biases[at / kGroup]});
  }
  return rows;
}

TEST_P(Kernels, QuantizedRowsAtEveryScale) {
  for (const float scale : {1.0f, 1e-3f, 1e20f, 1e-36f, 1e-38f, 1e-42f, 0.0f}) {
    const auto x = random_floats(20 * kGroup, scale);
    const auto a = quantize(fast, x, 5 * kGroup), b = quantize(plain, x, 5 * kGroup);
    EXPECT_EQ(a.values, b.values) << scale;
    EXPECT_EQ(a.biases, b.biases) << scale;
    expect_same_bits(a.scales, b.scales, "scales");
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float step = a.scales[i / kGroup];
      const float least = 127 * std::numeric_limits<float>::min();  // what is smaller becomes zero
      EXPECT_NEAR(static_cast<float>(a.values[i]) * step, x[i], step > 0 ? 0.5001f * step : least);
    }
  }
  const float inf = std::numeric_limits<float>::infinity();
  for (const float odd : {inf, -inf, std::nanf("")}) {
    for (const std::size_t place : {0, 9, 18, 31}) {
      auto x = random_floats(2 * kGroup);
      x[kGroup + place] = odd;
      const auto a = quantize(fast, x, 2 * kGroup), b = quantize(plain, x, 2 * kGroup);
      EXPECT_TRUE(std::isnan(a.scales[1]) && std::isnan(b.scales[1]));
      EXPECT_EQ(a.values, b.values);
      EXPECT_EQ(a.biases, b.biases);
      expect_same_bits(a.scales, b.scales, "scales");
    }
  }
}

TEST_P(Kernels, ScalesOfFourBitsAtEverySize) {
  constexpr std::size_t kTile = kGroup * kBlockRows;
  std::vector<std::vector<float>> weights = {std::vector<float>(kTile),
                                             std::vector<float>(kTile, 3.0f)};
  for (const float size : {1.0f, 1e-3f, 1e-7f, 1e-30f, 1e-42f, 1e5f, 5e5f, 1e20f, 3e38f}) {
    weights.push_back(random_floats(kTile, size));
    std::fill_n(weights.back().begin(), 5 * kBlockRows, -0.0f);
  }
  auto uneven = random_floats(kGroup);
  for (float& v : uneven) v = std::max(0.0f, v);
  for (const auto& x : weights) {
    for (const auto& importance :
         {std::vector<float>(kGroup, 1.0f), uneven, std::vector<float>(kGroup)}) {
      std::vector<float> a(kBlockRows, -1.0f), b = a;
      fast.find_int4_scales({x.data(), importance.data(), a.data()});
      plain.find_int4_scales({x.data(), importance.data(), b.data()});
      expect_same_bits(a, b, "scales");
    }
  }
}

void check_blocks(void (*fast)(const BlockMatmul&), void (*plain)(const BlockMatmul&),
                  const QuantizedRows& x, std::size_t T, std::size_t O, std::size_t groups,
                  std::size_t group_bytes) {
  const std::size_t spare = 3;  // groups of each block that are not read
  const auto w = random_blocks(O, groups + spare, group_bytes);
  const std::size_t block_bytes = (groups + spare) * group_bytes, y_stride = O + 2;
  std::vector<float> a(T * y_stride, -1.0f), b(T * y_stride, -1.0f), one(O);
  const auto run = [&](auto kernel, std::size_t t, std::size_t rows, float* y, std::size_t stride) {
    kernel({.x = x.values.data() + t * groups * kGroup,
            .x_scales = x.scales.data() + t * groups,
            .x_biases = x.biases.data() + t * groups,
            .T = rows,
            .w = w.data(),
            .block_bytes = block_bytes,
            .groups = groups,
            .O = O,
            .y = y,
            .y_stride = stride});
  };
  run(fast, 0, T, a.data(), y_stride);
  run(plain, 0, T, b.data(), y_stride);
  expect_same_bits(
      a, b,
      "T=" + std::to_string(T) + " O=" + std::to_string(O) + " groups=" + std::to_string(groups));
  for (std::size_t t = 0; t < T; ++t) {  // a row alone
    run(fast, t, 1, one.data(), O);
    expect_same_bits(one, std::span(a).subspan(t * y_stride, O), "row");
  }
}

TEST_P(Kernels, ProductsWithBlocksAtEverySize) {
  for (const std::size_t T : {0, 1, 2, 3, 4, 5, 6, 7, 11}) {
    for (const std::size_t groups : {0, 1, 2, 5, 33, 34, 64, 65, 140}) {
      const auto x = quantize(plain, random_floats(T * groups * kGroup), groups * kGroup);
      for (const std::size_t O : {1, 7, 8, 9, 15, 16, 17, 31, 40}) {
        check_blocks(fast.matmul_int8, plain.matmul_int8, x, T, O, groups, kInt8GroupBytes);
        check_blocks(fast.matmul_int4, plain.matmul_int4, x, T, O, groups, kInt4GroupBytes);
      }
    }
  }
  for (const std::size_t T : {1, 2, 3}) {  // around the rows that several blocks together have
    for (const std::size_t groups : {0, 1, 2, 33}) {
      const auto x = quantize(plain, random_floats(T * groups * kGroup), groups * kGroup);
      for (const std::size_t O : {32, 47, 48, 49, 64, 65, 95, 96, 97, 113, 144, 150}) {
        check_blocks(fast.matmul_int8, plain.matmul_int8, x, T, O, groups, kInt8GroupBytes);
        check_blocks(fast.matmul_int4, plain.matmul_int4, x, T, O, groups, kInt4GroupBytes);
      }
    }
  }
  for (const std::size_t T : {15, 16, 17, 18, 19, 23}) {  // around the fewest rows of a panel
    for (const std::size_t groups : {0, 1, 16, 17, 33, 65}) {
      const auto x = quantize(plain, random_floats(T * groups * kGroup), groups * kGroup);
      for (const std::size_t O : {1, 8, 15, 16, 41}) {
        check_blocks(fast.matmul_int8, plain.matmul_int8, x, T, O, groups, kInt8GroupBytes);
        check_blocks(fast.matmul_int4, plain.matmul_int4, x, T, O, groups, kInt4GroupBytes);
      }
    }
  }
}

// The largest values there are, of both signs: no sum on the way is lost, with few rows of x and
// with many.
TEST_P(Kernels, ExtremeProductsWithBlocksAreExact) {
  const std::size_t T = 17, groups = 2, K = groups * kGroup, O = kBlockRows;
  for (const int sign : {1, -1}) {
    QuantizedRows x = quantize(plain, std::vector<float>(T * K, static_cast<float>(sign)), K);
    for (const bool is_int4 : {true, false}) {
      const auto kernel = is_int4 ? fast.matmul_int4 : fast.matmul_int8;
      for (const int byte : {0x00, 0xFF, 0x0F, 0xF0, 0x7F, 0x81}) {
        const std::size_t bytes = is_int4 ? kInt4GroupBytes : kInt8GroupBytes;
        std::vector<std::byte> w(groups * bytes, static_cast<std::byte>(byte));
        for (std::size_t at = 0; at < w.size(); at += bytes) {
          for (std::size_t o = 0; o < kBlockRows; ++o) {
            const std::uint16_t one = 0x3C00;
            std::memcpy(&w[at + 2 * o], &one, sizeof one);
          }
        }
        std::vector<float> y(T * O), first(O);
        kernel({x.values.data(), x.scales.data(), x.biases.data(), T, w.data(), groups * bytes,
                groups, O, y.data(), O});
        kernel({x.values.data(), x.scales.data(), x.biases.data(), 1, w.data(), groups * bytes,
                groups, O, first.data(), O});
        for (std::size_t o = 0; o < O; ++o) {
          const int value =
              is_int4 ? (o < 8 ? byte & 15 : byte >> 4) - 8 : static_cast<std::int8_t>(byte);
          EXPECT_NEAR(first[o], static_cast<float>(sign * value) * static_cast<float>(K),
                      1e-4f * static_cast<float>(K));
          for (std::size_t t = 0; t < T; ++t) EXPECT_EQ(y[t * O + o], first[o]);
        }
      }
    }
  }
}

template <typename W>
void check_rows(void (*fast_dot)(const DotRows<W>&), void (*plain_dot)(const DotRows<W>&),
                void (*fast_add)(const AddRows<W>&), void (*plain_add)(const AddRows<W>&)) {
  for (const std::size_t count : {0, 1, 3, 4, 5, 8, 13}) {
    for (const std::size_t n : {0, 1, 8, 15, 16, 27}) {
      std::vector<std::vector<float>> x(count);
      std::vector<std::vector<W>> rows(count);
      std::vector<const float*> x_rows(count);
      std::vector<const W*> w_rows(count);
      for (std::size_t i = 0; i < count; ++i) {
        x[i] = random_floats(n);
        rows[i] = random_weights<W>(n);
        x_rows[i] = x[i].data();
        w_rows[i] = rows[i].data();
      }
      const auto w = random_weights<W>(n);
      std::vector<float> a(count), b(count);
      fast_dot({w.data(), x_rows.data(), count, n, a.data()});
      plain_dot({w.data(), x_rows.data(), count, n, b.data()});
      expect_same_bits(a, b, "dot_rows");

      const auto h = random_floats(count);
      auto y = random_floats(n), z = y;
      fast_add({w_rows.data(), h.data(), count, y.data(), n});
      plain_add({w_rows.data(), h.data(), count, z.data(), n});
      expect_same_bits(y, z, "add_rows");
    }
  }
}

TEST_P(Kernels, ScatteredRows) {
  check_rows(fast.dot_rows_f32, plain.dot_rows_f32, fast.add_rows_f32, plain.add_rows_f32);
  check_rows(fast.dot_rows_bf16, plain.dot_rows_bf16, fast.add_rows_bf16, plain.add_rows_bf16);
  check_rows(fast.dot_rows_f16, plain.dot_rows_f16, fast.add_rows_f16, plain.add_rows_f16);
}

TEST_P(Kernels, SelectAbove) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const std::size_t n : {0, 1, 7, 8, 9, 31, 300}) {
    for (const float cutoff : {0.5f, -10.0f, 10.0f, inf, -inf, std::nanf("")}) {
      auto x = random_floats(n);
      if (n > 5) x[1] = std::nanf(""), x[2] = 0.5f, x[3] = inf, x[4] = -inf;
      std::vector<std::int32_t> places(n), plain_places(n);
      std::vector<float> above(n), plain_above(n);
      const auto count =
          plain.select_above(x.data(), n, cutoff, plain_places.data(), plain_above.data());
      ASSERT_EQ(fast.select_above(x.data(), n, cutoff, places.data(), above.data()), count);
      EXPECT_EQ(fast.select_above(x.data(), n, cutoff, nullptr, nullptr), count);
      EXPECT_EQ(places, plain_places);
      expect_same_bits(above, plain_above, "select_above");
    }
  }
}

TEST_P(Kernels, WidenEverySixteenBitPattern) {
  std::vector<Bf16> bf16(65536);
  std::vector<F16> f16(65536);
  for (std::size_t i = 0; i < 65536; ++i) {
    bf16[i].bits = static_cast<std::uint16_t>(i);
    f16[i].bits = static_cast<std::uint16_t>(i);
  }
  std::vector<float> a(65536), b(65536);
  fast.widen_bf16(bf16.data(), a.data(), a.size() - 3);
  plain.widen_bf16(bf16.data(), b.data(), b.size() - 3);
  expect_same_bits(a, b, "bf16");
  fast.widen_f16(f16.data(), a.data(), a.size());
  plain.widen_f16(f16.data(), b.data(), b.size());
  expect_same_bits(a, b, "f16");
  EXPECT_EQ(a[0x3C00], 1.0f);
  EXPECT_EQ(a[0x0001], 0x1p-24f);
}

// Every byte at every place, and scales of every kind: also infinite and NaN ones.
TEST_P(Kernels, WidenGroups) {
  constexpr std::uint16_t kScales[] = {0x3C00, 0xB400, 0x0001, 0x8003, 0x7BFF,
                                       0x0000, 0x7C00, 0x7E00, 0x2E66};
  const auto check = [&](auto group, auto fast_widen, auto plain_widen) {
    std::vector<decltype(group)> groups(256 * std::size(kScales));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      std::memcpy(groups[g].scale, &kScales[g % std::size(kScales)], sizeof(std::uint16_t));
      for (std::size_t k = 0; k < std::size(group.values); ++k) {
        const auto byte = static_cast<std::uint8_t>(g / std::size(kScales) + 37 * k);
        std::memcpy(&groups[g].values[k], &byte, 1);
      }
    }
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, std::size_t{2}, groups.size()}) {
      std::vector<float> a(count * kGroup), b(count * kGroup);
      fast_widen(groups.data(), a.data(), count);
      plain_widen(groups.data(), b.data(), count);
      expect_same_bits(a, b, "widen");
    }
  };
  check(Int8Group{}, fast.widen_int8, plain.widen_int8);
  check(Int4Group{}, fast.widen_int4, plain.widen_int4);

  Int8Group eight = {{0x00, 0x38}, {}};  // a half
  eight.values[5] = -127;
  Int4Group four = {{0x00, 0x38}, {}};
  four.values[5] = 0xF1;
  float y[kGroup];
  fast.widen_int8(&eight, y, 1);
  EXPECT_EQ(y[5], -63.5f);
  EXPECT_EQ(y[4], 0.0f);
  fast.widen_int4(&four, y, 1);
  EXPECT_EQ(y[5], -3.5f);
  EXPECT_EQ(y[5 + kGroup / 2], 3.5f);
  EXPECT_EQ(y[4], -4.0f);
}

TEST_P(Kernels, ElementwiseFunctions) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const float scale : {0.01f, 1.0f, 10.0f, 100.0f, 1e30f}) {
    auto x = random_floats(1003, scale);
    const float special[] = {0.0f, -0.0f, inf, -inf, std::nanf(""), 0.625f, -0.625f, 88.5f, -87.4f};
    std::copy(std::begin(special), std::end(special), x.begin());
    std::vector<float> a(x.size()), b(x.size());
    using Map = void (*)(const float*, float*, std::size_t);
    for (const auto& [f, g] : {std::pair<Map, Map>{fast.tanh, plain.tanh},
                               {fast.gelu_tanh, plain.gelu_tanh},
                               {fast.silu, plain.silu}}) {
      f(x.data(), a.data(), x.size());
      g(x.data(), b.data(), x.size());
      expect_same_bits(a, b, "scale " + std::to_string(scale));
      auto in_place = x;
      f(in_place.data(), in_place.data(), in_place.size());
      expect_same_bits(in_place, a, "in place");
    }
  }
}

TEST_P(Kernels, FunctionsAreCloseToTheLibrarysInDouble) {
  std::vector<float> x, y;
  for (int i = -2000; i <= 2000; ++i) x.push_back(static_cast<float>(i) * 0.01f);
  y.resize(x.size());
  fast.tanh(x.data(), y.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::tanh(static_cast<double>(x[i]));
    EXPECT_NEAR(y[i], exact, 2e-7 * std::abs(exact)) << x[i];
  }
  fast.silu(x.data(), y.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = static_cast<double>(x[i]), exact = v / (1 + std::exp(-v));
    EXPECT_NEAR(y[i], exact, 3e-7 * std::abs(exact)) << x[i];
  }
}

TEST_P(Kernels, NormAndStatistics) {
  for (const std::size_t n : {1, 7, 8, 9, 19, 64, 2051}) {
    const auto x = random_floats(n), weight = random_floats(n);
    for (const float* w : {weight.data(), static_cast<const float*>(nullptr)}) {
      std::vector<float> a(n), b(n);
      fast.rms_norm(x.data(), w, 1e-6f, a.data(), n);
      plain.rms_norm(x.data(), w, 1e-6f, b.data(), n);
      expect_same_bits(a, b, "rms_norm");
      auto in_place = x;
      fast.rms_norm(in_place.data(), w, 1e-6f, in_place.data(), n);
      expect_same_bits(in_place, a, "rms_norm in place");
    }
    float mean[2], std[2];
    fast.mean_std(x.data(), n, &mean[0], &std[0]);
    plain.mean_std(x.data(), n, &mean[1], &std[1]);
    EXPECT_EQ(mean[0], mean[1]);
    EXPECT_EQ(std[0], std[1]);
    EXPECT_EQ(fast.sum_squares(x.data(), n), plain.sum_squares(x.data(), n));
  }
}

TEST_P(Kernels, SoftmaxBlocks) {
  for (const std::size_t n : {1, 7, 8, 9, 63, 64}) {
    float m[2] = {-std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
    float sum[2] = {};
    for (int block = 0; block < 2; ++block) {  // the second one rescales
      auto p = random_floats(n, 5.0f), q = p;
      EXPECT_EQ(fast.softmax_block(p.data(), n, &m[0], &sum[0]),
                plain.softmax_block(q.data(), n, &m[1], &sum[1]));
      expect_same_bits(p, q, "softmax_block");
      EXPECT_EQ(sum[0], sum[1]);
    }
  }
}

template <typename V>
void check_values(void (*fast)(const AttendValues<V>&), void (*plain)(const AttendValues<V>&),
                  std::size_t G, std::size_t E, std::size_t n) {
  const std::size_t p_stride = n + 3, v_stride = E + 1;
  const auto p = random_floats(G * p_stride), scale = random_floats(G);
  const auto v = random_weights<V>(n * v_stride);
  auto a = random_floats(G * E), b = a;
  fast({p.data(), p_stride, scale.data(), G, v.data(), v_stride, n, a.data(), E});
  plain({p.data(), p_stride, scale.data(), G, v.data(), v_stride, n, b.data(), E});
  expect_same_bits(a, b,
                   "attend_values G=" + std::to_string(G) + " E=" + std::to_string(E) +
                       " n=" + std::to_string(n));
}

TEST_P(Kernels, ValuesAtEverySize) {
  for (const std::size_t G : {1, 2, 4, 5, 8}) {
    for (const std::size_t E : {1, 2, 8, 16, 20, 24, 31, 32, 256}) {
      for (const std::size_t n : {1, 7, 8, 9, 63, 64}) {
        check_values(fast.attend_values_f32, plain.attend_values_f32, G, E, n);
        check_values(fast.attend_values_bf16, plain.attend_values_bf16, G, E, n);
        check_values(fast.attend_values_bytes, plain.attend_values_bytes, G, E, n);
      }
    }
  }
}

TEST_P(Kernels, KeysOfEveryStorageAtEverySize) {
  for (const std::size_t T : {1, 2, 4, 8, 20}) {
    for (const std::size_t n : {1, 63, 64}) {
      for (const std::size_t E : {1, 8, 31, 32, 256}) {
        check_matmul(fast.matmul_f32, plain.matmul_f32, T, n, E);
        check_matmul(fast.matmul_bf16, plain.matmul_bf16, T, n, E);
        check_matmul(fast.matmul_bytes, plain.matmul_bytes, T, n, E);
      }
    }
  }
}

TEST_P(Kernels, NarrowsToBytes) {
  for (const std::size_t n : {0, 1, 7, 8, 9, 31, 32, 256}) {
    for (const float scale : {1.0f, 1e-3f, 1e20f, 1e-36f, 1e-38f, 1e-42f, 0.0f}) {
      const auto x = random_floats(n, scale);
      std::vector<std::int8_t> a(n + 1, 77), b(n + 1, 77);
      const float step = fast.narrow_bytes(x.data(), a.data(), n);
      expect_same_bits({{step}}, {{plain.narrow_bytes(x.data(), b.data(), n)}}, "scale");
      EXPECT_EQ(a, b);
      EXPECT_EQ(a[n], 77);
      std::vector<float> y(n);
      fast.widen_bytes(a.data(), y.data(), n);
      for (std::size_t i = 0; i < n; ++i) {
        const float least = 127 * std::numeric_limits<float>::min();  // what is smaller is zero
        EXPECT_NEAR(y[i] * step, x[i], step > 0 ? 0.5001f * step : least);
      }
    }
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float odd : {infinity, -infinity, std::nanf("")}) {
      for (std::size_t place = 0; place < n; place += 5) {
        auto x = random_floats(n);
        x[place] = odd;
        std::vector<std::int8_t> a(n, 77), b(n, 77);
        EXPECT_TRUE(std::isnan(fast.narrow_bytes(x.data(), a.data(), n)));
        EXPECT_TRUE(std::isnan(plain.narrow_bytes(x.data(), b.data(), n)));
        EXPECT_EQ(a, b);
      }
    }
  }
  const float ties[] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f};  // to even
  std::int8_t y[6];
  EXPECT_EQ(fast.narrow_bytes(ties, y, 6), 1.0f);
  EXPECT_EQ(std::vector<int>(y, y + 6), (std::vector<int>{127, 0, 2, 2, 0, -2}));
}

std::vector<std::uint16_t> narrowed(const KernelTable& table, const std::vector<float>& x) {
  std::vector<Bf16> y(x.size() + 1, Bf16{77});
  table.narrow_bf16(x.data(), y.data(), x.size());
  std::vector<std::uint16_t> bits;
  for (const Bf16 v : y) bits.push_back(v.bits);
  return bits;
}

TEST_P(Kernels, NarrowsToBf16) {
  for (const std::size_t n : {0, 1, 7, 8, 9, 31, 32, 256}) {
    std::vector<float> x(n);
    for (float& v : x) v = std::bit_cast<float>(static_cast<std::uint32_t>(rng()));
    EXPECT_EQ(narrowed(fast, x), narrowed(plain, x));
  }
  const auto bits = [&](std::uint32_t x) {
    return narrowed(fast, {std::bit_cast<float>(x)}).front();
  };
  EXPECT_EQ(bits(0x3F808000u), 0x3F80);  // a tie, to even
  EXPECT_EQ(bits(0x3F818000u), 0x3F82);
  EXPECT_EQ(bits(0x3F808001u), 0x3F81);
  EXPECT_EQ(bits(0xFF800000u), 0xFF80);  // infinity
  EXPECT_EQ(bits(0x7F800001u), 0x7FC0);  // a NaN is not made infinity
  EXPECT_EQ(bits(0xFFFFFFFFu), 0xFFFF);
  EXPECT_EQ(bits(0x7F7FFFFFu), 0x7F80);  // rounds up
}

TEST_P(Kernels, RotateAndAltUp) {
  for (const std::size_t n : {2, 6, 16, 18, 34, 256}) {
    auto a = random_floats(n), b = a;
    const auto cos = random_floats(n / 2), sin = random_floats(n / 2);
    fast.rotate(a.data(), cos.data(), sin.data(), n);
    plain.rotate(b.data(), cos.data(), sin.data(), n);
    expect_same_bits(a, b, "rotate");
  }
  for (const std::size_t A : {1, 2, 4, 8}) {
    for (const std::size_t n : {1, 8, 13, 40}) {
      auto x = random_floats(A * n), y = x;
      std::vector<float*> xs, ys;
      for (std::size_t i = 0; i < A; ++i) xs.push_back(&x[i * n]), ys.push_back(&y[i * n]);
      const auto C = random_floats(A * A), k = random_floats(A), activated = random_floats(n);
      fast.altup_predict(xs.data(), A, C.data(), n);
      plain.altup_predict(ys.data(), A, C.data(), n);
      expect_same_bits(x, y, "altup_predict");
      fast.altup_correct(xs.data(), A, A - 1, activated.data(), k.data(), n);
      plain.altup_correct(ys.data(), A, A - 1, activated.data(), k.data(), n);
      expect_same_bits(x, y, "altup_correct");
    }
  }
}

TEST_P(Kernels, LimitLoops) {
  std::vector<std::uint64_t> words(77);
  for (auto& word : words) word = (static_cast<std::uint64_t>(rng()) << 32) | rng();
  for (const std::size_t n : {0, 1, 15, 16, 77}) {
    EXPECT_EQ(fast.xor_words(words.data(), n), plain.xor_words(words.data(), n));
    EXPECT_EQ(fast.fma_chains(n), plain.fma_chains(n));
    EXPECT_EQ(fast.int8_chains(n), plain.int8_chains(n));
  }
}

INSTANTIATE_TEST_SUITE_P(EachIsa, Kernels, testing::ValuesIn(tested_kernels()),
                         [](const auto& isa) { return std::string(isa.param->name); });

TEST(Portable, MatmulAddsInTheDocumentedOrder) {
  // Lanes: 1, 2^24, then zeros; 1 + 2^24 is rounded away in f32, so the order shows.
  std::vector<float> x(16, 0.0f), w(16, 1.0f);
  x[0] = 0x1p24f;
  x[4] = 1.0f;      // folded with lane 0 first: lost
  x[8] = -0x1p24f;  // lane 0 again, before the fold: cancels
  float y = -1.0f;
  portable_kernels().matmul_f32({x.data(), 16, 1, w.data(), 16, 1, 16, &y, 1});
  EXPECT_EQ(y, 1.0f);
}

TEST(Dispatch, ListsPortableFirst) { EXPECT_STREQ(supported_kernels().front()->name, "portable"); }

}  // namespace
}  // namespace gemma3n
