#include "model/text/decoder.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

namespace gemma3n {
namespace {

// x[t] * target[t] / sqrt(max(mean(x[t]^2), 1e-5)), in place.   x: [T, D], target: [T]
void match_magnitude(Ops& op, View<float> x, std::span<const float> target) {
  constexpr float kEpsilon = 1e-5f;
  const auto [T, D] = dims<2>(x);
  op.for_rows(T, 2 * D, [&, D = D](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      float* row = x[t].data();
      const float square =
          op.kernels().sum_squares(row, static_cast<std::size_t>(D)) / static_cast<float>(D);
      const float magnitude = std::sqrt(std::max(kEpsilon, square));
      const float wanted = target[static_cast<std::size_t>(t)];
      for (Index d = 0; d < D; ++d) row[d] = row[d] * wanted / magnitude;
    }
  });
}

// sqrt(mean(x[t]^2)).   x: [T, D], returns [T].
std::span<const float> magnitudes(Ops& op, View<const float> x) {
  const auto [T, D] = dims<2>(x);
  auto out = op.arena().tensor({T});
  for (Index t = 0; t < T; ++t) {
    const float sum = op.kernels().sum_squares(x[t].data(), static_cast<std::size_t>(D));
    out(t) = std::sqrt(sum / static_cast<float>(D));
  }
  return out.span();
}

// The rows that a pass still works on, and what goes with them.
struct ActiveRows {
  std::vector<BatchRow> rows;
  std::vector<Index> entries;
  AttentionContext context;
};

void set_context(Ops& op, const Decoder& m, KvCache& cache, ActiveRows& active) {
  auto positions = op.arena().array<Index>(active.rows.size());
  for (std::size_t t = 0; t < positions.size(); ++t) positions[t] = active.rows[t].position;
  active.context = {active.rows, active.entries, m.rope_sliding.tables(op, positions),
                    m.rope_full.tables(op, positions), &cache};
}

// Keeps the wanted rows of [A, T, D] streams.
View<float> keep_wanted(Ops& op, View<const float> streams, std::span<const BatchRow> rows) {
  const auto [A, T, D] = dims<3>(streams);
  const auto n = std::ranges::count_if(rows, &BatchRow::is_wanted);
  auto kept = op.arena().tensor({A, n, D});
  for (Index i = 0; i < A; ++i) {
    Index to = 0;
    for (Index t = 0; t < T; ++t) {
      if (rows[static_cast<std::size_t>(t)].is_wanted) {
        std::ranges::copy(streams[i][t].span(), kept[i][to++].data());
      }
    }
  }
  return kept;
}

Index stored(const Decoder& m, Index layer) {
  return m.stored_layer[static_cast<std::size_t>(layer)];
}

// Scaled rows of the per-layer table, layers that a smaller size leaves out included.
//   returns [T, stored layers * P].
View<float> lookup_stored_layers(Ops& op, const Decoder& m, std::span<const Index> ids) {
  auto rows = op.arena().array<Index>(ids.size());
  const Index known = m.embed_tokens_per_layer.shape[0];
  for (std::size_t t = 0; t < ids.size(); ++t) rows[t] = ids[t] >= 0 && ids[t] < known ? ids[t] : 0;
  return op.lookup(m.embed_tokens_per_layer, rows,
                   static_cast<float>(std::sqrt(static_cast<double>(m.P))));
}

void drop_unwanted(ActiveRows& active) {
  std::size_t to = 0;
  for (std::size_t t = 0; t < active.rows.size(); ++t) {
    if (!active.rows[t].is_wanted) continue;
    active.rows[to] = active.rows[t];
    active.entries[to++] = active.entries[t];
  }
  active.rows.resize(to);
  active.entries.resize(to);
}

}  // namespace

