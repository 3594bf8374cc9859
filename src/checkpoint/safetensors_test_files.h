// safetensors files made by hand, for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"

namespace gemma3n::test_files {

using Bytes = std::vector<std::byte>;

inline Bytes to_bytes(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

// The header's length (or what `claimed` says it is), the header, and data bytes 0, 1, 2, ...
inline Bytes file_of(std::string_view header, std::size_t data_size, std::uint64_t claimed) {
  Bytes file;
  for (int shift = 0; shift < 64; shift += 8)
    file.push_back(static_cast<std::byte>(claimed >> shift));
  const Bytes text = to_bytes(header);
  file.insert(file.end(), text.begin(), text.end());
  for (std::size_t i = 0; i < data_size; ++i) file.push_back(static_cast<std::byte>(i));
  return file;
}
inline Bytes file_of(std::string_view header, std::size_t data_size) {
  return file_of(header, data_size, header.size());
}

// {"dtype":...,"shape":...,"data_offsets":...}, the arguments as JSON.
inline std::string entry(const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
  return "{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

// A header with the one tensor "a".
inline std::string one(const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
  return "{\"a\":" + entry(dtype, shape, offsets) + "}";
}

// A header with the tensors "a" and "b".
inline std::string two(const std::string& a, const std::string& b) {
  return "{\"a\":" + a + ",\"b\":" + b + "}";
}

}  // namespace gemma3n::test_files
