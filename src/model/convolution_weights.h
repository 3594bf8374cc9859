// The weights of a convolution in float32, in the order its loops want.
#pragma once

#include "ops/ops.h"

namespace gemma3n {

// w: [O, ...], returns [O, I] with the other dimensions flattened.
View<float> weight_rows(Ops& op, const Weight& w);

// w: [O, I, height, width], returns a weight [O, height * width * I]: a window of a map whose
// channels stand innermost, times it, is the convolution there. Lives in the arena.
Weight window_weights(Ops& op, const Weight& w);

}  // namespace gemma3n
