// The reference for every kernel: plain loops, written to be read. It defines the value, bit for
// bit, that every other table must give.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"

namespace gemma3n {
namespace {

constexpr std::size_t kLanes = 8;

float widen(float x) { return x; }
float widen(std::int8_t x) { return static_cast<float>(x); }
float widen(Bf16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }

float widen(F16 x) {
  const std::uint32_t sign = (x.bits & 0x8000u) << 16;
  const std::uint32_t exponent = (x.bits >> 10) & 0x1Fu;
  const std::uint32_t fraction = x.bits & 0x3FFu;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) {  // infinity, or a NaN, made quiet
    const std::uint32_t quiet = fraction != 0 ? 0x400000u : 0u;
    return std::bit_cast<float>(sign | 0x7F800000u | quiet | (fraction << 13));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

// Weights lie where the file puts them: not necessarily aligned.
template <typename W>
float read(const W* p) {
  W value;
  std::memcpy(&value, p, sizeof value);
  return widen(value);
}

template <typename T>
T reduce(const T (&lane)[kLanes]) {
  T s[4];
  for (std::size_t i = 0; i < 4; ++i) s[i] = lane[i] + lane[i + 4];
  return (s[0] + s[1]) + (s[2] + s[3]);
}

// Padding the last group with zeros means: its missing terms are fma(0, 0, lane).
template <typename W>
float dot(const float* x, const W* w, std::size_t K) {
  float lane[kLanes] = {};
  for (std::size_t k = 0; k < K; k += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const bool inside = k + l < K;
      lane[l] = std::fma(inside ? x[k + l] : 0.0f, inside ? read(w + k + l) : 0.0f, lane[l]);
    }
  }
  return reduce(lane);
}

template <typename W>
void matmul(const Matmul<W>& m) {
  for (std::size_t t = 0; t < m.T; ++t) {
    for (std::size_t o = 0; o < m.O; ++o) {
      m.y[t * m.y_stride + o] = dot(m.x + t * m.x_stride, m.w + o * m.w_stride, m.K);
    }
  }
}

template <typename W>
void dot_rows(const DotRows<W>& d) {
  for (std::size_t i = 0; i < d.count; ++i) d.y[i] = dot(d.x[i], d.w, d.K);
}

template <typename W>
void add_rows(const AddRows<W>& a) {
  for (std::size_t i = 0; i < a.count; ++i) {
    for (std::size_t n = 0; n < a.N; ++n) a.y[n] = std::fma(a.h[i], read(a.rows[i] + n), a.y[n]);
  }
}

std::size_t select_above(const float* x, std::size_t n, float cutoff, std::int32_t* places,
                         float* above) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float difference = x[i] - cutoff;
    if (difference <= 0.0f) continue;
    if (places != nullptr) {
      places[count] = static_cast<std::int32_t>(i);
      above[count] = difference;
    }
    ++count;
  }
  return count;
}

std::int32_t bias_of(const std::int8_t* x) {
  int sums[2] = {};
  for (std::size_t k = 0; k < kGroup; ++k) sums[k % 4 / 2] += x[k];
  const auto low = static_cast<std::uint32_t>(-8 * sums[0]) & 0xFFFFu;
  return static_cast<std::int32_t>(low | static_cast<std::uint32_t>(-8 * sums[1]) << 16);
}

// Rounds n values to -127..127 times the scale that it returns. A maximum whose share rounds to
// zero is as good as none.
float narrow_bytes(const float* x, std::int8_t* y, std::size_t n) {
  float most = 0.0f;
  bool is_finite = true;
  for (std::size_t i = 0; i < n; ++i) {
    most = std::max(most, std::fabs(x[i]));
    is_finite = is_finite && std::isfinite(x[i]);
  }
  const float scale = most / 127.0f;
  const bool is_zero = !is_finite || !(scale >= std::numeric_limits<float>::min());
  const float inverse = is_zero ? 0.0f : 1.0f / scale;
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = is_zero ? std::int8_t{0} : static_cast<std::int8_t>(std::nearbyint(x[i] * inverse));
  }
  return !is_finite ? std::numeric_limits<float>::quiet_NaN() : is_zero ? 0.0f : scale;
}

void narrow_bf16(const float* x, Bf16* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(x[i]);
    const std::uint32_t rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
    y[i].bits = static_cast<std::uint16_t>((std::isnan(x[i]) ? bits | 0x400000u : rounded) >> 16);
  }
}

