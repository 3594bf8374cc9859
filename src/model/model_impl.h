// What stands behind the public model classes, and the one call that generation makes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gemma3n/model.h"

namespace gemma3n {

// New tokens of one sequence of a cache.
struct SequenceTokens {
  std::size_t sequence = 0;              // row of the cache
  std::span<const std::int32_t> tokens;  // appended to it, in order
  std::size_t wants_logits = 1;          // of its last n tokens
  // Embeddings [D] of soft tokens, null for other tokens; of the first tokens, or none at all.
  std::span<const float* const> soft_tokens = {};
};

// Appends all tokens to their sequences in one ragged pass, chunked inside as memory asks, and
// writes the soft-capped logits of the last tokens of each sequence that wants them, in order.
//   logits: [sum of wants_logits, V] f32
// Throws: kInvalidArgument for ids outside the vocabulary; kContextFull if a static cache is too
// small; kCorruptData if a logit is not finite. After a throw the cache is as before the call.
void append_tokens(const ModelImpl& model, Cache& cache, std::span<const SequenceTokens> batch,
                   std::span<float> logits);

// A cache in which each sequence of `cache` stands `times` times in a row.
std::shared_ptr<Cache> repeat_sequences(const Cache& cache, std::size_t times);

// Number of tokens a sequence of the cache holds.
std::int64_t sequence_length(const Cache& cache, std::size_t sequence);

// Number of tokens that may still be appended to it.
std::int64_t sequence_room(const Cache& cache, std::size_t sequence);

// Forgets the tokens of a sequence from `length` on. Sliding layers still hold what is needed to go
// on if that is at most 512 tokens less than it ever had; else the sequence may lose all of them.
void rewind_sequence(Cache& cache, std::size_t sequence, std::int64_t length);

}  // namespace gemma3n
