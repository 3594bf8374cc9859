#include "model/audio/light_conv.h"

#include <algorithm>

#include "model/audio/conformer_config.h"
#include "model/convolution_weights.h"

namespace gemma3n {

void ConformerLightConv1d::forward(Ops& op, View<float> x, std::span<const Index> times) const {
  const ArenaScope scratch(op.arena());
  const auto gated = op.glu(op.linear(op.rms_norm(x, pre_layer_norm, eps), linear_start));
  const auto mixed = op.clamp(convolve(op, gated, times), clipping);
  const auto active = op.activate(op.rms_norm(mixed, conv_norm, eps), Activation::kSilu);
  op.add_to(x, op.linear(active, linear_end));
}

View<float> ConformerLightConv1d::convolve(Ops& op, View<const float> x,
                                           std::span<const Index> times) const {
  const auto [T, D] = dims<2>(x);
  const Index K = depthwise_conv1d.shape[2];
  check(static_cast<Index>(times.size()) == T, "one time per row");
  const auto w = weight_rows(op, depthwise_conv1d);
  auto taps = op.arena().tensor({K, D});  // so that channels lie side by side
  for (Index k = 0; k < K; ++k) {
    for (Index d = 0; d < D; ++d) taps(k, d) = w(d, k);
  }
  auto y = op.arena().tensor({T, D});
  std::ranges::fill(y.span(), 0.0f);
  op.for_rows(T, K * D, [&, D = D](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      Index oldest = t;
      while (oldest > 0 && times[t] - times[oldest - 1] < K) --oldest;
      for (Index s = oldest; s <= t; ++s) {
        const Index k = K - 1 - (times[t] - times[s]);
        for (Index d = 0; d < D; ++d) y(t, d) += taps(k, d) * x(s, d);
      }
    }
  });
  return y;
}

void bind(TensorBinder& b, ConformerLightConv1d& m, const AudioConfig& c) {
  const Index D = c.hidden_size;
  b.vector("pre_layer_norm.weight", m.pre_layer_norm, D);
  b.tensor("linear_start.weight", m.linear_start, {2 * D, D}, Access::kTower);
  b.tensor("depthwise_conv1d.weight", m.depthwise_conv1d, {D, 1, c.conf_conv_kernel_size});
  b.vector("conv_norm.weight", m.conv_norm, D);
  b.tensor("linear_end.weight", m.linear_end, {D, D}, Access::kTower);
  m.clipping = gradient_clipping(c);
  m.eps = static_cast<float>(c.rms_norm_eps);
}

}  // namespace gemma3n
