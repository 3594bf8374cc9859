// The head of the vision tower: the maps of the last two stages become one of a fixed size.
#pragma once

#include "model/vision/blocks.h"

namespace gemma3n {

struct MultiScaleFusionAdapter {
  InvertedResidual ffn;  // without depthwise convolutions and layer scale
  Vector norm;           // [D]
  Index resolution = 16;

  // norm(resize(ffn([fine, coarse]))), `coarse` brought to the size of `fine` by the nearest pixel.
  //   returns [resolution * resolution, D]. Ref: timm MobileNetV5MultiScaleFusionAdapter.forward
  View<float> forward(Ops& op, const FeatureMap& fine, const FeatureMap& coarse) const;

 private:
  // The mean of each cell if the map divides into cells, else bilinear between pixel centres.
  View<float> resized(Ops& op, const FeatureMap& x) const;
};

struct MsfaLayout {
  Index in = 0, features = 0, resolution = 0;
};
void bind(TensorBinder& b, MultiScaleFusionAdapter& m, const MsfaLayout& layout);

}  // namespace gemma3n