void quantize_row(const float* x, std::size_t K, const QuantizedRow& row) {
  for (std::size_t g = 0; g < K / kGroup; ++g, x += kGroup) {
    std::int8_t* values = row.values + g * kGroup;
    row.scales[g] = narrow_bytes(x, values, kGroup);
    row.biases[g] = bias_of(values);
  }
}

// One row of an Int4Rounding.
class Int4Search {
 public:
  Int4Search(const Int4Rounding& r, std::size_t o) : x_(r.x + o), importance_(r.importance) {}

  float best_scale() {
    float most = 0.0f;
    for (std::size_t k = 0; k < kGroup; ++k) most = std::max(most, std::fabs(x(k)));
    consider(0.0f);
    for (const float divisor : kInt4Divisors) {
      consider(most / divisor);
      consider(-(most / divisor));
    }
    consider(fitted_scale());
    return scale_;
  }

 private:
  float x(std::size_t k) const { return x_[k * kBlockRows]; }
  static float inverse(float scale) { return scale == 0.0f ? 0.0f : 1.0f / scale; }
  float q(std::size_t k, float inverse) const {
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23
    return (std::clamp(x(k) * inverse, -8.0f, 7.0f) + kRound) - kRound;
  }
  void consider(float wanted) {
    const float scale = widen(narrow_f16(wanted)), inverse_scale = inverse(scale);
    float error = 0.0f;
    for (std::size_t k = 0; k < kGroup; ++k) {
      const float e = x(k) - scale * q(k, inverse_scale);
      error += e * e * importance_[k];
    }
    if (error < error_) {
      error_ = error;
      scale_ = scale;
    }
  }
  // NaN, which no error is less with, if all q are zero.
  float fitted_scale() const {
    const float inverse_scale = inverse(scale_);
    float product = 0.0f, square = 0.0f;
    for (std::size_t k = 0; k < kGroup; ++k) {
      const float value = q(k, inverse_scale);
      product += x(k) * value * importance_[k];
      square += value * value * importance_[k];
    }
    return product / square;
  }

  const float* x_;
  const float* importance_;
  float scale_ = 0.0f, error_ = std::numeric_limits<float>::infinity();
};

void find_int4_scales(const Int4Rounding& r) {
  for (std::size_t o = 0; o < kBlockRows; ++o) r.scales[o] = Int4Search(r, o).best_scale();
}

template <std::size_t kGroupBytes, int (*read_value)(const std::byte*, std::size_t, std::size_t)>
void block_matmul(const BlockMatmul& m) {
  for (std::size_t t = 0; t < m.T; ++t) {
    for (std::size_t o = 0; o < m.O; ++o) {
      float sum = 0.0f;
      for (std::size_t g = 0; g < m.groups; ++g) {
        const std::byte* group = m.w + o / kBlockRows * m.block_bytes + g * kGroupBytes;
        const std::int8_t* x = m.x + (t * m.groups + g) * kGroup;
        int dot = 0;
        for (std::size_t k = 0; k < kGroup; ++k) dot += x[k] * read_value(group, o % kBlockRows, k);
        const float w_scale = read(reinterpret_cast<const F16*>(group) + o % kBlockRows);
        sum = std::fma(static_cast<float>(dot), m.x_scales[t * m.groups + g] * w_scale, sum);
      }
      m.y[t * m.y_stride + o] = sum;
    }
  }
}

template <typename W>
void widen_all(const W* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = read(x + i);
}

void widen_int8(const Int8Group* x, float* y, std::size_t groups) {
  for (std::size_t g = 0; g < groups; ++g, y += kGroup) {
    const float scale = read(reinterpret_cast<const F16*>(x[g].scale));
    for (std::size_t k = 0; k < kGroup; ++k) y[k] = static_cast<float>(x[g].values[k]) * scale;
  }
}

void widen_int4(const Int4Group* x, float* y, std::size_t groups) {
  constexpr std::size_t kHalf = kGroup / 2;
  for (std::size_t g = 0; g < groups; ++g, y += kGroup) {
    const float scale = read(reinterpret_cast<const F16*>(x[g].scale));
    for (std::size_t k = 0; k < kHalf; ++k) {
      const int both = x[g].values[k];
      y[k] = static_cast<float>((both & 15) - 8) * scale;
      y[k + kHalf] = static_cast<float>((both >> 4) - 8) * scale;
    }
  }
}

