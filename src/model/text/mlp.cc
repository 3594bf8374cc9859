#include "model/text/mlp.h"

#include <cmath>
#include <numbers>

namespace gemma3n {

View<float> Mlp::forward(Ops& op, View<const float> x) const {
  if (is_off) return op.scale(x, 0.0f);
  if (is_sparse) {
    const auto gate = op.linear(x, gate_proj);
    return sparse_mlp(op, x, gate, std_multiplier, activation, up_proj, down_rows);
  }
  const auto [gate, up] = op.linear(x, gate_proj, up_proj);
  return op.linear(op.gated(gate, activation, up), down_proj);
}

void bind(TensorBinder& b, Mlp& m, const TextConfig& c) {
  const auto layer = static_cast<std::size_t>(m.layer);
  const Index D = c.hidden_size, F = c.intermediate_size[layer];
  b.tensor("gate_proj.weight", m.gate_proj, {F, D});
  b.tensor("up_proj.weight", m.up_proj, {F, D});
  b.tensor("down_proj.weight", m.down_proj, {D, F});
  m.activation = activation_from_name(c.hidden_activation);
  const double sparsity = c.activation_sparsity_pattern[layer];
  m.is_off = sparsity >= 1.0;
  m.is_sparse = sparsity > 0.0 && sparsity < 1.0;
  if (m.is_sparse) m.std_multiplier = normal_quantile(sparsity);
}

// sqrt(2) erfinv(2p - 1), erfinv by Newton's method.
float normal_quantile(double p) {
  const float argument = 2.0f * static_cast<float>(p) - 1.0f;
  const auto y = static_cast<double>(argument);
  const double log_term = std::log1p(-y * y);  // Winitzki's approximation to start from
  const double a = 2 / (std::numbers::pi * 0.147) + log_term / 2;
  double x = std::copysign(std::sqrt(std::sqrt(a * a - log_term / 0.147) - a), y);
  for (int i = 0; i < 4; ++i) {
    x -= (std::erf(x) - y) / (2 * std::numbers::inv_sqrtpi * std::exp(-x * x));
  }
  return static_cast<float>(x) * std::numbers::sqrt2_v<float>;
}

}  // namespace gemma3n
