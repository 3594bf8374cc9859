#include "model/multimodal_embedder.h"

namespace gemma3n {

View<float> MultimodalEmbedder::soft(Ops& op, View<const float> x) const {
  return project(op, op.rms_norm(x, soft_embedding_norm, eps));
}

View<float> MultimodalEmbedder::hard(Ops& op, std::span<const Index> ids) const {
  const auto rows = op.arena().array<Index>(ids.size());
  for (std::size_t t = 0; t < ids.size(); ++t) {
    rows[t] = ids[t] - vocab_offset;
    if (rows[t] < 0 || rows[t] >= embedding.shape[0]) {
      fail(ErrorCode::kInvalidArgument, "token id ", ids[t], ": expected ", vocab_offset, " to ",
           vocab_offset + embedding.shape[0] - 1, " in this medium's vocabulary");
    }
  }
  return project(op, op.rms_norm(op.lookup(embedding, rows, 1.0f), hard_embedding_norm, eps));
}

View<float> MultimodalEmbedder::project(Ops& op, View<const float> normed) const {
  return op.rms_norm(op.linear(normed, embedding_projection), Vector{}, eps);
}

void bind(TensorBinder& b, MultimodalEmbedder& m, const MultimodalEmbedderConfig& c) {
  const Index H = c.hidden_size;
  b.tensor("embedding.weight", m.embedding, {c.vocab_size, H});
  b.vector("hard_embedding_norm.weight", m.hard_embedding_norm, H);
  b.vector("soft_embedding_norm.weight", m.soft_embedding_norm, H);
  b.tensor("embedding_projection.weight", m.embedding_projection, {c.text_hidden_size, H},
           Access::kTower);
  m.vocab_offset = c.vocab_offset;
  m.eps = static_cast<float>(c.rms_norm_eps);
}

}  // namespace gemma3n
