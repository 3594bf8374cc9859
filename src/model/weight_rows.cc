#include "model/weight_rows.h"

#include <numeric>

namespace gemma3n {

View<float> weight_rows(Ops& op, const Weight& w) {
  const Index O = w.shape[0];
  const Weight flat = {w.data, w.dtype, {O, w.shape.size() / O}};
  const auto all = op.arena().array<Index>(static_cast<std::size_t>(O));
  std::iota(all.begin(), all.end(), Index{0});
  return op.lookup(flat, all, 1.0f);
}

}  // namespace gemma3n
