// Tensors as NumPy arrays.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string_view>

#include "gemma3n/tensor.h"

namespace gemma3n::python {

// The elements are shared with `tensor`, and live as long as the array. None for an absent tensor.
nanobind::object to_numpy(const Tensor& tensor);

// A copy. Absent for None. `name` is the argument's, for the message.
// Throws: TypeError unless `array` is a C-contiguous array of this dtype in the CPU's memory; the
// Python layer brings arguments into that form.
Tensor to_tensor(nanobind::handle array, DType dtype, std::string_view name);

// A copy, whatever of Tensor's dtypes it has. Throws: as above.
Tensor to_tensor(nanobind::handle array, std::string_view name);

}  // namespace gemma3n::python
