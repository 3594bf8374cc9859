// Finds the part of a model folder's JSON files that belongs to one processor.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace gemma3n {

struct PreprocessorConfig {
  std::string file;  // its name, for messages
  std::string json;  // one object
};

// The object under `key` ("feature_extractor", "image_processor") of processor_config.json or, if
// that file or the key is not there, all of preprocessor_config.json.
// Ref: HF FeatureExtractionMixin.get_feature_extractor_dict, which has the same order.
// Throws: kNotFound if there is neither; kCorruptData for a file that is no JSON object or too
// large.
PreprocessorConfig find_preprocessor_config(const std::filesystem::path& model_dir,
                                            std::string_view key);

// All of processor_config.json, if it is there.   Throws: kCorruptData, as above.
std::optional<PreprocessorConfig> find_processor_config(const std::filesystem::path& model_dir);

}  // namespace gemma3n
