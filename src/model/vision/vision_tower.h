// MobileNetV5-300M with its multi-scale head: a picture to a square of soft tokens.
#pragma once

#include <functional>
#include <vector>

#include "model/vision/msfa.h"

namespace gemma3n {

struct VisionTower {
  ConvNormAct conv_stem;
  std::vector<std::vector<VisionBlock>> stages;
  MultiScaleFusionAdapter msfa;

  // pixels: [H, W, 3] from 0 to 1, any size.   returns [resolution * resolution, D], row by row.
  // on_progress, if set, is called with the share of the work that is done, about.
  // Ref: timm MobileNetV5Encoder.forward
  View<float> forward(Ops& op, View<const float> pixels,
                      const std::function<void(double)>& on_progress = {}) const;

 private:
  FeatureMap stem(Ops& op, View<const float> pixels) const;
};

// `b` stands at timm's names: "conv_stem.", "blocks.0.0.", ...
void bind(TensorBinder& b, VisionTower& m, const VisionConfig& c);

}  // namespace gemma3n
