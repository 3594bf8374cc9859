// One layer of the text decoder.
#pragma once

#include "model/text/altup.h"
#include "model/text/attention.h"
#include "model/text/laurel.h"
#include "model/text/mlp.h"

namespace gemma3n {

struct DecoderLayer {
  AltUp altup;
  Laurel laurel;
  Attention self_attn;
  Mlp mlp;
  Vector input_layernorm;             // [D]
  Vector post_attention_layernorm;    // [D]
  Vector pre_feedforward_layernorm;   // [D]
  Vector post_feedforward_layernorm;  // [D]
  Weight per_layer_input_gate;        // [P, D]
  Weight per_layer_projection;        // [D, P]
  Vector post_per_layer_input_norm;   // [D]
  Index layer = 0;
  Activation activation = Activation::kGeluTanh;
  bool altup_correct_scale = true;
  float eps = 1e-6f;

  // Updates `streams` in place; the layer's keys and values go to the context's cache.
  //   streams: [A, T, D]    per_layer_input: [T, P]
  // Ref: HF Gemma3nTextDecoderLayer.forward
  void forward(Ops& op, View<float> streams, View<const float> per_layer_input,
               const AttentionContext& context) const;

 private:
  // What attention, LAuReL and the MLP make of the active stream.   active: [T, D], returns [T, D].
  View<float> activate(Ops& op, View<const float> active, const AttentionContext& context) const;

  // Adds the layer's own token embedding to all streams but the first.
  void inject(Ops& op, View<float> corrected, View<const float> per_layer_input) const;
};

void bind(TensorBinder& b, DecoderLayer& m, const TextConfig& c);  // m.layer is set before

}  // namespace gemma3n
