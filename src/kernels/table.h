// The inner loops, as one table of functions per instruction set.
//
// Rules for every kernel: row-major, unaligned pointers, any size >= 0, no allocation, at most 512
// KB of stack, no threads, no exceptions. Outputs alias inputs only where a comment says so.
//
// Every table gives the same bits as portable.cc. That is possible because each sum has one fixed
// order, whatever the width of the machine's vectors:
//   * "lane sum" over k: eight partial sums, lane l adding the terms k = l, l + 8, l + 16, ... in
//     that order, the last partial group of eight padded with zeros; then
//     s_i = lane_i + lane_(i+4) for i < 4, and the result is (s_0 + s_1) + (s_2 + s_3).
//   * products are added by fused multiply-add, so a term is rounded once.
//   * exp, tanh and what is built on them are polynomials evaluated in one fixed order (math.inc).
// So a row's result does not depend on which other rows share the call, on the number of threads,
// or on the machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma3n {

// Storage formats of 16 bits. Only their bits; widening them to f32 is exact.
struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};

// y[t, o] = sum_k x[t, k] * w[o, k], a lane sum.   x: [T, K], w: [O, K], y: [T, O]
// Strides count elements from row to row. W is float, Bf16, F16 or int8_t: the number itself.
template <typename W>
struct Matmul {
  const float* x;
  std::size_t x_stride;
  std::size_t T;
  const W* w;
  std::size_t w_stride;
  std::size_t O;
  std::size_t K;
  float* y;  // aliases nothing
  std::size_t y_stride;
};

// y[i] = sum_k w[k] * x[i][k] for i < count: one weight row against scattered rows.   Same sums as
// Matmul's.
template <typename W>
struct DotRows {
  const W* w;
  const float* const* x;
  std::size_t count;
  std::size_t K;
  float* y;
};

// y[n] += sum_i h[i] * rows[i][n], terms added one after the other in order of i.
template <typename W>
struct AddRows {
  const W* const* rows;
  const float* h;
  std::size_t count;
  float* y;
  std::size_t N;
};

// ---- Weights of 4 and 8 bits ----
//
// kGroup values along k share a scale; x is quantised in the same way, row by row, with 8 bits. So
//   y[t, o] = sum over the groups g, one after the other by fused multiply-add, of
//             dot(t, o, g) * (x_scale[t, g] * w_scale[o, g]),
//   dot(t, o, g) = the sum over k in g of x[t, k] * w[o, k]: an integer, exact.
//
// Weights lie in blocks of kBlockRows rows, whose values are interleaved four k at a time, as
// instructions for sums of four products want them. A block is a row of groups; a group is
//   kBlockRows scales (F16), then for each of its eight quads of k
//   8 bits: 64 bytes, byte 4 o + i is w[o, 4 q + i], of -127..127;
//   4 bits: 32 bytes, byte 4 o + i is w[o, 4 q + i] + 8 (low half) and w[o + 8, 4 q + i] + 8 (high
//           half), w of -8..7.
// A prefix of a block's groups is a product over a prefix of k; a prefix of the blocks is a prefix
// of the rows.

inline constexpr std::size_t kGroup = 32;
inline constexpr std::size_t kBlockRows = 16;
inline constexpr std::size_t kScaleBytes = kBlockRows * sizeof(F16);
inline constexpr std::size_t kInt8GroupBytes = kScaleBytes + kBlockRows * kGroup;
inline constexpr std::size_t kInt4GroupBytes = kScaleBytes + kBlockRows * kGroup / 2;

// Weights that are read row by row, not multiplied as a whole, lie in rows of these groups. A value
// is its scale times a whole number, exact in f32.
struct Int8Group {
  std::uint8_t scale[sizeof(F16)];  // little endian
  std::int8_t values[kGroup];
};
struct Int4Group {
  std::uint8_t scale[sizeof(F16)];
  std::uint8_t values[kGroup / 2];  // w[k] + 8 (low half) and w[k + 16] + 8 (high half)
};
static_assert(alignof(Int8Group) == 1 && alignof(Int4Group) == 1);

