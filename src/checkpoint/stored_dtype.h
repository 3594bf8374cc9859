// The element types of the safetensors format.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gemma3n/tensor.h"

namespace gemma3n {

// Only kF32, kF16 and kBF16 are used as weights.
enum class StoredDType : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

std::string_view name(StoredDType dtype);                                  // as in the file: "BF16"
std::optional<StoredDType> stored_dtype_from_name(std::string_view name);  // exact spelling
std::int64_t size_bits(StoredDType dtype);                                 // of one element
std::optional<DType> weight_dtype(StoredDType dtype);  // absent unless F32, F16 or BF16

}  // namespace gemma3n
