// The three kinds of blocks of MobileNetV5. Each takes a map and gives a new one.
#pragma once

#include "model/vision/convolution.h"
#include "model/vision/layout.h"

namespace gemma3n {

// bn2(pwl(gelu(bn1(exp(x))))), plus x if it has the same size. Ref: timm EdgeResidual
struct EdgeResidual {
  ConvNormAct conv_exp;
  Weight conv_pwl;  // [O, M]
  Vector bn2;       // [O]

  FeatureMap forward(Ops& op, const FeatureMap& x) const;
};

// dw_start, norm; pw_exp, norm, GELU; dw_mid, norm, GELU; pw_proj, norm; gamma; plus x if it has
// the same size. The depthwise convolutions and gamma may be absent.
// Ref: timm UniversalInvertedResidual
struct InvertedResidual {
  DepthwiseConv dw_start;
  Vector dw_start_bn;  // [I]
  Weight pw_exp;       // [M, I]
  Vector pw_exp_bn;    // [M]
  DepthwiseConv dw_mid;
  Vector dw_mid_bn;    // [M]
  Weight pw_proj;      // [O, M]
  Vector pw_proj_bn;   // [O]
  Vector layer_scale;  // [O], or absent

  FeatureMap forward(Ops& op, const FeatureMap& x) const;

 private:
  FeatureMap expanded(Ops& op, const FeatureMap& x) const;
  // y = gamma * norm(pw_proj(expanded))
  void project(Ops& op, View<const float> expanded, View<float> y) const;
};

// x + gamma * attention(norm(x)): every pixel asks, with H heads, one shared head of keys and
// values. Ref: timm MobileAttention, MultiQueryAttention2d
struct MobileAttention {
  struct Source {
    DepthwiseConv down_conv;  // absent without a stride
    Vector norm;              // [C], with down_conv
    Weight proj;              // [E, C]

    View<float> forward(Ops& op, const FeatureMap& x) const;  // returns [keys, E]
  };

  Vector norm;   // [C]
  Weight query;  // [H * E, C]
  Source key, value;
  Weight output;       // [C, H * E]
  Vector layer_scale;  // [C]
  Index H = 0, E = 0;

  FeatureMap forward(Ops& op, const FeatureMap& x) const;

 private:
  View<float> attend(Ops& op, View<float> q, View<const float> k, View<const float> v) const;
};

// One block of any kind.
struct VisionBlock {
  BlockKind kind = BlockKind::kEdgeResidual;
  EdgeResidual edge_residual;
  InvertedResidual inverted_residual;
  MobileAttention attention;

  FeatureMap forward(Ops& op, const FeatureMap& x) const;
};

void bind(TensorBinder& b, EdgeResidual& m, const BlockLayout& layout);
void bind(TensorBinder& b, InvertedResidual& m, const BlockLayout& layout);
void bind(TensorBinder& b, MobileAttention& m, const BlockLayout& layout);
void bind(TensorBinder& b, VisionBlock& m, const BlockLayout& layout);

}  // namespace gemma3n
