// An owning, dense, row-major tensor: the form in which numbers cross the public API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

enum class DType { kF32, kF16, kBF16, kI64, kI32, kI8, kU8, kBool };

std::size_t size_bytes(DType dtype);       // of one element
std::string_view dtype_name(DType dtype);  // "float32", "bfloat16", ... as in NumPy and PyTorch

// Copies share the elements, as in PyTorch; clone() makes new ones. A default-constructed tensor is
// "absent": it stands for Python's None where an argument is optional.
class Tensor {
 public:
  Tensor() = default;
  // Zero-filled. Throws: kInvalidArgument if a dimension is negative or the size overflows.
  Tensor(DType dtype, std::vector<std::int64_t> shape);

  // Copies `values`. Throws: kInvalidArgument unless values.size() is the product of `shape`.
  static Tensor of(std::span<const float> values, std::vector<std::int64_t> shape);
  static Tensor of(std::span<const std::int64_t> values, std::vector<std::int64_t> shape);

  explicit operator bool() const { return data_ != nullptr; }  // present?
  DType dtype() const { return dtype_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t dim(std::size_t axis) const { return shape_.at(axis); }
  std::size_t rank() const { return shape_.size(); }
  std::int64_t size() const { return size_; }  // number of elements

  std::byte* bytes() { return data_.get(); }
  const std::byte* bytes() const { return data_.get(); }

  // The elements. Throws: kInvalidArgument if the dtype is another one.
  std::span<float> f32();
  std::span<const float> f32() const;
  std::span<std::int64_t> i64();
  std::span<const std::int64_t> i64() const;

  Tensor clone() const;
  Tensor reshape(std::vector<std::int64_t> shape) const;  // shares the elements

 private:
  DType dtype_ = DType::kF32;
  std::vector<std::int64_t> shape_;
  std::int64_t size_ = 0;
  std::shared_ptr<std::byte[]> data_;
};

}  // namespace gemma3n
