#include "checkpoint/stored_dtype.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace gemma3n {
namespace {

struct Row {
  StoredDType dtype;
  std::string_view name;
  std::int64_t bits;
};

// In the order of the enumeration. Ref: safetensors, Dtype::bitsize
constexpr Row kRows[] = {
    {StoredDType::kBool, "BOOL", 8},
    {StoredDType::kF4, "F4", 4},
    {StoredDType::kF6E2M3, "F6_E2M3", 6},
    {StoredDType::kF6E3M2, "F6_E3M2", 6},
    {StoredDType::kU8, "U8", 8},
    {StoredDType::kI8, "I8", 8},
    {StoredDType::kF8E5M2, "F8_E5M2", 8},
    {StoredDType::kF8E4M3, "F8_E4M3", 8},
    {StoredDType::kF8E8M0, "F8_E8M0", 8},
    {StoredDType::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    {StoredDType::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    {StoredDType::kI16, "I16", 16},
    {StoredDType::kU16, "U16", 16},
    {StoredDType::kF16, "F16", 16},
    {StoredDType::kBF16, "BF16", 16},
    {StoredDType::kI32, "I32", 32},
    {StoredDType::kU32, "U32", 32},
    {StoredDType::kF32, "F32", 32},
    {StoredDType::kC64, "C64", 64},
    {StoredDType::kF64, "F64", 64},
    {StoredDType::kI64, "I64", 64},
    {StoredDType::kU64, "U64", 64},
};

constexpr bool rows_follow_the_enumeration() {
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (static_cast<std::size_t>(kRows[i].dtype) != i) return false;
  }
  return true;
}
static_assert(rows_follow_the_enumeration());

const Row& row(StoredDType dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::string_view name(StoredDType dtype) { return row(dtype).name; }

std::optional<StoredDType> stored_dtype_from_name(std::string_view name) {
  const auto* found = std::ranges::find(kRows, name, &Row::name);
  if (found == std::end(kRows)) return std::nullopt;
  return found->dtype;
}

std::int64_t size_bits(StoredDType dtype) { return row(dtype).bits; }

std::optional<DType> weight_dtype(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::kF32:
      return DType::kF32;
    case StoredDType::kF16:
      return DType::kF16;
    case StoredDType::kBF16:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

}  // namespace gemma3n
