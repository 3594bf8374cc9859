// From a tower's width to the text model's: soft tokens of pictures and sounds, and the few hard
// token ids of each kind of medium.
#pragma once

#include <span>

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

struct MultimodalEmbedder {
  Weight embedding;             // [V, H], of the ids vocab_offset, vocab_offset + 1, ...
  Vector hard_embedding_norm;   // [H]
  Vector soft_embedding_norm;   // [H]
  Weight embedding_projection;  // [D, H]; normed afterwards, without a weight
  Index vocab_offset = 0;
  float eps = 1e-6f;

  // norm(project(soft_embedding_norm(x))).   x: [T, H], returns [T, D].
  // Ref: HF Gemma3nMultimodalEmbedder.forward with inputs_embeds
  View<float> soft(Ops& op, View<const float> x) const;

  // norm(project(hard_embedding_norm(embedding[ids - vocab_offset]))).   returns [T, D].
  // Ref: HF Gemma3nMultimodalEmbedder.forward with input_ids
  // Throws: kInvalidArgument for an id outside of the table.
  View<float> hard(Ops& op, std::span<const Index> ids) const;

 private:
  View<float> project(Ops& op, View<const float> normed) const;
};

// What an embedder needs to know of a medium's config and of the text model's.
struct MultimodalEmbedderConfig {
  Index hidden_size = 0;  // H
  Index vocab_size = 0;   // V
  Index vocab_offset = 0;
  double rms_norm_eps = 1e-6;
  Index text_hidden_size = 0;  // D

  // media: a VisionConfig or an AudioConfig.
  template <typename MediaConfig>
  static MultimodalEmbedderConfig of(const MediaConfig& media, Index text_hidden_size) {
    return {media.hidden_size, media.vocab_size, media.vocab_offset, media.rms_norm_eps,
            text_hidden_size};
  }
};

void bind(TensorBinder& b, MultimodalEmbedder& m, const MultimodalEmbedderConfig& c);

}  // namespace gemma3n
