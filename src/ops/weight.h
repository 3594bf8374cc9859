// Weights as model code holds them: what they are, not how they are stored.
#pragma once

#include <vector>

#include "gemma3n/tensor.h"
#include "tensor/view.h"

namespace gemma3n {

// A matrix [O, I] (or a table of O rows) that stays where it lies in the mapped checkpoint, in the
// checkpoint's dtype: kF32, kF16 or kBF16. Row-major; `data` may be unaligned.
struct Weight {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  explicit operator bool() const { return data != nullptr; }  // optional weights may be absent
};

// A one-dimensional weight (norm scale, bias), converted to f32 at load.
struct Vector {
  std::vector<float> values;

  Index size() const { return static_cast<Index>(values.size()); }
  const float* data() const { return values.empty() ? nullptr : values.data(); }
};

}  // namespace gemma3n
