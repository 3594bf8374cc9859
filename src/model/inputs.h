// From the padded tensors of the public API to the ragged rows of the decoder.
#pragma once

#include <vector>

#include "gemma3n/model.h"
#include "model/text/batch.h"
#include "model/text/kv_cache.h"

namespace gemma3n {

// Where the result of a batch row belongs in [B, T] tensors.
struct RowOrigin {
  Index b = 0, t = 0;
};

struct PreparedInputs {
  Index B = 0, T = 0;
  Batch rows;                      // padding left out
  std::vector<RowOrigin> origins;  // of each row
  std::size_t sequences = 0;       // of a cache that fits; more than B for packed rows
  std::vector<Index> next_slots;   // of each row of the batch after this call, padding included
};

// `past` may be null. Reads nothing of inputs.past_key_values.
// Throws: kInvalidArgument, kUnsupported, naming the argument.
PreparedInputs prepare_inputs(const TextInputs& inputs, const TextConfig& config,
                              const KvCache* past);

}  // namespace gemma3n
