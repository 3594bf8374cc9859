#include "model/convolution_weights.h"

#include <numeric>

namespace gemma3n {

View<float> weight_rows(Ops& op, const Weight& w) {
  const Index O = w.shape[0];
  const Weight flat = {w.data, w.dtype, {O, w.shape.size() / O}};
  const auto all = op.arena().array<Index>(static_cast<std::size_t>(O));
  std::iota(all.begin(), all.end(), Index{0});
  return op.lookup(flat, all, 1.0f);
}

Weight window_weights(Ops& op, const Weight& w) {
  const Index O = w.shape[0], I = w.shape[1], taps = w.shape[2] * w.shape[3];
  const auto rows = weight_rows(op, w);
  auto result = op.arena().tensor({O, taps * I});
  for (Index o = 0; o < O; ++o) {
    for (Index i = 0; i < I; ++i) {
      for (Index tap = 0; tap < taps; ++tap) result(o, tap * I + i) = rows(o, i * taps + tap);
    }
  }
  return {result.data(), DType::kF32, result.shape()};
}

}  // namespace gemma3n
