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
  std::optional<std::int64_t> max_new_tokens;  // >= 1; wins over max_length; 20 if neither is set
  std::optional<std::int64_t> max_length;      // prompt included; longer than every prompt
  std::int64_t min_new_tokens = 0;             // wins over min_length if above 0
  std::int64_t min_length = 0;                 // prompt included
  bool do_sample = false;           // false: the most probable token; the next five have no effect
  double temperature = 1.0;         // > 0
  std::int64_t top_k = 50;          // 0 = off
  double top_p = 1.0;               // [0, 1]; 1 = off
  double min_p = 0.0;               // [0, 1]; 0 = off
  double typical_p = 1.0;           // (0, 1]; 1 = off
  double repetition_penalty = 1.0;  // > 0; 1 = off
  std::int64_t no_repeat_ngram_size = 0;  // 0 = off
  std::vector<std::vector<TokenId>> bad_words_ids;
  std::vector<std::string> stop_strings;  // UTF-8, not empty; needs a tokenizer
  std::vector<TokenId> eos_token_id;      // any of them ends a sequence
  std::optional<TokenId> pad_token_id, bos_token_id;
  std::int64_t num_return_sequences = 1;  // per prompt; > 1 needs do_sample
  std::uint64_t seed = 0;                 // same seed, prompt and options: same output anywhere
  std::string cache_implementation = "dynamic";  // "dynamic", "static" ("hybrid" means dynamic)
  // Not in transformers, but see its cache_implementation "quantized".
  CacheStorage cache_storage = CacheStorage::kF32;
  std::int64_t prefill_chunk_size = 0;  // tokens per sequence and pass; 0 = whole prompt
  // The next three only matter with GenerateOptions::assistant_model.
  // Differs: HF has 20 and "constant", and its "heuristic" goes beyond num_assistant_tokens.
  std::int64_t num_assistant_tokens = 3;  // proposed at a time, at most; 1 to 256
  // "constant", or "heuristic": two more at a time after all were accepted, one fewer after others.
  // ("heuristic_transient" is the same here.)
  std::string num_assistant_tokens_schedule = "heuristic";
  double assistant_confidence_threshold = 0.4;  // [0, 1]; a token less probable ends the draft
  bool output_scores = false;                   // processed scores of each step
  bool output_logits = false;                   // raw logits of each step

  // generation_config.json if there is one, else the defaults with the token ids of config.json.
  // Throws: kNotFound if both files are missing; as from_json, naming the file.
  static GenerationConfig from_pretrained(const std::filesystem::path& model_dir);
  // The same with other defaults for what the file does not say; their token ids do not count
  // where config.json is read.
  static GenerationConfig from_pretrained(const std::filesystem::path& model_dir,
                                          const GenerationConfig& defaults);
  // Keys this library does not know are ignored, null is the default. `seed` is no key of the file.
  // Throws: kCorruptData (not JSON, a key twice), kInvalidArgument (a value), kUnsupported for an
  // option of transformers that would change the output here (num_beams > 1, penalty_alpha,
  // guidance_scale, suppress_tokens, ...), naming the key.
  static GenerationConfig from_json(std::string_view json);
  std::string to_json() const;  // from_json gives the same back, but for the seed
  // Throws: kInvalidArgument naming the option, its value and the range; kUnsupported for another
  // cache_implementation.
  void validate() const;
};

enum class FinishReason { kEos, kStopString, kLength, kCancelled, kStoppingCriteria };
// "eos", "stop_string", "length", "cancelled", "stopping_criteria"
std::string_view finish_reason_name(FinishReason reason);

// What happened at one step of one sequence.
struct GenerationStep {
  std::size_t sequence = 0;  // row of the output
  TokenId token = 0;
  std::string_view text;  // what the tokenizer can already say for certain; may be empty
};

struct GenerateOptions {
  // Called for each new token, on the calling thread: step by step, and in each step sequence by
  // sequence. Return false to cancel everything.
  std::function<bool(const GenerationStep&)> on_token = {};
  // Called with each piece of a sequence's text that is not empty, after on_token and with what is
  // left at the end; all pieces together are GenerateOutput::text. Needs a tokenizer. Return false
  // to cancel everything and hear no more.
  std::function<bool(std::size_t sequence, std::string_view text)> on_text = {};
  // Called during prefill with the share of the prompts done, 0 to 1. Return false to cancel.
  // Prompts are then read in chunks of 256 tokens unless prefill_chunk_size says otherwise.
  std::function<bool(double)> on_prefill = {};
  // Called while pictures and sounds are encoded, with the share done, 0 to 1. Return false to
  // cancel.
  std::function<bool(double)> on_encode = {};
  // Called with all ids so far and the logits [V]; may change the logits. Runs after the built-in
  // processors, before temperature, as in transformers.
  std::vector<std::function<void(std::span<const TokenId>, std::span<float>)>> logits_processors =
      {};
  // The same once a step for all sequences together, after those above: `sequences` are all ids so
  // far, scores: [B * num_return_sequences, V]. Rows of finished sequences are 0 and without
  // effect.
  std::function<void(std::span<const std::vector<TokenId>> sequences, Tensor& scores)>
      batch_logits_processor = {};
  // Called once a step with all ids so far, the new ones included, and with the scores of all steps
  // if output_scores. Sets stop[i] to end sequence i; it is false for all at first.
  std::function<void(std::span<const std::vector<TokenId>> sequences,
                     std::span<const Tensor> scores, std::vector<bool>& stop)>
      stopping_criteria = {};
  // Continue this cache: sequence i holds a prefix of prompts[i] (the caller vouches for the ids),
  // at most all but its last token. Extended in place, also by a call that fails; see
  // GenerateOutput::past_key_values.
  std::shared_ptr<Cache> past_key_values = {};
  // Answer with this part of the model, as model.sliced(*size) would. past_key_values is then the
  // cache of an answer of the same size.
  std::optional<MatFormerConfig> size = {};
  // The same with a size for each prompt: each gets what it would get alone, and those of one size
  // share its passes. Without past_key_values, before and after.
  std::vector<MatFormerConfig> sizes = {};
  // Assisted generation: a smaller model of the same vocabulary proposes tokens, and the model
  // reads several of them in the time of one and keeps those that it would have said itself.
  // Everything else is as without: callbacks come step by step, of a batch a sequence that is ahead
  // waits, and logits_processors do not see the assistant's scores. Greedy tokens are the same;
  // sampled ones are others of the same distribution.
  // Ref: Y. Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", 2023;
  // HF GenerationMixin._assisted_decoding. Differs: HF takes one prompt only.
  std::optional<ForCausalLM> assistant_model = {};
  // As past_key_values, for the assistant. It may hold less, and be absent: what the assistant has
  // not read of the prompts, it reads.
  std::shared_ptr<Cache> assistant_past_key_values = {};
};

