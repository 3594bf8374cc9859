// Pictures and sounds in the form the towers take: from Processor to a model.
#pragma once

#include "gemma3n/tensor.h"

namespace gemma3n {

// Pictures and sounds of a call, over the whole batch, in the order of their placeholders.
struct MediaInputs {
  Tensor pixel_values = {};         // [pictures, 3, height, width] f32, from ImageProcessor
  Tensor input_features = {};       // [clips, T, F] f32, from AudioFeatureExtractor
  Tensor input_features_mask = {};  // [clips, T] bool, true = sound; with input_features

  explicit operator bool() const { return pixel_values || input_features || input_features_mask; }
};

}  // namespace gemma3n
