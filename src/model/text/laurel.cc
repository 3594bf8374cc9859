#include "model/text/laurel.h"

namespace gemma3n {

View<float> Laurel::forward(Ops& op, View<const float> x) const {
  const auto low_rank = op.linear(x, linear_left);
  const auto restored = op.linear(low_rank, linear_right);
  return op.add(x, op.rms_norm(restored, post_laurel_norm, eps));
}

void bind(TensorBinder& b, Laurel& m, const TextConfig& c) {
  const Index D = c.hidden_size, R = c.laurel_rank;
  b.tensor("linear_left.weight", m.linear_left, {R, D}, Access::kProduct);
  b.tensor("linear_right.weight", m.linear_right, {D, R}, Access::kProduct);
  b.vector("post_laurel_norm.weight", m.post_laurel_norm, D);
  m.eps = static_cast<float>(c.rms_norm_eps);
}

}  // namespace gemma3n
