// The options of `run` and `chat` that say how text is generated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/generation.h"
#include "options.h"

namespace gemma3n::cli {

// What the command line says; what it does not say comes from the checkpoint.
struct GenerationOptions {
  std::optional<std::int64_t> max_new_tokens, max_length, min_new_tokens, min_length;
  bool sample = false, greedy = false;
  std::optional<float> temperature, top_p, min_p, typical_p, repetition_penalty;
  std::optional<std::int64_t> top_k, no_repeat_ngram_size, num_return_sequences;
  std::optional<std::uint64_t> seed;
  std::vector<std::string> bad_words, stop_strings;
  std::vector<std::int64_t> eos_token_id;
  std::optional<std::int64_t> pad_token_id;
  std::optional<std::string> cache_implementation, kv_cache;
  std::optional<std::int64_t> prefill_chunk_size;
};

void declare_generation_options(Options& options, GenerationOptions& slots);
// For a single answer: how many of them.
void declare_num_return_sequences(Options& options, GenerationOptions& slots);

// `defaults` is the checkpoint's own configuration. A sampling option switches sampling on unless
// --greedy is given; without --seed a sampled answer gets a fresh one.
// Throws: kInvalidArgument naming the option (GenerationConfig::validate).
GenerationConfig generation_config(const GenerationOptions& given, GenerationConfig defaults,
                                   const Tokenizer& tokenizer);

}  // namespace gemma3n::cli
