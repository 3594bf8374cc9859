// One safetensors file: an index of named tensors and the bytes they stand for.
//
//   u64 N, little endian | N bytes of JSON | the tensors' bytes, without gaps, to the end of the
//   file
//
// The whole index is checked when the file is opened, so later code may trust it: names are unique
// and printable, every tensor's bytes lie in the file, and each byte belongs to exactly one tensor.
// Ref: https://huggingface.co/docs/safetensors, "Format"
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "checkpoint/stored_dtype.h"

namespace gemma3n {

struct SafetensorsEntry {
  std::string name;
  StoredDType dtype = StoredDType::kF32;
  std::vector<std::int64_t> shape;  // empty = a scalar; a dimension of 0 = no elements
  std::size_t offset = 0;           // of the first byte, from the start of the file; may be odd
  std::size_t size = 0;             // bytes
};

class SafetensorsFile {
 public:
  static constexpr std::size_t kMaxHeaderBytes = 4u << 20;  // a Gemma 3n checkpoint has 0.2 MiB
  static constexpr std::size_t kMaxTensors = 20'000;        // Gemma 3n E4B has 1676
  static constexpr std::size_t kMaxMetadataKeys = 20'000;
  static constexpr std::size_t kMaxRank = 64;  // as in PyTorch

  // `display_name` stands in messages.
  // Throws: kCorruptData, naming the tensor, for a file that breaks a rule of the format;
  // kUnsupported for one that exceeds a limit above or has a dimension beyond 63 bits. The limits
  // bound what a hostile file can cost: milliseconds, and memory of a few times its header.
  SafetensorsFile(MappedFile file, std::string display_name);
  // The same over bytes in memory, which must outlive this object.
  SafetensorsFile(std::span<const std::byte> bytes, std::string display_name);

  const std::string& name() const { return name_; }
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }  // sorted by name
  const SafetensorsEntry* find(std::string_view name) const;                 // null if absent

  // The tensor's elements, little endian, row-major. The format aligns nothing: read them with
  // memcpy or unaligned loads only.
  std::span<const std::byte> bytes(const SafetensorsEntry& entry) const {
    return bytes_.subspan(entry.offset, entry.size);
  }
  // Empty if the file was opened over bytes in memory.
  const MappedFile& mapped_file() const { return file_; }

 private:
  MappedFile file_;
  std::span<const std::byte> bytes_;
  std::string name_;
  std::vector<SafetensorsEntry> entries_;
};

}  // namespace gemma3n
