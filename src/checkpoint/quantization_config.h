// What config.json says of weights with few bits:
//   "quantization_config": {"quant_method": "gemma3n", "bits": 4, "group_size": 32, "version": 1}
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "gemma3n/quantization.h"

namespace gemma3n {

// Of a model folder; kNone if config.json says nothing or null.
// Throws: as Config::from_pretrained; kUnsupported for another method, bits, group or version.
Quantization stored_quantization(const std::filesystem::path& model_dir);
Quantization stored_quantization_of(std::string_view config_json);

// The same config.json for weights of so many bits (kInt8, kInt4).
std::string with_quantization(std::string_view config_json, Quantization quantization);

// What options ask of a checkpoint stored as `stored`.
// Throws: kUnsupported unless it is nothing, what is stored, or the checkpoint is not quantised.
Quantization effective_quantization(const std::filesystem::path& model_dir, Quantization stored,
                                    Quantization asked);

}  // namespace gemma3n
