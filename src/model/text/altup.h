// AltUp: A parallel residual streams, of which one runs through the layer. Before the layer,
// `predict` guesses every stream's new value; after it, `correct` moves each guess by how far the
// guess for the active stream was off.
#pragma once

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

struct AltUp {
  Vector router_norm;           // [D]
  Weight modality_router;       // [A, D]
  Weight prediction_coefs;      // [A * A, A]
  Weight correction_coefs;      // [A, A]
  Vector correct_output_scale;  // [D], applied by DecoderLayer
  Index active = 0;
  float eps = 1e-6f;

  // streams[i] += sum_j C[i, j] streams[j], in place.   streams: [A, T, D]
  // Ref: HF Gemma3nTextAltUp.predict
  void predict(Ops& op, View<float> streams) const;

  // predicted[i] += (1 + c[i]) (activated - predicted[active]), in place.
  //   predicted: [A, T, D],  activated: [T, D] (the layer's output)
  // Ref: HF Gemma3nTextAltUp.correct
  void correct(Ops& op, View<float> predicted, View<const float> activated) const;

 private:
  // tanh(W norm(x) / D): how much of each stream this token asks for.   x: [T, D], returns [T, A].
  // Differs: the division by D comes after the product, where there are only A values a token.
  View<float> route(Ops& op, View<const float> x) const;
};

void bind(TensorBinder& b, AltUp& m, const TextConfig& c);

}  // namespace gemma3n
