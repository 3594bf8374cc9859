// Text generation: from prompt ids to new ids, token by token.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/model.h"
#include "gemma3n/tokenizer.h"

namespace gemma3n {

// Names, defaults and meaning as in transformers' GenerationConfig.
struct GenerationConfig {
  std::optional<std::int64_t> max_new_tokens;  // wins over max_length; 20 if neither is set
  std::optional<std::int64_t> max_length;      // prompt included
  std::int64_t min_new_tokens = 0;
  std::int64_t min_length = 0;  // prompt included
  bool do_sample = false;
  float temperature = 1.0f;               // > 0
  std::int64_t top_k = 50;                // 0 = off
  float top_p = 1.0f;                     // (0, 1]
  float min_p = 0.0f;                     // [0, 1]; 0 = off
  float typical_p = 1.0f;                 // (0, 1]; 1 = off
  float repetition_penalty = 1.0f;        // > 0
  std::int64_t no_repeat_ngram_size = 0;  // 0 = off
  std::vector<std::vector<TokenId>> bad_words_ids;
  std::vector<std::string> stop_strings;  // needs a tokenizer
  std::vector<TokenId> eos_token_id;
  std::optional<TokenId> pad_token_id, bos_token_id;
  std::int64_t num_return_sequences = 1;  // > 1 needs do_sample
  std::uint64_t seed = 0;                 // same seed, prompt and options: same output anywhere
  std::string cache_implementation = "dynamic";  // "dynamic", "static" ("hybrid" means dynamic)
  std::int64_t prefill_chunk_size = 0;           // 0 = whole prompt
  bool output_scores = false;                    // processed scores of each step
  bool output_logits = false;                    // raw logits of each step

  // generation_config.json if there is one, else the defaults with the token ids of config.json.
  // Keys this library does not know are ignored.
  // Throws: kCorruptData, kInvalidArgument, kUnsupported (num_beams > 1), naming file and key.
  static GenerationConfig from_pretrained(const std::filesystem::path& model_dir);
  static GenerationConfig from_json(std::string_view json);
  std::string to_json() const;
  void validate() const;  // Throws: kInvalidArgument naming the option, its value and the range.
};

enum class FinishReason { kEos, kStopString, kLength, kCancelled };
std::string_view finish_reason_name(
    FinishReason reason);  // "eos", "stop_string", "length", "cancelled"

// What happened at one step of one sequence.
struct GenerationStep {
  std::size_t sequence = 0;  // row of the output
  TokenId token = 0;
  std::string_view text;  // what the tokenizer can already say for certain; may be empty
};

struct GenerateOptions {
  // Called for each new token, in order, on the calling thread. Return false to cancel everything.
  std::function<bool(const GenerationStep&)> on_token;
  // Called during prefill with the share of the prompt done, 0 to 1. Return false to cancel.
  std::function<bool(double)> on_prefill;
  // Called with all ids so far and the logits [V]; may change the logits. Runs after the built-in
  // processors, before temperature, as in transformers.
  std::vector<std::function<void(std::span<const TokenId>, std::span<float>)>> logits_processors;
  // Continue these caches: they hold a prefix of each prompt. Left holding all but the last token.
  std::shared_ptr<Cache> past_key_values;
};

struct GenerateOutput {
  std::vector<std::vector<TokenId>> sequences;  // [B * num_return_sequences] prompt + new, unpadded
  std::vector<std::vector<TokenId>> new_tokens;  // the new ones alone, end token included
  std::vector<std::string> text;  // of the new tokens, without special tokens and stop string
  std::vector<FinishReason> finish_reasons;
  std::vector<Tensor> scores, logits;  // one [B, V] f32 per step, if asked for
  std::shared_ptr<Cache> past_key_values;
  std::size_t prompt_tokens = 0, generated_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0;  // wall clock

  // [B, longest] i64, right-padded with pad_token_id (or the first end token), as HF returns.
  Tensor padded(const GenerationConfig& config) const;
};

// prompts: B lists of ids, none empty; unpadded (the batch is ragged, so there is no padding side).
// `tokenizer` may be null if no stop strings and no text are wanted.
// Ref: HF GenerationMixin.generate, same order of processors; greedy output is identical.
// Throws: kInvalidArgument (empty prompt, ids outside the vocabulary, options), kContextFull
// (prompt longer than max_position_embeddings), kCorruptData (logits that are not finite).
GenerateOutput generate(const ForCausalLM& model, const std::vector<std::vector<TokenId>>& prompts,
                        const GenerationConfig& config, const Tokenizer* tokenizer = nullptr,
                        const GenerateOptions& options = {});

}  // namespace gemma3n
