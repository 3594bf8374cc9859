// A model folder's weights: model.safetensors, or model.safetensors.index.json and its shards.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/safetensors.h"

namespace gemma3n {

// One tensor of a checkpoint. Lives as long as a copy of its Checkpoint.
struct CheckpointTensor {
  const SafetensorsEntry* entry = nullptr;  // name, dtype, shape
  const SafetensorsFile* file = nullptr;

  const std::string& name() const { return entry->name; }
  const std::string& file_name() const { return file->name(); }  // relative to the folder
  std::span<const std::byte> bytes() const { return file->bytes(*entry); }  // unaligned
};

// All files are mapped and checked when it is opened. Copies share the maps; thread-safe.
class Checkpoint {
 public:
  // A link in the folder may lead to a file of the folder itself or, in a Hugging Face cache
  // (models--x/snapshots/<revision>), to models--x/blobs; nowhere else.
  // If both forms are present, model.safetensors is taken, as transformers does.
  // Throws: kNotFound for a missing folder or file; kCorruptData for a broken safetensors file, an
  // index that disagrees with its shards, or a shard outside the folder; kUnsupported for weights
  // in another format.
  static Checkpoint open(const std::filesystem::path& model_dir);

  const std::filesystem::path& directory() const;
  const CheckpointTensor* find(std::string_view name) const;  // null if absent
  std::span<const CheckpointTensor> tensors() const;          // of all files, sorted by name
  std::size_t size_bytes() const;                             // of all tensors

 private:
  struct Impl;
  explicit Checkpoint(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// Maps a file of a model folder; `folder` is canonical. A link is followed as by Checkpoint::open.
// Throws: kNotFound, kCorruptData.
MappedFile open_model_file(const std::filesystem::path& folder, const std::string& name);

}  // namespace gemma3n
