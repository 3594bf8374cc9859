// Replaces a loaded model's matrices by ones of 4 or 8 bits.
#pragma once

#include "model/loaded_model.h"

namespace gemma3n {

// The text model's linear layers, its embedding table and its vocabulary head become blocks
// (ops/quantize.h) in memory of the model's own. What stays as it is: the per-layer table (read row
// by row from the map), up_proj and down_proj of sparse layers (read neuron by neuron), AltUp's
// small matrices, matrices whose rows are no whole groups, and the towers.
//   is_mapped: the pages of replaced weights may be given back.
// Throws: kUnsupported for weights that are not finite, or whose scale is beyond 16 bits.
void quantize_model(ModelImpl& model, Quantization quantization, bool is_mapped,
                    const std::function<void(double)>& on_progress);

}  // namespace gemma3n
