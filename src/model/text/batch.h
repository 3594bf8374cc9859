// The rows of one pass through the decoder: tokens of any number of sequences, without padding.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/view.h"

namespace gemma3n {

struct BatchRow {
  std::size_t sequence = 0;  // in the cache
  std::int64_t token = 0;    // id; with an embedding of its own, only the per-layer lookup reads it
  Index slot = 0;            // place in the sequence's time line, padding counted: the masks' index
  Index position = 0;        // angle of the rotary embedding
  bool is_wanted = false;    // is the last hidden state of this row asked for?
  const float* embedding = nullptr;        // [D] instead of the table's row; null = lookup
  const float* per_layer_input = nullptr;  // [L, P] instead of the table's rows; null = lookup
  bool has_per_layer_lookup = true;        // false: the projection alone (HF inputs_embeds)
};

// Rows of one sequence stand in the order of their slots.
using Batch = std::vector<BatchRow>;

}  // namespace gemma3n
