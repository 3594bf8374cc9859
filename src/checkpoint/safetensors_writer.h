// Writes a safetensors file tensor by tensor, with its data on a page of its own, so that what
// begins the file is aligned when it is mapped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/new_folder.h"
#include "checkpoint/stored_dtype.h"

namespace gemma3n {

struct NewTensor {
  std::string name;  // of letters, digits, '.', '_' and '-'
  StoredDType dtype = StoredDType::kU8;
  std::vector<std::int64_t> shape;
};

class SafetensorsWriter {
 public:
  // Writes the header; the file gets the room for all tensors.   Throws: as NewFile.
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<NewTensor>& tensors);

  // The bytes of the tensors, one after the other in the order they were named.
  void write(std::span<const std::byte> bytes);
  void finish();  // on disk when it returns

 private:
  NewFile file_;
  std::size_t missing_ = 0;  // bytes
};

}  // namespace gemma3n