// A row of x: for each group
//   scale = max |x| / 127; x_q = x / scale, rounded to nearest even;
//   bias  = two 16-bit numbers, low half first: -8 times the sum of x_q over k % 4 < 2, and over
//   the
//           others: what takes the 8 out of the product with w + 8.
// A group with a value that is not finite has the scale NaN and zeros.
struct QuantizedRow {
  std::int8_t* values;   // [K], K a multiple of kGroup
  float* scales;         // [K / kGroup]
  std::int32_t* biases;  // [K / kGroup]
};

struct BlockMatmul {
  const std::int8_t* x;          // [T, groups * kGroup]
  const float* x_scales;         // [T, groups]
  const std::int32_t* x_biases;  // [T, groups]
  std::size_t T;
  const std::byte* w;       // the first block
  std::size_t block_bytes;  // from block to block
  std::size_t groups;
  std::size_t O;  // rows of w: the last block may have fewer than kBlockRows
  float* y;       // [T, O]; aliases nothing
  std::size_t y_stride;
};

// Weights to be rounded to 4 bits: a group of each of kBlockRows rows. With a scale of 0 all q are
// 0; with others
//   q[k, o] = x[k, o] * (1 / scale[o]), clamped to -8..7, rounded to nearest even;
//   error[o] = the sum over k, one after the other, of (e * e) * importance[k], e = x - scale * q.
// Unlike in a product, terms are rounded before they are added.
struct Int4Rounding {
  const float* x;           // [kGroup, kBlockRows], finite
  const float* importance;  // [kGroup], finite, not negative
  float* scales;            // [kBlockRows]
};
// What the largest size in a group is divided by, to be a scale to try.
inline constexpr float kInt4Divisors[] = {8.4f,        8.4f - 0.25f, 8.4f - 0.5f, 8.4f - 0.75f,
                                          8.4f - 1.0f, 8.4f - 1.25f, 8.4f - 1.5f, 8.4f - 1.75f,
                                          8.4f - 2.0f, 8.4f - 2.25f};

// o[g, e] = o[g, e] * scale[g] + sum_j p[g, j] * v[j, e], in order of j.
//   p: [G, n], v: [n, E], o: [G, E].
template <typename V>
struct AttendValues {
  const float* p;
  std::size_t p_stride;
  const float* scale;  // [G]
  std::size_t G;
  const V* v;
  std::size_t v_stride;
  std::size_t n;
  float* o;
  std::size_t E;
};

inline constexpr std::size_t kFmaChains = 12;  // of fma_chains: enough to hide its latency

// Of int8_chains: factors a step multiplies by, as many as a group of kGroup has quads.
inline constexpr std::size_t kInt8Chains = 12, kInt8Factors = 8;

struct KernelTable {
  const char* name;  // "portable", "avx2", "avx2_vnni", "avx512", "avx512_vnni"

  void (*matmul_f32)(const Matmul<float>&);
  void (*matmul_bf16)(const Matmul<Bf16>&);
  void (*matmul_f16)(const Matmul<F16>&);
  void (*matmul_bytes)(const Matmul<std::int8_t>&);

  void (*dot_rows_f32)(const DotRows<float>&);
  void (*dot_rows_bf16)(const DotRows<Bf16>&);
  void (*dot_rows_f16)(const DotRows<F16>&);

  void (*add_rows_f32)(const AddRows<float>&);
  void (*add_rows_bf16)(const AddRows<Bf16>&);
  void (*add_rows_f16)(const AddRows<F16>&);

  // Finds where x[i] - cutoff is above zero, or NaN: these i, ascending, and the differences.
  // Returns how many; with null for both, only counts.
  std::size_t (*select_above)(const float* x, std::size_t n, float cutoff, std::int32_t* places,
                              float* above);

  void (*quantize_row)(const float* x, std::size_t K, const QuantizedRow& row);
  // For each row, of the scales 0, then s and -s for s = max |x| / each of kInt4Divisors, the first
  // of the least error; or that which fits its q best, if it has less: the sum of (x * q) *
  // importance over that of (q * q) * importance. All are rounded to F16; those that become
  // infinite have no error, and are not chosen.
  void (*find_int4_scales)(const Int4Rounding&);
  void (*matmul_int8)(const BlockMatmul&);
  void (*matmul_int4)(const BlockMatmul&);

