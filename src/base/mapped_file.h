// Files from outside, opened once: mapped whole, or read whole. Regular files only; a pipe or a
// device could block or never end.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "gemma3n/error.h"

namespace gemma3n {

enum class SymbolicLinks {
  kFollow,
  kRefuse,  // as the last component of the path
};

// A read-only memory map of a file. The map shows what is on disk: if another process shrinks the
// file, reading the lost part raises SIGBUS.
class MappedFile {
 public:
  MappedFile() = default;  // maps nothing
  // Throws: kNotFound if the file is missing or may not be read; kCorruptData if it is not a
  // regular file (directory, pipe, device, socket, refused link). The message starts with the path.
  explicit MappedFile(const std::filesystem::path& path,
                      SymbolicLinks links = SymbolicLinks::kFollow);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }  // valid until destruction
  std::size_t size() const { return size_; }

  // Hints to the kernel about a part of the file; they change speed and residency, never contents.
  // offset + length must not exceed size().
  void advise_random(std::size_t offset, std::size_t length) const;     // no read-ahead
  void advise_will_need(std::size_t offset, std::size_t length) const;  // start reading now

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// The bytes of a small file, such as a JSON file.
// Throws: as MappedFile; kUnsupported if it is larger than `max_bytes`; kCorruptData if it cannot
// be read to its end.
std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace gemma3n
