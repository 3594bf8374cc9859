#include "gemma3n/tensor.h"

#include <cstring>
#include <limits>
#include <string>

namespace gemma3n {
namespace {

std::string to_string(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t dim : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dim);
  }
  return text + "]";
}

std::int64_t checked_size(DType dtype, const std::vector<std::int64_t>& shape) {
  const auto limit =
      std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(size_bytes(dtype));
  std::int64_t size = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0 || (size != 0 && dim > limit / size)) {
      fail(ErrorCode::kInvalidArgument, "tensor: expected a shape of countable size, got ",
           to_string(shape));
    }
    size *= dim;
  }
  return size;
}

template <typename T>
Tensor copy_of(DType dtype, std::span<const T> values, std::vector<std::int64_t> shape) {
  Tensor tensor(dtype, std::move(shape));
  if (tensor.size() != static_cast<std::int64_t>(values.size())) {
    fail(ErrorCode::kInvalidArgument, "tensor: shape ", to_string(tensor.shape()), " holds ",
         tensor.size(), " elements, got ", values.size());
  }
  if (!values.empty()) std::memcpy(tensor.bytes(), values.data(), values.size_bytes());
  return tensor;
}

template <typename T>
std::span<T> elements(std::byte* bytes, std::int64_t size, DType actual, DType wanted) {
  if (actual != wanted) {
    fail(ErrorCode::kInvalidArgument, "tensor: expected ", dtype_name(wanted), ", got ",
         dtype_name(actual));
  }
  return {reinterpret_cast<T*>(bytes), static_cast<std::size_t>(size)};
}

}  // namespace

std::size_t size_bytes(DType dtype) {
  switch (dtype) {
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  fail(ErrorCode::kInternal, "unknown dtype");
}

std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "float32";
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
    case DType::kI64:
      return "int64";
    case DType::kI32:
      return "int32";
    case DType::kI8:
      return "int8";
    case DType::kU8:
      return "uint8";
    case DType::kBool:
      return "bool";
  }
  fail(ErrorCode::kInternal, "unknown dtype");
}

Tensor::Tensor(DType dtype, std::vector<std::int64_t> shape)
    : dtype_(dtype), shape_(std::move(shape)), size_(checked_size(dtype, shape_)) {
  const auto bytes = static_cast<std::size_t>(size_) * size_bytes(dtype);
  data_ = std::make_shared<std::byte[]>(bytes > 0 ? bytes : 1);  // value-initialised: zeros
}

Tensor Tensor::of(std::span<const float> values, std::vector<std::int64_t> shape) {
  return copy_of(DType::kF32, values, std::move(shape));
}

Tensor Tensor::of(std::span<const std::int64_t> values, std::vector<std::int64_t> shape) {
  return copy_of(DType::kI64, values, std::move(shape));
}

std::span<float> Tensor::f32() { return elements<float>(bytes(), size_, dtype_, DType::kF32); }
std::span<const float> Tensor::f32() const {
  return elements<float>(data_.get(), size_, dtype_, DType::kF32);
}
std::span<std::int64_t> Tensor::i64() {
  return elements<std::int64_t>(bytes(), size_, dtype_, DType::kI64);
}
std::span<const std::int64_t> Tensor::i64() const {
  return elements<std::int64_t>(data_.get(), size_, dtype_, DType::kI64);
}

Tensor Tensor::clone() const {
  if (!*this) return {};
  Tensor copy(dtype_, shape_);
  std::memcpy(copy.bytes(), bytes(), static_cast<std::size_t>(size_) * size_bytes(dtype_));
  return copy;
}

Tensor Tensor::reshape(std::vector<std::int64_t> shape) const {
  Tensor view = *this;
  view.shape_ = std::move(shape);
  if (checked_size(dtype_, view.shape_) != size_) {
    fail(ErrorCode::kInvalidArgument, "tensor: cannot reshape ", to_string(shape_), " to ",
         to_string(view.shape_));
  }
  return view;
}

}  // namespace gemma3n
