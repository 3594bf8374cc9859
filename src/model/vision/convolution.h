// Maps of features and the convolutions over them. Channels stand innermost, so that a 1x1
// convolution is a linear layer over pixels.
#pragma once

#include <algorithm>

#include "checkpoint/binder.h"
#include "ops/ops.h"

namespace gemma3n {

struct FeatureMap {
  Index H = 0, W = 0;
  View<float> pixels;  // [H * W, C]

  Index C() const { return pixels.shape()[1]; }
};

inline constexpr float kVisionEps = 1e-6f;  // of all norms of the tower

// As many results as steps of `stride` fit, and what is padded before the first: half of what is
// missing, rounded down. Ref: timm get_same_padding, TensorFlow's "SAME"
struct SamePadding {
  Index size = 0, before = 0;

  SamePadding(Index n, Index kernel, Index stride)
      : size((n + stride - 1) / stride),
        before(std::max<Index>((size - 1) * stride + kernel - n, 0) / 2) {}
};

// Pixels worked on at once, where a block goes through its steps pixel by pixel.
inline constexpr Index kTilePixels = 768;

// A convolution over all channels, followed by a norm and GELU.
struct ConvNormAct {
  Weight conv;  // [O, k * k * I], rows of windows
  Vector bias;  // [O], or absent
  Vector bn;    // [O]
  Index kernel = 1, stride = 1;

  // gelu(norm(conv(x) + bias)) of the results first, ..., first + n, row by row.
  //   x: [H * W, I], returns [n, O].
  View<float> forward(Ops& op, Index H, Index W, View<const float> x, Index first, Index n) const;
};

// A convolution of each channel by itself.
struct DepthwiseConv {
  Weight conv;  // [C, 1, k, k]
  Index stride = 1;

  explicit operator bool() const { return static_cast<bool>(conv); }
  FeatureMap forward(Ops& op, const FeatureMap& x) const;
};

// x = norm(x), then perhaps GELU, in place.   x: [n, C]. Ref: timm RmsNormAct2d
void norm(Ops& op, View<float> x, const Vector& w);
void norm_gelu(Ops& op, View<float> x, const Vector& w);

// A 1x1 convolution's weight [O, I, 1, 1] as [O, I].
void bind_pointwise(TensorBinder& b, std::string_view name, Weight& slot, Index O, Index I);

}  // namespace gemma3n
