#include "model/audio/feed_forward.h"

#include "model/audio/conformer_config.h"

namespace gemma3n {

void ConformerFeedForward::forward(Ops& op, View<float> x) const {
  const ArenaScope scratch(op.arena());
  const auto normed = op.rms_norm(op.clamp(x, clipping), pre_layer_norm, kConformerEps);
  const auto hidden = op.activate(op.linear(normed, ffw_layer_1), Activation::kSilu);
  const auto y = op.clamp(op.linear(hidden, ffw_layer_2), clipping);
  op.add_to(x, op.scale(op.rms_norm(y, post_layer_norm, kConformerEps), residual_weight));
}

void bind(TensorBinder& b, ConformerFeedForward& m, const AudioConfig& c) {
  const Index D = c.hidden_size;
  b.vector("pre_layer_norm.weight", m.pre_layer_norm, D);
  b.tensor("ffw_layer_1.weight", m.ffw_layer_1, {4 * D, D}, Access::kTower);
  b.tensor("ffw_layer_2.weight", m.ffw_layer_2, {D, 4 * D}, Access::kTower);
  b.vector("post_layer_norm.weight", m.post_layer_norm, D);
  m.residual_weight = static_cast<float>(c.conf_residual_weight);
  m.clipping = gradient_clipping(c);
}

}  // namespace gemma3n