float sum_squares(const float* x, std::size_t n) { return dot(x, x, n); }

void rms_norm(const float* x, const float* weight, float eps, float* y, std::size_t n) {
  const float mean_square = sum_squares(x, n) / static_cast<float>(n);
  const float inverse = 1.0f / std::sqrt(mean_square + eps);
  for (std::size_t i = 0; i < n; ++i) {
    const float normed = x[i] * inverse;
    y[i] = weight != nullptr ? normed * weight[i] : normed;
  }
}

// e^x for x in [-87.3, 88]; 0 below, e^88 above; NaN stays NaN.
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial with relative error below 2^-23.
float exp(float x) {
  if (x < -87.3f) return 0.0f;
  const float clamped = x > 88.0f ? 88.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding and subtracting it rounds to integer
  const float n = std::fma(clamped, 1.44269504088896341f, kRound) - kRound;
  float r = std::fma(n, -0.693359375f, clamped);
  r = std::fma(n, 2.12194440e-4f, r);
  float p = 1.9875691500e-4f;
  p = std::fma(p, r, 1.3981999507e-3f);
  p = std::fma(p, r, 8.3334519073e-3f);
  p = std::fma(p, r, 4.1665795894e-2f);
  p = std::fma(p, r, 1.6666665459e-1f);
  p = std::fma(p, r, 5.0000001201e-1f);
  p = std::fma(p, r * r, r) + 1.0f;
  if (!(n >= -126.0f)) return x;  // NaN
  const auto exponent = static_cast<std::uint32_t>(static_cast<std::int32_t>(n) + 127);
  return p * std::bit_cast<float>(exponent << 23);
}

// Odd polynomial near zero, where 1 - 2 / (e^2x + 1) would cancel.
float tanh1(float x) {
  const float a = std::fabs(x);
  if (a < 0.625f) {
    const float z = x * x;
    float p = -5.70498872745e-3f;
    p = std::fma(p, z, 2.06390887954e-2f);
    p = std::fma(p, z, -5.37397155531e-2f);
    p = std::fma(p, z, 1.33314422036e-1f);
    p = std::fma(p, z, -3.33332819422e-1f);
    return std::fma(p * z, x, x);
  }
  return std::copysign(1.0f - 2.0f / (exp(a + a) + 1.0f), x);
}

float gelu_tanh1(float x) {
  const float cube = x * x * x;
  const float inner = 0.797884560802865356f * std::fma(0.044715f, cube, x);
  return 0.5f * x * (1.0f + tanh1(inner));
}

float silu1(float x) { return x / (1.0f + exp(-x)); }

template <float (*F)(float)>
void map(const float* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = F(x[i]);
}

float softmax_block(float* s, std::size_t n, float* m, float* sum) {
  const float old_max = *m;
  float new_max = old_max;
  for (std::size_t i = 0; i < n; ++i) new_max = s[i] > new_max ? s[i] : new_max;
  float lane[kLanes] = {};
  for (std::size_t i = 0; i < n; ++i) {
    s[i] = exp(s[i] - new_max);
    lane[i % kLanes] += s[i];
  }
  const float rescale = exp(old_max - new_max);
  *sum = std::fma(*sum, rescale, reduce(lane));
  *m = new_max;
  return rescale;
}

template <typename V>
void attend_values(const AttendValues<V>& a) {
  for (std::size_t g = 0; g < a.G; ++g) {
    for (std::size_t e = 0; e < a.E; ++e) {
      float sum = a.o[g * a.E + e] * a.scale[g];
      for (std::size_t j = 0; j < a.n; ++j) {
        sum = std::fma(a.p[g * a.p_stride + j], read(a.v + j * a.v_stride + e), sum);
      }
      a.o[g * a.E + e] = sum;
    }
  }
}

void rotate(float* x, const float* cos, const float* sin, std::size_t n) {
  const std::size_t half = n / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cos[i] - b * sin[i];
    x[i + half] = b * cos[i] + a * sin[i];
  }
}

void mean_std(const float* x, std::size_t n, float* mean, float* std) {
  double lane[kLanes] = {};
  for (std::size_t i = 0; i < n; ++i) lane[i % kLanes] += static_cast<double>(x[i]);
  const double average = reduce(lane) / static_cast<double>(n);
  double square[kLanes] = {};
  for (std::size_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(x[i]) - average;
    square[i % kLanes] += difference * difference;
  }
  *mean = static_cast<float>(average);
  *std = static_cast<float>(std::sqrt(reduce(square) / static_cast<double>(n)));
}

