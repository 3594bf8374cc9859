// What stands where in MobileNetV5-300M, at any width.
#pragma once

#include <vector>

#include "gemma3n/config.h"
#include "tensor/view.h"

namespace gemma3n {

enum class BlockKind { kEdgeResidual, kInvertedResidual, kAttention };

struct BlockLayout {
  BlockKind kind = BlockKind::kEdgeResidual;
  Index in = 0, mid = 0, out = 0;  // channels
  Index kernel = 3;                // kEdgeResidual: of its convolution
  Index start_kernel = 0;          // kInvertedResidual: of the depthwise convolution before the
  Index mid_kernel = 0;            //   expansion, and after it; 0: none
  Index stride = 1;                // of the convolution, or of that after the expansion
  Index heads = 0, head_dim = 0;   // kAttention
  Index key_stride = 1;            // kAttention: of the map that keys and values come from
};

struct VisionLayout {
  Index stem = 64;                               // channels
  std::vector<std::vector<BlockLayout>> stages;  // four
  Index features = 2048;                         // channels of the result
  Index resolution = 16;                         // side of the result

  // Throws: kUnsupported for another architecture or for model_args this tower does not have;
  // kInvalidArgument for a value that is out of range.
  // Ref: timm mobilenetv5._gen_mobilenet_v5 and efficientnet_builder.round_channels
  static VisionLayout of(const VisionConfig& config);
};

}  // namespace gemma3n
