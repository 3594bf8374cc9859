#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "checkpoint/json.h"
#include "checkpoint/printable.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr std::size_t kMaxIndexBytes = 2u << 20;  // Gemma 3n's has 0.2 MiB

struct Placement {
  std::string tensor, shard;
};

bool has_name(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

// Where the blobs of a Hugging Face cache lie: models--x/blobs for models--x/snapshots/<revision>;
// empty for other folders.   `folder` is canonical.
fs::path blobs_folder(const fs::path& folder) {
  const fs::path snapshots = folder.parent_path();
  const fs::path repository = snapshots.parent_path();
  const bool is_snapshot =
      snapshots.filename() == "snapshots" && repository.filename().string().starts_with("models--");
  return is_snapshot ? repository / "blobs" : fs::path();
}

SafetensorsFile open_shard(const fs::path& folder, const std::string& name) {
  return SafetensorsFile(open_model_file(folder, name), name);
}

void check_shard_name(const std::string& tensor, const std::string& shard) {
  if (!shard.empty() && shard.find_first_of(std::string_view("/\0", 2)) == std::string::npos &&
      shard.ends_with(".safetensors")) {
    return;
  }
  fail(ErrorCode::kCorruptData, kIndexFile, ": weight_map: ", printable(tensor),
       ": expected the name of a .safetensors file of this folder, got \"", printable(shard), "\"");
}

// The index's weight_map, sorted by tensor.
std::vector<Placement> read_index(const fs::path& folder) {
  const std::string text = read_text_file(folder / kIndexFile, kMaxIndexBytes);
  const Json::Object root = naming_place(kIndexFile, [&] { return parse_json_object(text); });
  const Json* weight_map = find(root, "weight_map");
  const auto* members = weight_map == nullptr ? nullptr : get_if<Json::Object>(*weight_map);
  if (members == nullptr || members->empty()) {
    fail(ErrorCode::kCorruptData, kIndexFile,
         ": weight_map: expected an object with a file for each tensor, got ",
         weight_map == nullptr ? "none" : kind_name(*weight_map));
  }
  std::vector<Placement> placements;
  for (const auto& [tensor, shard] : *members) {
    const auto* name = get_if<std::string>(shard);
    if (name == nullptr) {
      fail(ErrorCode::kCorruptData, kIndexFile, ": weight_map: ", printable(tensor),
           ": expected a file name, got ", quoted(shard));
    }
    check_shard_name(tensor, *name);
    placements.push_back({tensor, *name});
  }
  std::ranges::sort(placements, {}, &Placement::tensor);
  return placements;
}

std::vector<std::string> shard_names(const std::vector<Placement>& placements) {
  std::vector<std::string> names;
  for (const auto& placement : placements) names.push_back(placement.shard);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// Index and shards must name the same tensors in the same places. Both are sorted by name.
void check_placements(const std::vector<Placement>& placements,
                      const std::vector<CheckpointTensor>& tensors) {
  auto tensor = tensors.begin();
  for (const auto& placement : placements) {
    if (tensor != tensors.end() && tensor->name() < placement.tensor) break;
    if (tensor == tensors.end() || tensor->name() != placement.tensor) {
      fail(ErrorCode::kCorruptData, kIndexFile, ": weight_map: ", printable(placement.tensor),
           ": expected in ", placement.shard, ", which does not have it");
    }
    if (tensor->file_name() != placement.shard) {
      fail(ErrorCode::kCorruptData, kIndexFile, ": weight_map: ", printable(placement.tensor),
           ": expected in ", placement.shard, ", found in ", tensor->file_name());
    }
    ++tensor;
  }
  if (tensor != tensors.end()) {
    fail(ErrorCode::kCorruptData, tensor->file_name(), ": ", printable(tensor->name()),
         ": the tensor is missing in the weight_map of ", kIndexFile);
  }
}

[[noreturn]] void refuse_folder_without_weights(const fs::path& folder) {
  for (const auto* other : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (has_name(folder / other)) {
      fail(ErrorCode::kUnsupported, folder.string(), ": expected ", kSingleFile, ", got ", other,
           "; save the model with safe_serialization=True");
    }
  }
  fail(ErrorCode::kNotFound, folder.string(), ": expected ", kSingleFile, " or ", kIndexFile,
       ", found neither");
}

}  // namespace

// All links are resolved first, and the file they lead to is then opened without following any: a
// link put in its place meanwhile is refused.
MappedFile open_model_file(const fs::path& folder, const std::string& name) {
  std::error_code error;
  const fs::path real = fs::canonical(folder / name, error);
  if (error) {
    fail(ErrorCode::kNotFound, folder.string(), ": ", printable(name),
         ": cannot open: ", error.message());
  }
  const fs::path own = (folder / name).parent_path();
  if (real.parent_path() != own && real.parent_path() != blobs_folder(folder)) {
    fail(ErrorCode::kCorruptData, folder.string(), ": ", printable(name),
         ": the link leads out of the model folder; copy the file into it");
  }
  return MappedFile(real, SymbolicLinks::kRefuse);
}

struct Checkpoint::Impl {
  fs::path directory;
  std::vector<SafetensorsFile> files;
  std::vector<CheckpointTensor> tensors;  // point into `files`
  std::size_t size_bytes = 0;

  void collect_tensors() {
    for (const auto& file : files) {
      for (const auto& entry : file.entries()) {
        tensors.push_back({&entry, &file});
        size_bytes += entry.size;
      }
    }
    std::ranges::sort(tensors, {}, &CheckpointTensor::name);
    const auto twin = std::ranges::adjacent_find(tensors, {}, &CheckpointTensor::name);
    if (twin == tensors.end()) return;
    fail(ErrorCode::kCorruptData, twin->file_name(), ": ", printable(twin->name()),
         ": the tensor is also in ", std::next(twin)->file_name());
  }
};

Checkpoint Checkpoint::open(const fs::path& model_dir) {
  std::error_code error;
  const fs::path folder = fs::canonical(model_dir, error);
  if (error || !fs::is_directory(folder, error)) {
    fail(ErrorCode::kNotFound, model_dir.string(), ": expected a model folder, ",
         error ? error.message() : "it is a file");
  }
  auto impl = std::make_shared<Impl>();
  impl->directory = folder;
  if (has_name(folder / kSingleFile)) {
    impl->files.push_back(open_shard(folder, std::string(kSingleFile)));
    impl->collect_tensors();
  } else if (has_name(folder / kIndexFile)) {
    const auto placements = read_index(folder);
    for (const auto& name : shard_names(placements))
      impl->files.push_back(open_shard(folder, name));
    impl->collect_tensors();
    check_placements(placements, impl->tensors);
  } else {
    refuse_folder_without_weights(folder);
  }
  return Checkpoint(std::move(impl));
}

const fs::path& Checkpoint::directory() const { return impl_->directory; }

std::span<const CheckpointTensor> Checkpoint::tensors() const { return impl_->tensors; }

std::size_t Checkpoint::size_bytes() const { return impl_->size_bytes; }

const CheckpointTensor* Checkpoint::find(std::string_view name) const {
  const auto& tensors = impl_->tensors;
  const auto found = std::ranges::lower_bound(
      tensors, name, {}, [](const CheckpointTensor& t) -> std::string_view { return t.name(); });
  return found != tensors.end() && found->name() == name ? &*found : nullptr;
}

}  // namespace gemma3n
