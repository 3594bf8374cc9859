// Puts a loaded model's matrices into the form in which it reads them: columns that are read by
// themselves become rows, and everything takes the bits that were asked for.
#pragma once

#include "model/loaded_model.h"
#include "ops/weight_form.h"

namespace gemma3n {

// `w` in the form it is read in, in memory of the model's own; `w` itself if it has that form. It
// is done part by part, and of a mapped file the pages of each part may leave memory when it is
// done. Throws: as quantize().
//   on_values: how many values were done since it was called last.
Weight prepared(ModelImpl& model, const Weight& w, Access access, Quantization quantization,
                bool is_mapped, const std::function<void(Index values)>& on_values = {});

// The same for all matrices of the text model and, unless `towers` is null, of the towers, which
// are bound to a mapped checkpoint. The table that is read row by row (Access::kTable) stays in the
// map.
void prepare_model(ModelImpl& model, Multimodal* towers, Quantization quantization,
                   const std::function<void(double)>& on_progress);

}  // namespace gemma3n
