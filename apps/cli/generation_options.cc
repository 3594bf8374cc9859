#include "generation_options.h"

#include <limits>
#include <random>

#include "loading.h"

namespace gemma3n::cli {
namespace {

// Long enough for an essay, short enough that a model that never stops does.
constexpr std::int64_t kDefaultMaxNewTokens = 2048;

// Pieces of this size let Ctrl-C and the progress line act during a long prompt. The result does
// not depend on it.
constexpr std::int64_t kDefaultPrefillChunk = 512;

template <typename Value, typename Slot>
void set_if_given(const std::optional<Value>& given, Slot& slot) {
  if (given) slot = *given;
}

TokenId token_id(std::int64_t id, const char* option) {
  if (id < 0 || id > std::numeric_limits<TokenId>::max()) {
    fail(ErrorCode::kInvalidArgument, option, ": ", id, " is not a token id");
  }
  return static_cast<TokenId>(id);
}

void apply_lengths(const GenerationOptions& given, GenerationConfig& config) {
  // A limit from the command line replaces both limits of the checkpoint.
  if (given.max_new_tokens || given.max_length) {
    config.max_new_tokens = given.max_new_tokens;
    config.max_length = given.max_length;
  } else if (!config.max_new_tokens && !config.max_length) {
    config.max_new_tokens = kDefaultMaxNewTokens;
  }
  set_if_given(given.min_new_tokens, config.min_new_tokens);
  set_if_given(given.min_length, config.min_length);
}

void apply_sampling(const GenerationOptions& given, GenerationConfig& config) {
  if (given.sample && given.greedy) {
    fail(ErrorCode::kInvalidArgument, "--sample and --greedy exclude each other");
  }
  const bool has_sampling_option =
      given.temperature || given.top_k || given.top_p || given.min_p || given.typical_p;
  if (given.greedy) config.do_sample = false;
  if (given.sample || (has_sampling_option && !given.greedy)) config.do_sample = true;
  set_if_given(given.temperature, config.temperature);
  set_if_given(given.top_k, config.top_k);
  set_if_given(given.top_p, config.top_p);
  set_if_given(given.min_p, config.min_p);
  set_if_given(given.typical_p, config.typical_p);
  set_if_given(given.num_return_sequences, config.num_return_sequences);
  if (given.seed) {
    config.seed = *given.seed;
  } else if (config.do_sample) {
    config.seed = std::random_device{}();
  }
}

constexpr const char* kSamplingHeading =
    "Sampling (values not given come from the checkpoint's generation_config.json)";

}  // namespace

void declare_generation_options(Options& options, GenerationOptions& slots) {
  options.heading("Length");
  options.add("--max-tokens,--max-new-tokens", "N", slots.max_new_tokens,
              "stop after N new tokens (the checkpoint's limit, or 2048)");
  options.add("--max-length", "N", slots.max_length, "stop when prompt and answer have N tokens");
  options.add("--min-tokens,--min-new-tokens", "N", slots.min_new_tokens,
              "do not end before N new tokens");
  options.add("--min-length", "N", slots.min_length,
              "do not end before prompt and answer have N tokens");
  options.add("--stop", "TEXT", slots.stop_strings,
              "stop where the answer says TEXT; may be given several times");
  options.add("--eos-token-id", "ID,...", slots.eos_token_id, "ids of tokens that end the answer");
  options.add("--pad-token-id", "ID", slots.pad_token_id, "id of the token that fills up batches");

  options.heading(kSamplingHeading);
  options.flag("--sample", slots.sample, "draw each token at random; implied by the next five");
  options.flag("--greedy", slots.greedy, "always take the most likely token");
  options.add("--temperature", "X", slots.temperature, "> 0; below 1 is safer, above 1 is wilder");
  options.add("--top-k", "N", slots.top_k, "draw from the N most likely tokens; 0 = all");
  options.add("--top-p", "X", slots.top_p,
              "draw from the likeliest that together have probability X; 1 = all");
  options.add("--min-p", "X", slots.min_p,
              "leave out what is less likely than X times the likeliest; 0 = none");
  options.add("--typical-p", "X", slots.typical_p,
              "draw from the most typical that have probability X; 1 = all");
  options.add("--repetition-penalty", "X", slots.repetition_penalty,
              "> 1 makes tokens that have been used less likely; 1 = off");
  options.add("--no-repeat-ngram-size", "N", slots.no_repeat_ngram_size,
              "never say the same N tokens twice; 0 = off");
  options.add("--bad-word", "TEXT", slots.bad_words,
              "never say TEXT, token for token; may be given several times");
  options.add("--seed", "N", slots.seed,
              "same seed, prompt and options: same answer; fresh if not given");

  options.heading("Engine");
  options.add("--cache-implementation", "KIND", slots.cache_implementation,
              "dynamic: memory grows with the text; static: all at once");
  declare_kv_cache(options, slots.kv_cache);
  options.add("--prefill-chunk-size", "N", slots.prefill_chunk_size,
              "read the prompt in pieces of N tokens; 0 = at once (512)");
}

void declare_num_return_sequences(Options& options, GenerationOptions& slots) {
  options.heading(kSamplingHeading);
  options.add("--num-return-sequences", "N", slots.num_return_sequences,
              "give N answers, one after the other; needs sampling");
}

GenerationConfig generation_config(const GenerationOptions& given, GenerationConfig defaults,
                                   const Tokenizer& tokenizer) {
  GenerationConfig config = std::move(defaults);
  config.prefill_chunk_size = given.prefill_chunk_size.value_or(kDefaultPrefillChunk);
  apply_lengths(given, config);
  apply_sampling(given, config);
  set_if_given(given.repetition_penalty, config.repetition_penalty);
  set_if_given(given.no_repeat_ngram_size, config.no_repeat_ngram_size);
  set_if_given(given.cache_implementation, config.cache_implementation);
  if (given.kv_cache) config.cache_storage = kv_cache(given.kv_cache);
  if (given.pad_token_id) config.pad_token_id = token_id(*given.pad_token_id, "--pad-token-id");
  if (!given.eos_token_id.empty()) {
    config.eos_token_id.clear();
    for (const auto id : given.eos_token_id) {
      config.eos_token_id.push_back(token_id(id, "--eos-token-id"));
    }
  }
  for (const auto& word : given.bad_words) {
    config.bad_words_ids.push_back(tokenizer.encode(word, false));
  }
  config.stop_strings.insert(config.stop_strings.end(), given.stop_strings.begin(),
                             given.stop_strings.end());
  config.validate();
  return config;
}

}  // namespace gemma3n::cli