DecoderOutput Decoder::forward(Ops& op, const Batch& batch, KvCache& cache,
                               bool with_states) const {
  ActiveRows active;
  active.rows = batch;
  for (const BatchRow& row : batch) active.entries.push_back(cache.append(row.sequence, row.slot));
  set_context(op, *this, cache, active);

  const auto embedded = embeddings(op, batch);
  auto streams = start_streams(op, embedded);
  auto per_layer = per_layer_inputs(op, active.rows, embedded, 0, with_states ? L : first_shared);
  DecoderOutput output;
  const auto run = [&](Index first, Index last, View<const float> inputs) {
    for (Index i = first; i < last; ++i) {
      if (with_states) output.states.push_back(op.copy(streams));
      layers[static_cast<std::size_t>(i)].forward(op, streams, inputs[i - first], active.context);
    }
  };
  run(0, with_states ? L : first_shared, per_layer);
  if (with_states) output.states.push_back(op.copy(streams));

  // From here on nobody else reads the other rows.
  streams = keep_wanted(op, streams, active.rows);
  if (!with_states && first_shared < L && streams.shape()[1] > 0) {
    auto wanted = op.arena().tensor({streams.shape()[1], D});
    Index to = 0;
    for (std::size_t t = 0; t < batch.size(); ++t) {
      if (batch[t].is_wanted) {
        std::ranges::copy(embedded[static_cast<Index>(t)].span(), wanted[to++].data());
      }
    }
    drop_unwanted(active);
    set_context(op, *this, cache, active);
    run(first_shared, L, per_layer_inputs(op, active.rows, wanted, first_shared, L));
  }
  output.hidden = op.rms_norm(merge_streams(op, streams), norm, eps);
  return output;
}

View<float> Decoder::embed(Ops& op, std::span<const Index> ids) const {
  return op.lookup(embed_tokens, ids, static_cast<float>(std::sqrt(static_cast<double>(D))));
}

View<float> Decoder::embeddings(Ops& op, const Batch& batch) const {
  auto ids = op.arena().array<Index>(batch.size());
  for (std::size_t t = 0; t < batch.size(); ++t) ids[t] = batch[t].embedding ? 0 : batch[t].token;
  auto embedded = embed(op, ids);
  for (std::size_t t = 0; t < batch.size(); ++t) {
    if (batch[t].embedding)
      std::copy_n(batch[t].embedding, D, embedded[static_cast<Index>(t)].data());
  }
  return embedded;
}

View<float> Decoder::per_layer_lookup(Ops& op, std::span<const Index> ids) const {
  const auto table = lookup_stored_layers(op, *this, ids);
  if (table.shape()[1] == L * P) return table;
  const Index T = table.shape()[0];
  auto kept = op.arena().tensor({T, L * P});
  for (Index t = 0; t < T; ++t) {
    for (Index i = 0; i < L; ++i) {
      std::copy_n(table[t].data() + stored(*this, i) * P, P, kept[t].data() + i * P);
    }
  }
  return kept;
}

// embedded W^T of layers [first, last).   returns [T, (last - first) * P].
View<float> Decoder::per_layer_projections(Ops& op, View<const float> embedded, Index first,
                                           Index last) const {
  auto out = op.arena().tensor({embedded.shape()[0], (last - first) * P});
  for (Index i = first; i < last;) {  // layers that lie one after the other, together
    Index end = i + 1;
    while (end < last && stored(*this, end) == stored(*this, end - 1) + 1) ++end;
    const Weight rows = rows_of(per_layer_model_projection, stored(*this, i) * P, (end - i) * P);
    op.linear_into(embedded, rows, out, (i - first) * P);
    i = end;
  }
  return out;
}

View<float> Decoder::per_layer_inputs(Ops& op, std::span<const BatchRow> rows,
                                      View<const float> embedded, Index first, Index last) const {
  const auto T = static_cast<Index>(rows.size()), count = last - first;
  auto out = op.arena().tensor({count, T, P});
  if (P == 0 || count == 0) return out;
  const ArenaScope scratch(op.arena());
  auto projected = op.scale(per_layer_projections(op, embedded, first, last),
                            static_cast<float>(1.0 / std::sqrt(static_cast<double>(D))));
  projected = op.rms_norm(projected.reshape({T, count, P}), per_layer_projection_norm, eps);

  auto ids = op.arena().array<Index>(rows.size());
  for (std::size_t t = 0; t < rows.size(); ++t) ids[t] = rows[t].token;
  const auto table = lookup_stored_layers(op, *this, ids);  // [T, stored layers * P]
  op.for_rows(T, count * P, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      const BatchRow& row = rows[static_cast<std::size_t>(t)];
      for (Index i = 0; i < count; ++i) {
        const float* lookup = row.per_layer_input ? row.per_layer_input + (first + i) * P
                                                  : table[t].data() + stored(*this, first + i) * P;
        for (Index p = 0; p < P; ++p) {
          const float value = projected(t, i, p);
          out(i, t, p) = row.has_per_layer_lookup
                             ? (value + lookup[p]) * (1.0f / std::numbers::sqrt2_v<float>)
                             : value;
        }
      }
    }
  });
  return out;
}

