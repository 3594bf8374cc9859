// One block of the audio tower.
#pragma once

#include "model/audio/attention.h"
#include "model/audio/feed_forward.h"
#include "model/audio/light_conv.h"

namespace gemma3n {

// A block has rows for frames with sound only. That gives them what the padded reference does:
// padding is masked as a key, and is multiplied by zero before the convolution.
// Ref: HF Gemma3nAudioConformerBlock.forward, in the two calls below
struct ConformerBlock {
  ConformerFeedForward ffw_layer_start;
  ConformerAttention attention;
  ConformerLightConv1d lconv1d;
  ConformerFeedForward ffw_layer_end;
  Vector norm;  // [D]
  float clipping = 0.0f;

  // What lets frames see each other, in place.   x: [T, D], times: [T] ascending
  void mix(Ops& op, View<float> x, std::span<const Index> times) const;
  // What each frame does by itself, in place.   x: [T, D]
  void finish(Ops& op, View<float> x) const;
};

void bind(TensorBinder& b, ConformerBlock& m, const AudioConfig& c);

}  // namespace gemma3n
