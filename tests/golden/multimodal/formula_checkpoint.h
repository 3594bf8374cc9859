// A checkpoint folder of a whole model whose weights follow the formula of stored_cases.h.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "gemma3n/config.h"

namespace gemma3n::golden {

// Writes config.json and model.safetensors (bf16, which holds the formula's values exactly).
void write_formula_checkpoint(const nlohmann::json& config, const std::filesystem::path& folder);

}  // namespace gemma3n::golden
