// Rotary position embedding: the angles of each attention type.
#pragma once

#include <span>
#include <vector>

#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

// cos and sin of each row's angles, times the attention scaling.   [T, E / 2] each.
struct RotaryTables {
  View<const float> cos, sin;
};

class RotaryEmbedding {
 public:
  RotaryEmbedding() = default;
  // Ref: HF ROPE_INIT_FUNCTIONS ("default", "linear", "llama3", "yarn").
  RotaryEmbedding(const RopeParameters& parameters, Index head_dim, Index max_position_embeddings);

  // Ref: HF Gemma3nTextRotaryEmbedding.forward (angle = position * inv_freq, rounded to f32).
  RotaryTables tables(Ops& op, std::span<const Index> positions) const;

  const std::vector<float>& inv_freq() const { return inv_freq_; }
  float attention_scaling() const { return attention_scaling_; }

 private:
  std::vector<float> inv_freq_;  // [E / 2]
  float attention_scaling_ = 1.0f;
};

// x[t, h] rotated by row t's angles, in place.   x: [T, H, E]
void rotate(Ops& op, View<float> x, const RotaryTables& tables);

// sin and cos of an f32 angle, correctly rounded for practical purposes and the same on every
// machine (the C library's may differ from one processor to the next).
struct SinCos {
  float sin, cos;
};
SinCos sin_cos(float angle);

}  // namespace gemma3n
