// The text model: embeddings, per-layer inputs, AltUp streams, layers, merge, vocabulary head.
#pragma once

#include <vector>

#include "gemma3n/matformer.h"
#include "model/text/decoder_layer.h"

namespace gemma3n {

// Results of one pass. Views live in the arena of the caller's scope.
struct DecoderOutput {
  View<float> hidden;               // [wanted rows, D] after the final norm
  std::vector<View<float>> states;  // L + 1 of [A, T, D] if all layers' states were asked for
};

struct Decoder {
  Weight embed_tokens;                            // [V, D]
  Weight embed_tokens_per_layer;                  // [Vp, stored layers * P]
  Weight per_layer_model_projection;              // [stored layers * P, D]
  std::vector<Index> stored_layer;                // [L] whose part of these two is layer i's
  Vector per_layer_projection_norm;               // [P]
  std::vector<Weight> altup_projections;          // A - 1 of [D, D]
  std::vector<Weight> altup_unembed_projections;  // A - 1 of [D, D]
  std::vector<DecoderLayer> layers;               // [L]
  Vector norm;                                    // [D]
  Weight lm_head;                                 // [V, D]; embed_tokens if they are tied
  RotaryEmbedding rope_sliding, rope_full;
  Index D = 0, P = 0, L = 0, A = 0;
  Index first_shared = 0;  // layers from here on only matter to wanted rows
  float eps = 1e-6f;
  float softcap = 30.0f;

  // Runs the rows of a batch, appending them to the cache. Layers that own no keys run for the
  // wanted rows only, unless `with_states`: then every layer runs for every row.
  // Ref: HF Gemma3nTextModel.forward
  // Throws: kContextFull if a static cache is too small (the cache is then as before).
  DecoderOutput forward(Ops& op, const Batch& batch, KvCache& cache,
                        bool with_states = false) const;

  // cap * tanh(hidden E^T / cap), in place in `logits`.   hidden: [n, D], logits: [n, V]
  // Ref: HF Gemma3nForCausalLM.forward
  void logits(Ops& op, View<const float> hidden, View<float> logits) const;

  // Rows of the per-layer table, scaled; ids outside the table take row 0.   returns [T, L * P].
  // Ref: HF Gemma3nTextModel.get_per_layer_inputs
  View<float> per_layer_lookup(Ops& op, std::span<const Index> ids) const;

  // Rows of the embedding table, scaled.   returns [T, D].
  View<float> embed(Ops& op, std::span<const Index> ids) const;

  // (norm(W e / sqrt(D)) + lookup) / sqrt(2) of layers [first, last); without a lookup the first
  // term alone.   embedded: [T, D], returns [last - first, T, P]. Ref: HF
  // Gemma3nTextModel.project_per_layer_inputs
  View<float> per_layer_inputs(Ops& op, std::span<const BatchRow> rows, View<const float> embedded,
                               Index first, Index last) const;

  // Stream 0 is the embedding; the others are its projections, made as long as it is.
  //   embedded: [T, D], returns [A, T, D].
  View<float> start_streams(Ops& op, View<const float> embedded) const;

  // The mean of stream 0 and the projections of the others, made as long as stream 0.
  //   streams: [A, T, D], returns [T, D].
  View<float> merge_streams(Ops& op, View<const float> streams) const;

 private:
  View<float> embeddings(Ops& op, const Batch& batch) const;
  View<float> per_layer_projections(Ops& op, View<const float> embedded, Index first,
                                    Index last) const;
};

void bind(TensorBinder& b, Decoder& m, const TextConfig& c);

// The decoder of a smaller size. Its matrices are parts of those of `whole`, which must live as
// long; vectors are copied.   c: of `whole`; is_prepared: whether its matrices lie as they are read
// (prepare.h), or as in a checkpoint.
// Throws: as MatFormerConfig::sliced.
Decoder sliced(const Decoder& whole, const TextConfig& c, const MatFormerConfig& size,
               bool is_prepared);

}  // namespace gemma3n