  // y[i] = x[i], widened.
  void (*widen_bf16)(const Bf16* x, float* y, std::size_t n);
  void (*widen_f16)(const F16* x, float* y, std::size_t n);
  void (*widen_bytes)(const std::int8_t* x, float* y, std::size_t n);
  // The same of whole groups.   y: [groups * kGroup]
  void (*widen_int8)(const Int8Group* x, float* y, std::size_t groups);
  void (*widen_int4)(const Int4Group* x, float* y, std::size_t groups);

  // y[i] = x[i], rounded to nearest even; a NaN stays one.
  void (*narrow_bf16)(const float* x, Bf16* y, std::size_t n);
  // y[i] = x[i] / scale, rounded to nearest even, scale = max |x| / 127. Returns the scale: 0, as
  // all y then are, if it is no normal number; NaN if a value is not finite.
  float (*narrow_bytes)(const float* x, std::int8_t* y, std::size_t n);

  // Returns the lane sum of x[i]^2.
  float (*sum_squares)(const float* x, std::size_t n);

  // y = x / sqrt(mean(x^2) + eps) * weight.   y may be x; weight may be null: no scale.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, std::size_t n);

  // Elementwise; y may be any input.
  void (*tanh)(const float* x, float* y, std::size_t n);
  void (*gelu_tanh)(const float* x, float* y,
                    std::size_t n);  // x/2 (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3)))
  void (*silu)(const float* x, float* y, std::size_t n);  // x / (1 + exp(-x))

  // One block of keys in a running softmax: with m' = max(*m, max(s)),
  //   s[i] <- exp(s[i] - m'),  *sum <- *sum * exp(*m - m') + sum_i s[i] (a lane sum),  *m <- m'.
  // Returns exp(*m - m') for the old *m: what earlier results are to be scaled by. n >= 1.
  float (*softmax_block)(float* s, std::size_t n, float* m, float* sum);

  void (*attend_values_f32)(const AttendValues<float>&);
  void (*attend_values_bf16)(const AttendValues<Bf16>&);
  void (*attend_values_bytes)(const AttendValues<std::int8_t>&);

  // x' = x cos + rotate_half(x) sin, in place.   x: [n], cos and sin: [n / 2], n even:
  //   x'[i] = x[i] cos[i] - x[i + n/2] sin[i],  x'[i + n/2] = x[i + n/2] cos[i] + x[i] sin[i].
  void (*rotate)(float* x, const float* cos, const float* sin, std::size_t n);

  // Mean and population standard deviation of x, accumulated in f64 (a lane sum each).
  void (*mean_std)(const float* x, std::size_t n, float* mean, float* std);

  // AltUp on one token, in place: streams[i][d] += sum_j C[i * A + j] * streams[j][d].  A <=
  // kMaxAltUpStreams.
  void (*altup_predict)(float* const* streams, std::size_t A, const float* C, std::size_t n);

  // AltUp on one token, in place: streams[i][d] += (activated[d] - streams[active][d]) * k[i].
  void (*altup_correct)(float* const* streams, std::size_t A, std::size_t active,
                        const float* activated, const float* k, std::size_t n);

  // What the machine can do at best. Returns the exclusive or of n 64-bit words.
  std::uint64_t (*xor_words)(const std::uint64_t* words, std::size_t n);
  // kFmaChains independent chains of `steps` fused multiply-adds on eight lanes each; returns a
  // value that depends on all of them.
  float (*fma_chains)(std::size_t steps);
  // kInt8Chains independent chains of `steps` steps on eight lanes v of 32 bits each, that wrap:
  //   v += sum over f = 1 .. kInt8Factors and the four bytes b of v, signed, of f * b.
  // This is what the product of a group of 4-bit weights takes, but for its scale. Lane l of chain
  // c begins as 8 c + l + 1. Returns the sum of all lanes.
  std::uint32_t (*int8_chains)(std::size_t steps);
};

}  // namespace gemma3n
