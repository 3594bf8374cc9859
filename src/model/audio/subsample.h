// The entry of the audio tower: two strided convolutions over time and frequency.
#pragma once

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

// Normalises each frame by statistics of all frames up to it. Padding counts like sound.
struct CumulativeGroupNorm {
  Vector weight;  // [C], no bias
  float eps = 1e-3f;

  // x = relu((x - mean_t) / sqrt(var_t + eps) * weight), in place.   x: [T, F, C]
  //   mean_t: of all elements of frames 0..t
  //   var_t:  sum_{s <= t} sum (x_s - mean_s)^2 / count_t: each frame deviates from its own mean
  // Ref: HF Gemma3nAudioCumulativeGroupNorm, and the activation after it
  void forward_relu(Ops& op, View<float> x) const;
};

struct SscpConvBlock {
  Weight conv;  // [O, time * frequency * I], rows of windows
  CumulativeGroupNorm norm;
  Index time_kernel = 1, frequency_kernel = 1;
  Index time_stride = 1, frequency_stride = 1;

  Index frames(Index T) const { return T == 0 ? 0 : (T - 1) / time_stride + 1; }
  Index bins(Index F) const { return (F + 2 - frequency_kernel) / frequency_stride + 1; }
  // Frames of a clip of T that the first `count` results read.
  Index frames_read(Index T, Index count) const {
    const Index read = (count - 1) * time_stride + time_kernel;
    return read < T ? read : T;
  }

  // relu(norm(conv(x))) of the first `count` frames. A result looks kernel - 1 frames ahead; beyond
  // the last frame, and one bin beyond both ends of the frequencies, is zero.
  //   x: [T, F, I], returns [count, bins(F), O].
  // Ref: HF Gemma3nAudioSSCPConvBlock.forward
  View<float> forward(Ops& op, View<const float> x, Index count) const;

 private:
  View<float> padded(Ops& op, View<const float> x, Index T) const;
};

struct SubSampleConvProjection {
  SscpConvBlock conv_0, conv_1;
  Weight input_proj_linear;  // [D, bins * channels]

  Index frames(Index T) const { return conv_1.frames(conv_0.frames(T)); }

  // The first `count` of frames(T) results. Reads only the frames of x they depend on, padding
  // among them: these still look ahead into it.   x: [T, F], returns [count, D]. Ref: HF
  // Gemma3nAudioSubSampleConvProjection.forward
  View<float> forward(Ops& op, View<const float> x, Index count) const;
};

void bind(TensorBinder& b, SubSampleConvProjection& m, const AudioConfig& c);

}  // namespace gemma3n