View<float> Decoder::start_streams(Ops& op, View<const float> embedded) const {
  const Index T = embedded.shape()[0];
  auto streams = op.arena().tensor({A, T, D});
  const ArenaScope scratch(op.arena());
  std::ranges::copy(embedded.span(), streams.data());
  const auto target = magnitudes(op, embedded);
  for (Index i = 1; i < A; ++i) {
    op.linear_into(embedded, altup_projections[static_cast<std::size_t>(i - 1)], streams[i], 0);
    match_magnitude(op, streams[i], target);
  }
  return streams;
}

View<float> Decoder::merge_streams(Ops& op, View<const float> streams) const {
  const auto target = magnitudes(op, streams[0]);
  auto sum = op.copy(streams[0]);
  for (Index i = 1; i < A; ++i) {
    auto stream = op.linear(streams[i], altup_unembed_projections[static_cast<std::size_t>(i - 1)]);
    match_magnitude(op, stream, target);
    op.add_to(sum, stream);
  }
  return op.scale(sum, 1.0f / static_cast<float>(A));
}

void Decoder::logits(Ops& op, View<const float> hidden, View<float> logits) const {
  op.linear_into(hidden, lm_head, logits, 0);
  constexpr Index kPiece = 16384;
  op.pool().parallel_for(logits.size(), kPiece, [&](Index begin, Index end) {
    float* piece = logits.data() + begin;
    const auto n = static_cast<std::size_t>(end - begin);
    for (std::size_t i = 0; i < n; ++i) piece[i] /= softcap;
    op.kernels().tanh(piece, piece, n);
    for (std::size_t i = 0; i < n; ++i) piece[i] *= softcap;
  });
}

void bind(TensorBinder& b, Decoder& m, const TextConfig& c) {
  const Index V = c.vocab_size;
  m.D = c.hidden_size;
  m.P = c.hidden_size_per_layer_input;
  m.L = c.num_hidden_layers;
  m.A = c.altup_num_inputs;
  m.first_shared = c.first_kv_shared_layer();
  m.eps = static_cast<float>(c.rms_norm_eps);
  m.softcap = static_cast<float>(c.final_logit_softcapping);
  m.rope_sliding = RotaryEmbedding(c.rope_sliding, c.head_dim, c.max_position_embeddings);
  m.rope_full = RotaryEmbedding(c.rope_full, c.head_dim, c.max_position_embeddings);

  b.tensor("embed_tokens.weight", m.embed_tokens, {V, m.D}, Access::kProduct);
  b.tensor("embed_tokens_per_layer.weight", m.embed_tokens_per_layer,
           {c.vocab_size_per_layer_input, m.L * m.P}, Access::kTable);
  // Slices for single layers have to begin with whole blocks.
  b.tensor("per_layer_model_projection.weight", m.per_layer_model_projection, {m.L * m.P, m.D},
           m.P % static_cast<Index>(kBlockRows) == 0 ? Access::kProduct : Access::kAsStored);
  b.vector("per_layer_projection_norm.weight", m.per_layer_projection_norm, m.P);
  m.altup_projections.resize(static_cast<std::size_t>(m.A - 1));
  m.altup_unembed_projections.resize(static_cast<std::size_t>(m.A - 1));
  for (std::size_t i = 0; i < m.altup_projections.size(); ++i) {
    const std::string index = std::to_string(i);
    b.tensor("altup_projections." + index + ".weight", m.altup_projections[i], {m.D, m.D},
             Access::kProduct);
    b.tensor("altup_unembed_projections." + index + ".weight", m.altup_unembed_projections[i],
             {m.D, m.D}, Access::kProduct);
  }
  if (m.stored_layer.empty()) {  // else of a smaller size, and known
    m.stored_layer.resize(static_cast<std::size_t>(m.L));
    std::iota(m.stored_layer.begin(), m.stored_layer.end(), Index{0});
  }
  m.layers.resize(static_cast<std::size_t>(m.L));
  for (Index i = 0; i < m.L; ++i) m.layers[static_cast<std::size_t>(i)].layer = i;
  b.modules("layers", m.layers, c);
  b.vector("norm.weight", m.norm, m.D);
  if (c.tie_word_embeddings) {
    m.lm_head = m.embed_tokens;
  } else {
    b.top_tensor("lm_head.weight", m.lm_head, {V, m.D}, Access::kProduct);
  }
}

}  // namespace gemma3n
