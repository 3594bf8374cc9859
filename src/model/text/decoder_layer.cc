#include "model/text/decoder_layer.h"

#include <numbers>

namespace gemma3n {

void DecoderLayer::forward(Ops& op, View<float> streams, View<const float> per_layer_input,
                           const AttentionContext& context) const {
  const ArenaScope scratch(op.arena());
  altup.predict(op, streams);
  const auto activated = activate(op, streams[altup.active], context);
  altup.correct(op, streams, activated);
  inject(op, streams, per_layer_input);
}

View<float> DecoderLayer::activate(Ops& op, View<const float> active,
                                   const AttentionContext& context) const {
  constexpr float kInvSqrt2 = 1.0f / std::numbers::sqrt2_v<float>;
  const auto x = op.rms_norm(active, input_layernorm, eps);
  const auto attended =
      op.rms_norm(self_attn.forward(op, x, context), post_attention_layernorm, eps);
  const auto mixed = op.scaled_sum(active, attended, laurel.forward(op, x), kInvSqrt2);

  const auto fed = mlp.forward(op, op.rms_norm(mixed, pre_feedforward_layernorm, eps));
  return op.add(mixed, op.rms_norm(fed, post_feedforward_layernorm, eps));
}

void DecoderLayer::inject(Ops& op, View<float> corrected, View<const float> per_layer_input) const {
  View<const float> first = corrected[altup.active];
  if (altup_correct_scale) first = op.mul(first, altup.correct_output_scale);
  const auto gate = op.linear(first, per_layer_input_gate);
  const auto projected =
      op.linear(op.gated(gate, activation, per_layer_input), per_layer_projection);
  const auto delta = op.rms_norm(projected, post_per_layer_input_norm, eps);
  for (Index i = 1; i < corrected.shape()[0]; ++i) op.add_to(corrected[i], delta);
}

void bind(TensorBinder& b, DecoderLayer& m, const TextConfig& c) {
  const Index D = c.hidden_size, P = c.hidden_size_per_layer_input;
  m.self_attn.layer = m.mlp.layer = m.layer;
  b.module("altup", m.altup, c);
  b.module("laurel", m.laurel, c);
  b.module("self_attn", m.self_attn, c);
  b.module("mlp", m.mlp, c);
  b.vector("input_layernorm.weight", m.input_layernorm, D);
  b.vector("post_attention_layernorm.weight", m.post_attention_layernorm, D);
  b.vector("pre_feedforward_layernorm.weight", m.pre_feedforward_layernorm, D);
  b.vector("post_feedforward_layernorm.weight", m.post_feedforward_layernorm, D);
  b.tensor("per_layer_input_gate.weight", m.per_layer_input_gate, {P, D});
  b.tensor("per_layer_projection.weight", m.per_layer_projection, {D, P});
  b.vector("post_per_layer_input_norm.weight", m.post_per_layer_input_norm, D);
  m.activation = activation_from_name(c.hidden_activation);
  m.altup_correct_scale = c.altup_correct_scale;
  m.eps = static_cast<float>(c.rms_norm_eps);
}

}  // namespace gemma3n
