// Reading and writing "text_config" as part of a larger document.
#pragma once

#include "checkpoint/json.h"
#include "gemma3n/config.h"

namespace gemma3n {

// The object itself; "model_type" must be "gemma3n_text" or absent. Validated.
TextConfig read_text_config(Json::Object object);
Json::Object write_text_config(const TextConfig& config);

}  // namespace gemma3n
