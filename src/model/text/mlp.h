// The gated feed-forward part of a decoder layer, dense or with statistical top-k.
#pragma once

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/sparse_mlp.h"

namespace gemma3n {

struct Mlp {
  Weight gate_proj, up_proj;    // [F, D]
  Weight down_proj;             // [D, F]; dense layers
  NeuronRows down_rows;         // [F, D]; sparse layers: down_proj transposed
  float std_multiplier = 0.0f;  // cutoff = mean + std * this; sparse layers
  bool is_sparse = false;
  bool is_off = false;  // sparsity 1: no gate passes the cutoff
  Activation activation = Activation::kGeluTanh;
  Index layer = 0;

  // down(f(gate(x)) * up(x)); in sparse layers the gate is cut off first (sparse_mlp.h).
  //   x: [T, D], returns [T, D].
  // Ref: HF Gemma3nTextMLP.forward
  View<float> forward(Ops& op, View<const float> x) const;
};

void bind(TensorBinder& b, Mlp& m, const TextConfig& c);  // m.layer is set before

// The quantile of the standard normal distribution, Phi^-1(p), 0 < p < 1, in f32 as torch's icdf.
float normal_quantile(double p);

}  // namespace gemma3n
