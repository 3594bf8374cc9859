#include "arrays.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace nb = nanobind;

namespace gemma3n::python {
namespace {

struct NamedDType {
  DType dtype;
  nb::dlpack::dtype code;
};

constexpr NamedDType kDTypes[] = {
    {DType::kF32, {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float), 32, 1}},
    {DType::kF16, {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float), 16, 1}},
    {DType::kI64, {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Int), 64, 1}},
    {DType::kI32, {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Int), 32, 1}},
    {DType::kI8, {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Int), 8, 1}},
    {DType::kU8, {static_cast<std::uint8_t>(nb::dlpack::dtype_code::UInt), 8, 1}},
    {DType::kBool, {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bool), 8, 1}},
};

using Array = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

[[noreturn]] void fail_type(std::string_view name, std::string_view expected, nb::handle got) {
  const std::string message = std::string(name) + ": expected a contiguous array" +
                              std::string(expected) + ", got " +
                              nb::cast<std::string>(nb::str(nb::type_name(got.type())));
  throw nb::type_error(message.c_str());
}

}  // namespace

nb::object to_numpy(const Tensor& tensor) {
  if (!tensor) return nb::none();
  for (const NamedDType& known : kDTypes) {
    if (known.dtype != tensor.dtype()) continue;
    auto owner = std::make_unique<Tensor>(tensor);
    nb::capsule capsule(owner.get(), [](void* p) noexcept { delete static_cast<Tensor*>(p); });
    Tensor* kept = owner.release();
    std::vector<std::size_t> shape(kept->shape().begin(), kept->shape().end());
    return nb::cast(nb::ndarray<nb::numpy>(kept->bytes(), shape.size(), shape.data(), capsule,
                                           nullptr, known.code));
  }
  throw nb::type_error("no NumPy dtype for this tensor");
}

Tensor to_tensor(nb::handle array, std::string_view name) {
  if (array.is_none()) return {};
  Array view;
  if (!nb::try_cast(array, view)) fail_type(name, "", array);
  for (const NamedDType& known : kDTypes) {
    if (!(known.code == view.dtype())) continue;
    std::vector<std::int64_t> shape;
    for (std::size_t i = 0; i < view.ndim(); ++i) {
      shape.push_back(static_cast<std::int64_t>(view.shape(i)));
    }
    Tensor tensor(known.dtype, std::move(shape));
    if (view.nbytes() > 0) std::memcpy(tensor.bytes(), view.data(), view.nbytes());
    return tensor;
  }
  fail_type(name, " of a known dtype", array);
}

Tensor to_tensor(nb::handle array, DType dtype, std::string_view name) {
  Tensor tensor = to_tensor(array, name);
  if (tensor && tensor.dtype() != dtype) {
    fail_type(name, " of dtype " + std::string(dtype_name(dtype)), array);
  }
  return tensor;
}

}  // namespace gemma3n::python
