// Folders of new checkpoints, made from others.
#pragma once

#include <filesystem>
#include <string_view>

namespace gemma3n {

inline constexpr std::string_view kTemplatesFolder = "additional_chat_templates";

// Copies tokenizer, processor and whatever else lies in `folder`, but for config.json, weights and
// hidden files.   Throws: as open_model_file and NewFile.
void copy_files_beside_weights(const std::filesystem::path& folder,
                               const std::filesystem::path& to);

void write_text_file(const std::filesystem::path& path, std::string_view text);

}  // namespace gemma3n
