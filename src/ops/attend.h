// Softmax attention over keys and values that lie in pages.
#pragma once

#include <span>

#include "ops/kv_page.h"
#include "ops/ops.h"

namespace gemma3n {

// Keys a query sees: entries [begin, end). Entry i stands in page i / kPageEntries % page_count.
struct KeyRange {
  const KvPage* pages = nullptr;
  Index page_count = 0;
  Index begin = 0;
  Index end = 0;  // > begin: a token sees itself
};

inline constexpr Index kKeyBlock = 64;  // keys handled at once

// out[t, h] = sum_j softmax_j(q[t, h] . key_j) value_j, the keys of head h / (H / K); no scaling.
// The softmax runs over blocks of keys at fixed entries (multiples of kKeyBlock) within each page;
// the results of pages are then put together in their order. So a query's result depends on its own
// keys only, and pages can be worked on side by side.
//   q: [T, H, E], keys: [T] ranges.   returns [T, H * E].
// Ref: HF eager_attention_forward with scaling 1.
View<float> attend(Ops& op, View<const float> q, std::span<const KeyRange> keys,
                   const KvLayout& layout);

}  // namespace gemma3n
