// Any bytes as preprocessor_config.json of sounds: a valid extractor, or an Error.
#include <cstdint>
#include <string_view>

#include "gemma3n/processor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    gemma3n::AudioFeatureExtractorConfig::from_json(text).validate();
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
