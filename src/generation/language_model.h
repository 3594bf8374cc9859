// What the generation loop needs of a model: little enough for a test to script.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "gemma3n/generation.h"
#include "model/model_impl.h"

namespace gemma3n {

// A model together with the cache of one generation.
struct LanguageModel {
  std::size_t vocab_size = 0;
  std::int64_t max_position_embeddings = 0;
  // As append_tokens of model_impl.h, on the cache behind these functions.
  std::function<void(std::span<const SequenceTokens>, std::span<float> logits)> append;
  // Each sequence of the cache now stands `times` times in a row.
  std::function<void(std::size_t times)> repeat;
  // As sequence_length, sequence_room and rewind_sequence.
  std::function<std::int64_t(std::size_t sequence)> length;
  std::function<std::int64_t(std::size_t sequence)> room;
  std::function<void(std::size_t sequence, std::int64_t length)> rewind;
};

// The most tokens, prompt included, that a sequence may get. Always more than `prompt_length`.
// Throws: kContextFull if the model cannot read such a prompt; kInvalidArgument if max_length
// leaves no room.
std::size_t length_limit(const GenerationConfig& config, std::size_t prompt_length,
                         std::int64_t max_position_embeddings);

// Throws: kInvalidArgument, kContextFull for prompts and options that do not fit the model.
void check_request(const std::vector<std::vector<TokenId>>& prompts, const GenerationConfig& config,
                   std::size_t vocab_size, std::int64_t max_position_embeddings,
                   const Tokenizer* tokenizer);

// generate() over any model; the caches and the assistant of options and output are not touched.
// `assistant` may be null.
// Throws: as generate().
GenerateOutput run_generation(const LanguageModel& model,
                              const std::vector<std::vector<TokenId>>& prompts,
                              const GenerationConfig& config, const Tokenizer* tokenizer,
                              const GenerateOptions& options,
                              const LanguageModel* assistant = nullptr);

}  // namespace gemma3n
