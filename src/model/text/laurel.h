// LAuReL: a low-rank learned residual branch beside attention.
#pragma once

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

struct Laurel {
  Weight linear_left;       // [R, D]
  Weight linear_right;      // [D, R]
  Vector post_laurel_norm;  // [D]
  float eps = 1e-6f;

  // x + norm(right(left(x))).   x: [T, D] (already normed), returns [T, D].
  // Ref: HF Gemma3nTextLaurelBlock.forward
  View<float> forward(Ops& op, View<const float> x) const;
};

void bind(TensorBinder& b, Laurel& m, const TextConfig& c);

}  // namespace gemma3n
