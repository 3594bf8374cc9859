#include "model/text/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gemma3n {
namespace {

constexpr double kPi = std::numbers::pi;

// 1 / f32(theta^(2j / E)), both steps rounded to f32 as torch does.
std::vector<float> default_inv_freq(double theta, Index E) {
  std::vector<float> inv_freq;
  for (Index j = 0; j < E / 2; ++j) {
    const auto exponent = static_cast<double>(static_cast<float>(2 * j) / static_cast<float>(E));
    inv_freq.push_back(1.0f / static_cast<float>(std::pow(theta, exponent)));
  }
  return inv_freq;
}

// Long wavelengths are stretched by `factor`, short ones kept, those between interpolated.
// Ref: HF _compute_llama3_parameters
std::vector<float> llama3_inv_freq(const RopeParameters& p, Index E, double old_length) {
  auto inv_freq = default_inv_freq(p.rope_theta, E);
  for (float& f : inv_freq) {
    const auto wavelength = static_cast<float>(2 * kPi / static_cast<double>(f));
    const auto factor = static_cast<float>(p.factor);
    if (wavelength < old_length / p.high_freq_factor) continue;
    if (wavelength > old_length / p.low_freq_factor) {
      f /= factor;
      continue;
    }
    const auto smooth =
        static_cast<float>((old_length / static_cast<double>(wavelength) - p.low_freq_factor) /
                           (p.high_freq_factor - p.low_freq_factor));
    f = (1.0f - smooth) * f / factor + smooth * f;
  }
  return inv_freq;
}

// The dimension (a fraction) whose wavelength makes `rotations` turns in the original context.
double yarn_dimension(double rotations, Index E, double theta, double old_length) {
  return static_cast<double>(E) * std::log(old_length / (rotations * 2 * kPi)) /
         (2 * std::log(theta));
}

// Ref: HF _compute_yarn_parameters
std::vector<float> yarn_inv_freq(const RopeParameters& p, Index E, double old_length) {
  double low = yarn_dimension(p.beta_fast, E, p.rope_theta, old_length);
  double high = yarn_dimension(p.beta_slow, E, p.rope_theta, old_length);
  // Always rounded: HF looks for "truncate" beside the attention types, so inside one it has no
  // say.
  low = std::max(std::floor(low), 0.0);
  high = std::min(std::ceil(high), static_cast<double>(E - 1));
  if (low == high) high += 0.001;  // as HF: no division by zero

  auto inv_freq = default_inv_freq(p.rope_theta, E);
  for (std::size_t j = 0; j < inv_freq.size(); ++j) {
    const auto ramp = static_cast<float>((static_cast<double>(j) - low) / (high - low));
    const float extrapolation = 1.0f - std::clamp(ramp, 0.0f, 1.0f);
    const auto stretched = static_cast<float>(1.0 / (p.factor / static_cast<double>(inv_freq[j])));
    inv_freq[j] = stretched * (1.0f - extrapolation) + inv_freq[j] * extrapolation;
  }
  return inv_freq;
}

double yarn_mscale(double scale, double mscale) {
  return scale <= 1.0 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0;
}

double yarn_attention_scaling(const RopeParameters& p) {
  if (p.attention_factor) return *p.attention_factor;
  if (p.mscale.value_or(0) != 0 && p.mscale_all_dim.value_or(0) != 0) {
    return yarn_mscale(p.factor, *p.mscale) / yarn_mscale(p.factor, *p.mscale_all_dim);
  }
  return yarn_mscale(p.factor, 1.0);
}

}  // namespace

RotaryEmbedding::RotaryEmbedding(const RopeParameters& p, Index head_dim,
                                 Index max_position_embeddings) {
  const auto old_length = static_cast<double>(p.original_max_position_embeddings > 0
                                                  ? p.original_max_position_embeddings
                                                  : max_position_embeddings);
  if (p.rope_type == "llama3") {
    inv_freq_ = llama3_inv_freq(p, head_dim, old_length);
  } else if (p.rope_type == "yarn") {
    inv_freq_ = yarn_inv_freq(p, head_dim, old_length);
    attention_scaling_ = static_cast<float>(yarn_attention_scaling(p));
  } else {
    check(p.rope_type == "default" || p.rope_type == "linear", "rope types were validated");
    inv_freq_ = default_inv_freq(p.rope_theta, head_dim);
    if (p.rope_type == "linear") {
      for (float& f : inv_freq_) f /= static_cast<float>(p.factor);
    }
  }
}

// Angle = k pi / 2 + r with |r| <= pi / 4, k small enough for a two-part pi / 2; then Taylor series
// in f64, whose error is far below an f32 ulp.
SinCos sin_cos(float angle) {
  const auto x = static_cast<double>(angle);
  const double k = std::nearbyint(x * (2 / kPi));
  const double r = (x - k * 1.57079632673412561417e+00) - k * 6.07710050650619224932e-11;
  const double z = r * r;
  const double s =
      r * (1 + z * (-1.0 / 6 +
                    z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 - z / 39916800)))));
  const double c =
      1 + z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 +
                                                                                z / 479001600)))));
  switch (static_cast<std::int64_t>(k) & 3) {
    case 0:
      return {static_cast<float>(s), static_cast<float>(c)};
    case 1:
      return {static_cast<float>(c), static_cast<float>(-s)};
    case 2:
      return {static_cast<float>(-s), static_cast<float>(-c)};
    default:
      return {static_cast<float>(-c), static_cast<float>(s)};
  }
}

RotaryTables RotaryEmbedding::tables(Ops& op, std::span<const Index> positions) const {
  const auto T = static_cast<Index>(positions.size()), half = static_cast<Index>(inv_freq_.size());
  auto cos = op.arena().tensor({T, half}), sin = op.arena().tensor({T, half});
  op.for_rows(T, 32 * half, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index j = 0; j < half; ++j) {
        const auto position = static_cast<float>(positions[static_cast<std::size_t>(t)]);
        const SinCos v = sin_cos(position * inv_freq_[static_cast<std::size_t>(j)]);
        cos(t, j) = v.cos * attention_scaling_;
        sin(t, j) = v.sin * attention_scaling_;
      }
    }
  });
  return {cos, sin};
}

void rotate(Ops& op, View<float> x, const RotaryTables& tables) {
  const auto [T, H, E] = dims<3>(x);
  expect(tables.cos, {T, E / 2}, "rotary table");
  op.for_rows(T, H * E, [&, H = H, E = E](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index h = 0; h < H; ++h) {
        op.kernels().rotate(x[t][h].data(), tables.cos[t].data(), tables.sin[t].data(),
                            static_cast<std::size_t>(E));
      }
    }
  });
}

}  // namespace gemma3n
