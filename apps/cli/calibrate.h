// What `gemma3n quantize --calibration FILE` does first: the model reads FILE, and its inputs are
// measured.
#pragma once

#include <memory>
#include <string>

#include "gemma3n/model.h"
#include "interrupt.h"

namespace gemma3n::cli {

// Fewer tell too little about each of thousands of inputs.
constexpr std::size_t kLeastCalibrationTokens = 1024;

// FILE is a dataset of `gemma3n eval` if its name ends in .jsonl, else a text.
// Returns null if it was interrupted.
// Throws: as read_dataset, read_file; kInvalidArgument for a file with too few tokens.
std::shared_ptr<Calibration> calibrate(const std::string& model, const std::string& file,
                                       int threads, const InterruptScope& interrupt);

}  // namespace gemma3n::cli
