// Reading and writing "vision_config" and "audio_config" as parts of a larger document.
#pragma once

#include "checkpoint/json.h"
#include "gemma3n/config.h"

namespace gemma3n {

// The objects themselves; "model_type" must be "gemma3n_vision" / "gemma3n_audio" or absent.
// Validated.
VisionConfig read_vision_config(Json::Object object);
AudioConfig read_audio_config(Json::Object object);
Json::Object write_vision_config(const VisionConfig& config);
Json::Object write_audio_config(const AudioConfig& config);

}  // namespace gemma3n