void altup_predict(float* const* streams, std::size_t A, const float* C, std::size_t n) {
  for (std::size_t d = 0; d < n; ++d) {
    float predicted[kMaxAltUpStreams];
    for (std::size_t i = 0; i < A; ++i) {
      float sum = C[i * A] * streams[0][d];
      for (std::size_t j = 1; j < A; ++j) sum = std::fma(C[i * A + j], streams[j][d], sum);
      predicted[i] = sum + streams[i][d];
    }
    for (std::size_t i = 0; i < A; ++i) streams[i][d] = predicted[i];
  }
}

void altup_correct(float* const* streams, std::size_t A, std::size_t active, const float* activated,
                   const float* k, std::size_t n) {
  for (std::size_t d = 0; d < n; ++d) {
    const float innovation = activated[d] - streams[active][d];
    for (std::size_t i = 0; i < A; ++i) streams[i][d] = std::fma(innovation, k[i], streams[i][d]);
  }
}

std::uint64_t xor_words(const std::uint64_t* words, std::size_t n) {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < n; ++i) result ^= words[i];
  return result;
}

float fma_chains(std::size_t steps) {
  float total = 0.0f;
  for (std::size_t chain = 0; chain < kFmaChains; ++chain) {
    float lane[kLanes];
    std::fill_n(lane, kLanes, static_cast<float>(chain));
    for (std::size_t i = 0; i < steps; ++i) {
      for (float& v : lane) v = std::fma(v, 0.5f, 1.0f);
    }
    total += reduce(lane);
  }
  return total;
}

std::uint32_t int8_chains(std::size_t steps) {
  std::uint32_t total = 0;
  for (std::size_t start = 1; start <= kInt8Chains * kLanes; ++start) {
    auto lane = static_cast<std::uint32_t>(start);
    for (std::size_t i = 0; i < steps; ++i) {
      int sum = 0;
      for (int factor = 1; factor <= static_cast<int>(kInt8Factors); ++factor) {
        for (int byte = 0; byte < 4; ++byte) {
          sum += factor * static_cast<std::int8_t>(lane >> (8 * byte));
        }
      }
      lane += static_cast<std::uint32_t>(sum);
    }
    total += lane;
  }
  return total;
}

}  // namespace

const KernelTable& portable_kernels() {
  static constexpr KernelTable table = {
      .name = "portable",
      .matmul_f32 = matmul<float>,
      .matmul_bf16 = matmul<Bf16>,
      .matmul_f16 = matmul<F16>,
      .matmul_bytes = matmul<std::int8_t>,
      .dot_rows_f32 = dot_rows<float>,
      .dot_rows_bf16 = dot_rows<Bf16>,
      .dot_rows_f16 = dot_rows<F16>,
      .add_rows_f32 = add_rows<float>,
      .add_rows_bf16 = add_rows<Bf16>,
      .add_rows_f16 = add_rows<F16>,
      .select_above = select_above,
      .quantize_row = quantize_row,
      .find_int4_scales = find_int4_scales,
      .matmul_int8 = block_matmul<kInt8GroupBytes, read_int8>,
      .matmul_int4 = block_matmul<kInt4GroupBytes, read_int4>,
      .widen_bf16 = widen_all<Bf16>,
      .widen_f16 = widen_all<F16>,
      .widen_bytes = widen_all<std::int8_t>,
      .widen_int8 = widen_int8,
      .widen_int4 = widen_int4,
      .narrow_bf16 = narrow_bf16,
      .narrow_bytes = narrow_bytes,
      .sum_squares = sum_squares,
      .rms_norm = rms_norm,
      .tanh = map<tanh1>,
      .gelu_tanh = map<gelu_tanh1>,
      .silu = map<silu1>,
      .softmax_block = softmax_block,
      .attend_values_f32 = attend_values<float>,
      .attend_values_bf16 = attend_values<Bf16>,
      .attend_values_bytes = attend_values<std::int8_t>,
      .rotate = rotate,
      .mean_std = mean_std,
      .altup_predict = altup_predict,
      .altup_correct = altup_correct,
      .xor_words = xor_words,
      .fma_chains = fma_chains,
      .int8_chains = int8_chains,
  };
  return table;
}

}  // namespace gemma3n
