#include "model/text/attention.h"

#include <algorithm>

namespace gemma3n {

View<float> Attention::forward(Ops& op, View<const float> x,
                               const AttentionContext& context) const {
  const Index T = x.shape()[0];
  View<float> q;
  if (owns_keys) {
    const auto [query, k, v] = op.linear(x, q_proj, k_proj, v_proj);
    store_keys(op, k, v, context);
    q = query;
  } else {
    q = op.linear(x, q_proj);
  }
  op.add_bias(q, q_bias);
  q = op.rms_norm(q.reshape({T, H, E}), q_norm, eps);
  rotate(op, q, is_sliding ? context.sliding : context.full);

  auto visible = op.arena().array<KeyRange>(static_cast<std::size_t>(T));
  for (std::size_t t = 0; t < visible.size(); ++t) {
    visible[t] = context.cache->visible(layer, context.rows[t].sequence, context.entries[t]);
  }
  auto o = op.linear(attend(op, q, visible, K), o_proj);
  op.add_bias(o, o_bias);
  return o;
}

void Attention::store_keys(Ops& op, View<float> k, View<float> v,
                           const AttentionContext& context) const {
  const Index T = k.shape()[0];
  const ArenaScope scratch(op.arena());
  op.add_bias(k, k_bias);
  op.add_bias(v, v_bias);
  k = op.rms_norm(k.reshape({T, K, E}), k_norm, eps);
  v = op.rms_norm(v.reshape({T, K, E}), Vector{}, eps);
  rotate(op, k, is_sliding ? context.sliding : context.full);

  for (Index t = 0; t < T; ++t) {
    const auto row = static_cast<std::size_t>(t);
    const auto place =
        context.cache->place(layer, context.rows[row].sequence, context.entries[row]);
    for (Index h = 0; h < K; ++h) {
      std::copy_n(k[t][h].data(), E, place.key + h * place.head_stride);
      std::copy_n(v[t][h].data(), E, place.value + h * place.head_stride);
    }
  }
}

void bind(TensorBinder& b, Attention& m, const TextConfig& c) {
  const Index D = c.hidden_size;
  m.H = c.num_attention_heads;
  m.K = c.num_key_value_heads;
  m.E = c.head_dim;
  m.eps = static_cast<float>(c.rms_norm_eps);
  m.is_sliding = c.layer_types[static_cast<std::size_t>(m.layer)] == AttentionType::kSliding;
  m.owns_keys = m.layer < c.first_kv_shared_layer();

  b.tensor("q_proj.weight", m.q_proj, {m.H * m.E, D});
  b.tensor("o_proj.weight", m.o_proj, {D, m.H * m.E});
  b.vector("q_norm.weight", m.q_norm, m.E);
  if (m.owns_keys) {
    b.tensor("k_proj.weight", m.k_proj, {m.K * m.E, D});
    b.tensor("v_proj.weight", m.v_proj, {m.K * m.E, D});
    b.vector("k_norm.weight", m.k_norm, m.E);
  }
  if (!c.attention_bias) return;
  b.vector("q_proj.bias", m.q_bias, m.H * m.E);
  b.vector("o_proj.bias", m.o_bias, D);
  if (m.owns_keys) {
    b.vector("k_proj.bias", m.k_bias, m.K * m.E);
    b.vector("v_proj.bias", m.v_bias, m.K * m.E);
  }
}

}  // namespace gemma3n
