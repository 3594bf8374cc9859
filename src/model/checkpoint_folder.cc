#include "model/checkpoint_folder.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/new_folder.h"
#include "checkpoint/checkpoint.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

bool is_weights(const std::string& name) {
  static constexpr std::array kEndings = {
      ".safetensors", ".index.json", ".bin",     ".pt",  ".pth",    ".ckpt", ".gguf",
      ".onnx",        ".h5",         ".msgpack", ".npz", ".tflite", ".task", ".litertlm"};
  return std::ranges::any_of(kEndings,
                             [&](std::string_view ending) { return name.ends_with(ending); });
}

void copy_file(const fs::path& folder, const std::string& name, const fs::path& to) {
  const MappedFile from = open_model_file(folder, name);
  NewFile file(to / name);
  file.write(from.bytes());
  file.finish();
}

// Names of a folder's files, in order; hidden ones are nobody's business.
std::vector<std::string> file_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with('.') && !entry.is_directory()) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

void copy_files_beside_weights(const fs::path& folder, const fs::path& to) {
  for (const auto& name : file_names(folder)) {
    if (name != "config.json" && !is_weights(name)) copy_file(folder, name, to);
  }
  const auto templates = file_names(folder / kTemplatesFolder);
  if (templates.empty()) return;
  fs::create_directory(to / kTemplatesFolder);
  for (const auto& name : templates)
    copy_file(folder, std::string(kTemplatesFolder) + "/" + name, to);
}

void write_text_file(const fs::path& path, std::string_view text) {
  NewFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.finish();
}

}  // namespace gemma3n
