// What all parts of the conformer read from the config in the same way.
#pragma once

#include <limits>

#include "gemma3n/config.h"

namespace gemma3n {

// Of all norms but those of the light convolution. Ref: HF Gemma3nRMSNorm's default
inline constexpr float kConformerEps = 1e-6f;

// The bound activations are clamped to. Infinite in float32 if it is too large for it, as in HF.
inline float gradient_clipping(const AudioConfig& c) {
  return c.gradient_clipping > static_cast<double>(std::numeric_limits<float>::max())
             ? std::numeric_limits<float>::infinity()
             : static_cast<float>(c.gradient_clipping);
}

}  // namespace gemma3n
