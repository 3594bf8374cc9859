#include "model/convolution_weights.h"

#include <numeric>

#include "ops/weight_form.h"

namespace gemma3n {

View<float> weight_rows(Ops& op, const Weight& w) {
  const Index O = w.shape[0];
  const auto all = op.arena().array<Index>(static_cast<std::size_t>(O));
  std::iota(all.begin(), all.end(), Index{0});
  return op.lookup(as_matrix(w), all, 1.0f);
}

}  // namespace gemma3n
