// The gated MLP of a layer in which few neurons are active: gate first, then only the survivors.
#pragma once

#include "ops/ops.h"

namespace gemma3n {

// A down_proj stored by neuron: [F, D], the transpose of the checkpoint's [D, F].
struct NeuronRows {
  Weight rows;
};

// relu(g - (mean(g) + std(g) * std_multiplier)) per row, then f; what f makes of zero must be zero.
//   y[t] = sum over n with a[t, n] != 0, in ascending order, of a[t, n] (up_n . x[t]) down[n].
// Leaving out the others changes no bit: they would add exact zeros.
//   x: [T, D], gate: [T, F] = x gate_proj^T, up: [F, D], down: [F, D], returns [T, D].
// Ref: HF Gemma3nTextMLP._gaussian_topk and forward.
// Differs: 0 * (infinite or NaN weight) of a neuron that is off is 0 here, NaN there.
View<float> sparse_mlp(Ops& op, View<const float> x, View<const float> gate, float std_multiplier,
                       Activation f, const Weight& up, const NeuronRows& down);

}  // namespace gemma3n
