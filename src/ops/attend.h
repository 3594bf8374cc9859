// Softmax attention over keys and values that lie in ring buffers.
#pragma once

#include <span>

#include "ops/ops.h"

namespace gemma3n {

// Keys a query sees: entries [begin, end) of a ring. Entry i stands at slot i % capacity.
struct KeyRange {
  const float* keys = nullptr;    // [K, capacity, E]
  const float* values = nullptr;  // [K, capacity, E]
  Index capacity = 0;             // a multiple of kKeyBlock
  Index begin = 0;
  Index end = 0;  // > begin: a token sees itself
};

inline constexpr Index kKeyBlock = 64;  // keys handled at once

// out[t, h] = sum_j softmax_j(q[t, h] . key_j) value_j, the keys of head h / (H / K); no scaling.
// The softmax runs over blocks of keys at fixed entries (multiples of kKeyBlock), so a query's
// result depends on its own keys only.
//   q: [T, H, E], keys: [T] ranges, K key/value heads.   returns [T, H * E].
// Ref: HF eager_attention_forward with scaling 1.
View<float> attend(Ops& op, View<const float> q, std::span<const KeyRange> keys, Index K);

}  // namespace gemma3n
