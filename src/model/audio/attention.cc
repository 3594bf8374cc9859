#include "model/audio/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "model/audio/conformer_config.h"

namespace gemma3n {

void ConformerAttention::forward(Ops& op, View<float> x, std::span<const Index> times) const {
  const ArenaScope scratch(op.arena());
  const auto normed = op.rms_norm(op.clamp(x, clipping), pre_attn_norm, kConformerEps);
  const auto y = op.clamp(op.linear(attn.forward(op, normed, times), post), clipping);
  op.add_to(x, op.rms_norm(y, post_norm, kConformerEps));
}

// [sin(p tau_i), cos(p tau_i)],   tau_i = 10000^(-i / (D/2 - 1)),   then projected.
View<float> RelativePositionEmbedding::forward(Ops& op, AttentionSpan span) const {
  const Index half = pos_proj.shape[1] / 2;
  const auto log_step =
      static_cast<float>(-std::log(10000.0) / static_cast<double>(std::max<Index>(half - 1, 1)));
  auto signal = op.arena().tensor({span.size(), 2 * half});
  for (Index i = 0; i < half; ++i) {
    const float tau = std::exp(static_cast<float>(i) * log_step);
    for (Index row = 0; row < span.size(); ++row) {
      const float angle = static_cast<float>(span.past - row) * tau;
      signal(row, i) = std::sin(angle);
      signal(row, half + i) = std::cos(angle);
    }
  }
  return op.linear(signal, pos_proj);
}

void AudioAttention::scale_queries(Ops& op, View<float> q) const {
  const auto [T, D] = dims<2>(q);
  const Index E = D / H;
  const auto q_scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(E))) * (1.0f / std::log1p(1.0f));
  const auto softplus = [](float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); };
  const auto scale = op.arena().array<float>(static_cast<std::size_t>(E));
  std::transform(per_dim_scale.values.begin(), per_dim_scale.values.end(), scale.begin(), softplus);
  op.for_rows(T, D, [&, D = D](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index d = 0; d < D; ++d) q(t, d) = q(t, d) * q_scale * scale[d % E];
    }
  });
}

View<float> AudioAttention::forward(Ops& op, View<const float> x,
                                    std::span<const Index> times) const {
  const auto [T, D] = dims<2>(x);
  check(static_cast<Index>(times.size()) == T && T > 0, "one time per row");
  auto q = op.linear(x, q_proj);
  const auto k = op.linear(x, k_proj), v = op.linear(x, v_proj);
  scale_queries(op, q);
  const Index longest = times.back() - times.front();  // no distance is longer
  const AttentionSpan seen = {std::min(span.past, longest), std::min(span.future, longest)};
  const auto r = relative_position_embedding.forward(op, seen);

  auto out = op.arena().tensor({T, D});
  std::ranges::fill(out.span(), 0.0f);
  const KernelTable& kernels = op.kernels();
  const auto E = static_cast<std::size_t>(D / H), stride = static_cast<std::size_t>(D);
  op.for_rows(T, 3 * seen.size() * D, [&](Index begin, Index end) {
    std::vector<float> logits(static_cast<std::size_t>(seen.size())), relative(logits.size());
    // logits of one query row against n rows of keys, or of embedded distances
    const auto products = [&](const float* query, const float* rows, std::size_t n, float* y) {
      kernels.matmul_f32({query, stride, 1, rows, stride, n, E, y, n});
    };
    for (Index t = begin; t < end; ++t) {
      const auto first = std::ranges::lower_bound(times, times[t] - seen.past) - times.begin();
      const auto last = std::ranges::upper_bound(times, times[t] + seen.future) - times.begin();
      const auto n = static_cast<std::size_t>(last - first);
      const Index farthest = seen.past - (times[t] - times[first]);  // row of r for the first key
      const auto distances = static_cast<std::size_t>(times[last - 1] - times[first] + 1);
      for (Index h = 0; h < H; ++h) {
        const Index head = h * static_cast<Index>(E);
        const float* query = q[t].data() + head;
        products(query, k[first].data() + head, n, logits.data());
        products(query, r[farthest].data() + head, distances, relative.data());
        for (std::size_t i = 0; i < n; ++i) {
          logits[i] += relative[times[first + static_cast<Index>(i)] - times[first]];
          logits[i] /= logit_cap;
        }
        kernels.tanh(logits.data(), logits.data(), n);
        for (std::size_t i = 0; i < n; ++i) logits[i] *= logit_cap;
        float max = -std::numeric_limits<float>::infinity(), sum = 0.0f;
        kernels.softmax_block(logits.data(), n, &max, &sum);
        for (std::size_t i = 0; i < n; ++i) logits[i] /= sum;
        constexpr float kFresh = 0.0f;  // nothing is there yet to be scaled
        kernels.attend_values_f32({logits.data(), n, &kFresh, 1, v[first].data() + head, stride, n,
                                   out[t].data() + head, E});
      }
    }
  });
  return out;
}

void bind(TensorBinder& b, RelativePositionEmbedding& m, const AudioConfig& c) {
  b.tensor("pos_proj.weight", m.pos_proj, {c.hidden_size, c.hidden_size}, Access::kTower);
}

void bind(TensorBinder& b, AudioAttention& m, const AudioConfig& c) {
  const Index D = c.hidden_size;
  m.H = c.conf_num_attention_heads;
  m.span = {std::max<Index>(0, c.conf_attention_context_left - 1), c.conf_attention_context_right};
  m.logit_cap = static_cast<float>(c.conf_attention_logit_cap);
  b.module("relative_position_embedding", m.relative_position_embedding, c);
  b.vector("per_dim_scale", m.per_dim_scale, D / m.H);
  b.tensor("q_proj.weight", m.q_proj, {D, D}, Access::kTower);
  b.tensor("k_proj.weight", m.k_proj, {D, D}, Access::kTower);
  b.tensor("v_proj.weight", m.v_proj, {D, D}, Access::kTower);
}

void bind(TensorBinder& b, ConformerAttention& m, const AudioConfig& c) {
  const Index D = c.hidden_size;
  b.vector("pre_attn_norm.weight", m.pre_attn_norm, D);
  b.module("attn", m.attn, c);
  b.tensor("post.weight", m.post, {D, D}, Access::kTower);
  b.vector("post_norm.weight", m.post_norm, D);
  m.clipping = gradient_clipping(c);
}

}  // namespace gemma3n