// Rows: the sequences of the first prompt, then those of the second, ...
struct GenerateOutput {
  std::vector<std::vector<TokenId>> sequences;  // [B * num_return_sequences] prompt + new, unpadded
  std::vector<std::vector<TokenId>> new_tokens;  // the new ones alone, end token included
  std::vector<std::string> text;  // of the new tokens, without special tokens and stop string
  std::vector<FinishReason> finish_reasons;
  // One [B * num_return_sequences, V] f32 per step, if asked for.
  // Differs: rows of finished sequences are 0; HF goes on computing them from padding.
  std::vector<Tensor> scores, logits;
  // Holds all tokens of each sequence but its last; after a cancelled prefill or encoding, what was
  // read of the prompts. The cache that was given, unless num_return_sequences > 1.
  std::shared_ptr<Cache> past_key_values;
  // Holds a prefix of each sequence, all but its last tokens; null without an assistant.
  std::shared_ptr<Cache> assistant_past_key_values;
  std::size_t prompt_tokens = 0;     // of the B prompts
  std::size_t cached_tokens = 0;     // of these, the ones past_key_values already held
  std::size_t generated_tokens = 0;  // new tokens of all sequences
  // With an assistant: how often a sequence got a draft, the tokens in them, and those accepted. A
  // draft and its verification give 1 + accepted_tokens / draft_rounds tokens on average.
  std::size_t draft_rounds = 0, drafted_tokens = 0, accepted_tokens = 0;
  double encode_seconds = 0;  // of pictures and sounds; this and the next two are wall clock
  double prefill_seconds = 0, decode_seconds = 0;

  // [B * num_return_sequences, longest] i64, right-padded with pad_token_id (or the first end
  // token). Differs: HF also pads prompts of unequal length, on the left. Throws: kInvalidArgument
  // if there is something to pad and no token to pad with.
  Tensor padded(const GenerationConfig& config) const;
};

// Continues each prompt token by token until an end token, a stop string, the greatest length or
// max_position_embeddings.
//
// prompts: B lists of ids, none empty; unpadded (the batch is ragged, so there is no padding side).
// `tokenizer` may be null if no stop strings and no text are wanted.
//
// Several turns of a conversation: pass past_key_values of the last output and, as prompt, its
// sequences[0] and what follows. Only the new tokens are computed.
//
// Sampling draws from the same distribution as transformers, with random numbers of its own: they
// depend on seed, the position in the sequence and, for equal prompts (or num_return_sequences), on
// which of them it is; not on the other prompts, threads or machine. A generation that was stopped
// and continued gives the same tokens as one in one go, unless an assistant proposed them.
//
// Ref: HF GenerationMixin.generate, same order of processors; greedy output is identical.
// Differs: lengths count a sequence's own tokens, not the padded batch's; a sequence ends when the
// model has read max_position_embeddings tokens, where HF goes on.
// Throws: kInvalidArgument (no or an empty prompt, ids outside the vocabulary, options, a cache or
// an assistant that does not fit, every token forbidden), kContextFull (prompt longer than
// max_position_embeddings, or than a given static cache), kUnsupported (another
// cache_implementation), kCorruptData (logits that are not finite).
GenerateOutput generate(const ForCausalLM& model, const std::vector<std::vector<TokenId>>& prompts,
                        const GenerationConfig& config, const Tokenizer* tokenizer = nullptr,
                        const GenerateOptions& options = {});

// The same with pictures and sounds, which take the places of image_token_id and audio_token_id of
// all prompts in order. With past_key_values, too, `media` are those of the whole prompts: what was
// encoded before is found again.
// An assistant reads the same soft tokens, so its hidden_size must be the model's.
// Throws: also kInvalidArgument if placeholders and soft tokens differ in number.
GenerateOutput generate(const ForConditionalGeneration& model,
                        const std::vector<std::vector<TokenId>>& prompts, const MediaInputs& media,
                        const GenerationConfig& config, const Tokenizer* tokenizer = nullptr,
                        const GenerateOptions& options = {});

}  // namespace gemma3n
