#include "model/audio/conformer_block.h"

#include <algorithm>

#include "model/audio/conformer_config.h"

namespace gemma3n {

void ConformerBlock::mix(Ops& op, View<float> x, std::span<const Index> times) const {
  ffw_layer_start.forward(op, x);
  attention.forward(op, x, times);
  lconv1d.forward(op, x, times);
}

void ConformerBlock::finish(Ops& op, View<float> x) const {
  const ArenaScope scratch(op.arena());
  ffw_layer_end.forward(op, x);
  const auto normed = op.rms_norm(op.clamp(x, clipping), norm, kConformerEps);
  std::ranges::copy(normed.span(), x.data());
}

void bind(TensorBinder& b, ConformerBlock& m, const AudioConfig& c) {
  b.module("ffw_layer_start", m.ffw_layer_start, c);
  b.module("attention", m.attention, c);
  b.module("lconv1d", m.lconv1d, c);
  b.module("ffw_layer_end", m.ffw_layer_end, c);
  b.vector("norm.weight", m.norm, c.hidden_size);
  m.clipping = gradient_clipping(c);
}

}  // namespace gemma3n
