// The feed-forward half-steps at the start and at the end of a conformer block.
#pragma once

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

struct ConformerFeedForward {
  Vector pre_layer_norm;   // [D]
  Weight ffw_layer_1;      // [4 D, D]
  Weight ffw_layer_2;      // [D, 4 D]
  Vector post_layer_norm;  // [D]
  float residual_weight = 0.5f;
  float clipping = 0.0f;

  // x += residual_weight * norm(clamp(W2 silu(W1 norm(clamp(x))))), in place.   x: [T, D]
  // Ref: HF Gemma3nAudioConformerFeedForward.forward
  void forward(Ops& op, View<float> x) const;
};

void bind(TensorBinder& b, ConformerFeedForward& m, const AudioConfig& c);

}  // namespace gemma3n
