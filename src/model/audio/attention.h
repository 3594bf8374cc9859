// Self-attention of a conformer block: each frame sees a few frames around it, with sinusoids of
// the distance and a cap on the logits.
#pragma once

#include <span>

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "ops/ops.h"

namespace gemma3n {

// Distances from a query back to its keys, from the farthest in the past to the farthest in the
// future: past, past - 1, ..., -future.
struct AttentionSpan {
  Index past = 0, future = 0;  // frames beside the query's own

  Index size() const { return past + 1 + future; }
};

struct RelativePositionEmbedding {
  Weight pos_proj;  // [D, D]

  // What a query meets at each distance.   returns [span.size(), D], row i for past - i.
  // Ref: HF Gemma3nAudioRelativePositionEmbedding
  View<float> forward(Ops& op, AttentionSpan span) const;
};

struct AudioAttention {
  RelativePositionEmbedding relative_position_embedding;
  Vector per_dim_scale;           // [E]
  Weight q_proj, k_proj, v_proj;  // [D, D]
  Index H = 0;                    // heads
  AttentionSpan span;
  float logit_cap = 50.0f;

  // softmax(cap tanh((q k + q r) / cap)) v over the rows whose times are within the span.
  //   x: [T, D]    times: [T] ascending, where each row stands in the clip    returns [T, D]
  // Ref: HF Gemma3nAudioAttention.forward
  // Differs: HF works in chunks, of which a mask leaves exactly these keys; the chunk's size
  // changes nothing.
  View<float> forward(Ops& op, View<const float> x, std::span<const Index> times) const;

 private:
  // q / (sqrt(E) ln 2) * softplus(per_dim_scale), in place.
  void scale_queries(Ops& op, View<float> q) const;
};

struct ConformerAttention {
  Vector pre_attn_norm;  // [D]
  AudioAttention attn;
  Weight post;       // [D, D]
  Vector post_norm;  // [D]
  float clipping = 0.0f;

  // x += norm(clamp(post(attn(norm(clamp(x)))))), in place.   x: [T, D]
  // Ref: HF Gemma3nAudioConformerAttention.forward
  void forward(Ops& op, View<float> x, std::span<const Index> times) const;
};

void bind(TensorBinder& b, RelativePositionEmbedding& m, const AudioConfig& c);
void bind(TensorBinder& b, AudioAttention& m, const AudioConfig& c);
void bind(TensorBinder& b, ConformerAttention& m, const AudioConfig& c);

}  // namespace gemma3n
