// Measures the inputs of a model's matrices while it runs.
#pragma once

#include <map>
#include <string>

#include "model/loaded_model.h"
#include "ops/input_squares.h"

namespace gemma3n {

struct Calibration::Impl {
  std::map<std::string, InputSquares> inputs;  // by the tensor's name in the checkpoint
};

// From now on, products of the text model's matrices add to `calibration`.
//   prefix: of the names in the checkpoint, see text_prefix.
void measure_inputs(ModelImpl& model, const std::string& prefix,
                    std::shared_ptr<Calibration> calibration);

}  // namespace gemma3n
