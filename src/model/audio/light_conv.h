// The light convolution of a conformer block: each channel looks a few frames back.
#pragma once

#include <span>

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

struct ConformerLightConv1d {
  Vector pre_layer_norm;    // [D]
  Weight linear_start;      // [2 D, D]
  Weight depthwise_conv1d;  // [D, 1, K], the newest frame's tap last
  Vector conv_norm;         // [D]
  Weight linear_end;        // [D, D]
  float clipping = 0.0f;
  float eps = 1e-6f;

  // x += linear_end(silu(norm(clamp(conv(glu(linear_start(norm(x)))))))), in place.
  //   x: [T, D]    times: [T] ascending, where each row stands in the clip
  // Frames that have no row are zero: HF multiplies padding by zero first, and zero stays zero up
  // to the convolution. Ref: HF Gemma3nAudioConformerLightConv1d.forward
  void forward(Ops& op, View<float> x, std::span<const Index> times) const;

 private:
  // y[t, d] = sum_k w[d, k] x[t - (K - 1) + k, d]
  View<float> convolve(Ops& op, View<const float> x, std::span<const Index> times) const;
};

void bind(TensorBinder& b, ConformerLightConv1d& m, const AudioConfig& c);

}  // namespace gemma3n
