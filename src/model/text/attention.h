// Self-attention of a decoder layer: sliding or full, with keys and values of its own or shared.
#pragma once

#include "checkpoint/binder.h"
#include "gemma3n/config.h"
#include "model/text/batch.h"
#include "model/text/kv_cache.h"
#include "model/text/rope.h"
#include "ops/ops.h"

namespace gemma3n {

// What attention needs to know about the rows of a pass. The same for all layers.
struct AttentionContext {
  std::span<const BatchRow> rows;  // [T]
  std::span<const Index> entries;  // [T] place of each row in its sequence's cache
  RotaryTables sliding, full;      // angles of the two attention types
  KvCache* cache = nullptr;
};

struct Attention {
  Weight q_proj;                          // [H * E, D]
  Weight k_proj, v_proj;                  // [K * E, D]; absent in layers that share keys and values
  Weight o_proj;                          // [D, H * E]
  Vector q_bias, k_bias, v_bias, o_bias;  // with attention_bias only
  Vector q_norm, k_norm;                  // [E]; values are normed without a weight
  Index layer = 0;
  bool is_sliding = false;
  bool owns_keys = true;
  Index H = 0, K = 0, E = 0;
  float eps = 1e-6f;

  // softmax(norm(q) norm(k)^T) norm(v), no scaling of the product. Appends keys and values of the
  // rows to the cache first, if this layer owns its keys.   x: [T, D], returns [T, D].
  // Ref: HF Gemma3nTextAttention.forward
  View<float> forward(Ops& op, View<const float> x, const AttentionContext& context) const;

 private:
  // Appends k and v, products of the rows without norm and rotation, to the cache.
  void store_keys(Ops& op, View<float> k, View<float> v, const AttentionContext& context) const;
};

void bind(TensorBinder& b, Attention& m, const TextConfig& c);  // m.layer is set before

}  // namespace gemma3n
