// generate(): the generation loop over a real model and its cache.
#include <algorithm>

#include "generation/language_model.h"

namespace gemma3n {
namespace {

std::shared_ptr<Cache> make_cache(const ForCausalLM& model,
                                  const std::vector<std::vector<TokenId>>& prompts,
                                  const GenerationConfig& config) {
  CacheOptions options;
  if (config.cache_implementation == "static") {
    options.implementation = CacheOptions::Implementation::kStatic;
    for (const auto& prompt : prompts) {
      const std::size_t limit =
          length_limit(config, prompt.size(), model.config().max_position_embeddings);
      // The last token is never read.
      options.max_cache_len = std::max(options.max_cache_len, static_cast<std::int64_t>(limit) - 1);
    }
  }
  return model.new_cache(static_cast<std::int64_t>(prompts.size()), options);
}

void check_batch_size(const Cache& cache, std::size_t prompts) {
  if (cache.batch_size() != static_cast<std::int64_t>(prompts)) {
    fail(ErrorCode::kInvalidArgument, "generate: past_key_values: expected ", prompts,
         " sequences, one for each prompt, got ", cache.batch_size());
  }
}

}  // namespace

GenerateOutput generate(const ForCausalLM& model, const std::vector<std::vector<TokenId>>& prompts,
                        const GenerationConfig& config, const Tokenizer* tokenizer,
                        const GenerateOptions& options) {
  const TextConfig& text = model.config();
  const auto vocab_size = static_cast<std::size_t>(text.vocab_size);
  // Before a cache is allocated.
  check_request(prompts, config, vocab_size, text.max_position_embeddings, tokenizer);
  auto cache = options.past_key_values;
  if (!cache) cache = make_cache(model, prompts, config);
  check_batch_size(*cache, prompts.size());

  const LanguageModel language_model = {
      .vocab_size = vocab_size,
      .max_position_embeddings = text.max_position_embeddings,
      .append =
          [&](std::span<const SequenceTokens> batch, std::span<float> logits) {
            append_tokens(*model.impl(), *cache, batch, logits);
          },
      .repeat = [&](std::size_t times) { cache = repeat_sequences(*cache, times); },
      .cached = [&](std::size_t sequence) { return sequence_length(*cache, sequence); },
  };
  GenerateOutput out = run_generation(language_model, prompts, config, tokenizer, options);
  out.past_key_values = cache;
  return out;
}

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return "eos";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  fail(ErrorCode::kInternal, "finish_reason_name: unknown reason ", static_cast<int>(reason));
}

Tensor GenerateOutput::padded(const GenerationConfig& config) const {
  std::size_t longest = 0;
  for (const auto& ids : sequences) longest = std::max(longest, ids.size());
  std::optional<TokenId> pad = config.pad_token_id;
  if (!pad && !config.eos_token_id.empty()) pad = config.eos_token_id.front();

  std::vector<std::int64_t> rows;
  rows.reserve(sequences.size() * longest);
  for (const auto& ids : sequences) {
    if (ids.size() < longest && !pad) {
      fail(ErrorCode::kInvalidArgument,
           "padded: sequences of unequal length need a pad_token_id or eos_token_id");
    }
    rows.insert(rows.end(), ids.begin(), ids.end());
    rows.insert(rows.end(), longest - ids.size(), pad.value_or(0));
  }
  return Tensor::of(
      rows, {static_cast<std::int64_t>(sequences.size()), static_cast<std::int64_t>(longest)});
}

}  // namespace gemma3n
