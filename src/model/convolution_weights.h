// The weights of a convolution in float32, in the order its loops want.
#pragma once

#include "ops/ops.h"

namespace gemma3n {

// w: [O, ...], returns [O, I] with the other dimensions flattened.
View<float> weight_rows(Ops& op, const Weight& w);

}  // namespace gemma3n
