// generate(): the generation loop over a real model and its cache.
#include <algorithm>
#include <chrono>

#include "generation/language_model.h"
#include "model/multimodal.h"

namespace gemma3n {
namespace {

std::shared_ptr<Cache> make_cache(const ForCausalLM& model,
                                  const std::vector<std::vector<TokenId>>& prompts,
                                  const GenerationConfig& config) {
  CacheOptions options;
  options.storage = config.cache_storage;
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

// For each prompt, the soft token at each of its places, or null.
using SoftTokenPlaces = std::vector<std::vector<const float*>>;

SoftTokenPlaces place_media(const Config& config, const std::vector<std::vector<TokenId>>& prompts,
                            const EncodedMedia& media) {
  std::vector<std::int64_t> ids;
  for (const auto& prompt : prompts) ids.insert(ids.end(), prompt.begin(), prompt.end());
  const auto all = place_soft_tokens(config, ids, media);
  SoftTokenPlaces places;
  auto next = all.begin();
  for (const auto& prompt : prompts) {
    const auto end = next + static_cast<std::ptrdiff_t>(prompt.size());
    places.emplace_back(next, end);
    next = end;
  }
  return places;
}

// generate() for a request that was checked. `places` may be empty: no soft tokens.
GenerateOutput generate_placed(const ForCausalLM& model,
                               const std::vector<std::vector<TokenId>>& prompts,
                               const SoftTokenPlaces& places, const GenerationConfig& config,
                               const Tokenizer* tokenizer, const GenerateOptions& options) {
  auto cache = options.past_key_values;
  if (!cache) cache = make_cache(model, prompts, config);
  check_batch_size(*cache, prompts.size());
  std::size_t copies = 1;  // sequences of the cache for each prompt
  // The soft tokens among the next tokens of a sequence.
  const auto soft_tokens = [&](const SequenceTokens& part) -> std::span<const float* const> {
    if (places.empty()) return {};
    const auto& prompt = places[part.sequence / copies];
    const auto first = static_cast<std::size_t>(sequence_length(*cache, part.sequence));
    if (first >= prompt.size()) return {};
    return std::span(prompt).subspan(first, part.tokens.size());
  };

  const LanguageModel language_model = {
      .vocab_size = static_cast<std::size_t>(model.config().vocab_size),
      .max_position_embeddings = model.config().max_position_embeddings,
      .append =
          [&](std::span<const SequenceTokens> batch, std::span<float> logits) {
            std::vector<SequenceTokens> parts(batch.begin(), batch.end());
            for (SequenceTokens& part : parts) part.soft_tokens = soft_tokens(part);
            append_tokens(*model.impl(), *cache, parts, logits);
          },
      .repeat =
          [&](std::size_t times) {
            cache = repeat_sequences(*cache, times);
            copies = times;
          },
      .cached = [&](std::size_t sequence) { return sequence_length(*cache, sequence); },
  };
  GenerateOutput out = run_generation(language_model, prompts, config, tokenizer, options);
  out.past_key_values = cache;
  return out;
}

// Leaves a tower when on_encode says so.
struct EncodingCancelled {};

// What a call gives that ended before anything was read.
GenerateOutput cancelled_output(const ForCausalLM& model,
                                const std::vector<std::vector<TokenId>>& prompts,
                                const GenerationConfig& config, const GenerateOptions& options) {
  GenerateOutput out;
  out.past_key_values = options.past_key_values;
  if (!out.past_key_values) out.past_key_values = make_cache(model, prompts, config);
  for (const auto& prompt : prompts) {
    out.prompt_tokens += prompt.size();
    out.sequences.insert(out.sequences.end(), static_cast<std::size_t>(config.num_return_sequences),
                         prompt);
  }
  out.new_tokens.resize(out.sequences.size());
  out.text.resize(out.sequences.size());
  out.finish_reasons.assign(out.sequences.size(), FinishReason::kCancelled);
  return out;
}

// For the model of that size.
GenerateOptions without_size(GenerateOptions options) {
  options.size.reset();
  return options;
}

}  // namespace

GenerateOutput generate(const ForCausalLM& model, const std::vector<std::vector<TokenId>>& prompts,
                        const GenerationConfig& config, const Tokenizer* tokenizer,
                        const GenerateOptions& options) {
  if (options.size) {
    return generate(model.sliced(*options.size), prompts, config, tokenizer, without_size(options));
  }
  // Before a cache is allocated.
  check_request(prompts, config, static_cast<std::size_t>(model.config().vocab_size),
                model.config().max_position_embeddings, tokenizer);
  return generate_placed(model, prompts, {}, config, tokenizer, options);
}

GenerateOutput generate(const ForConditionalGeneration& model,
                        const std::vector<std::vector<TokenId>>& prompts, const MediaInputs& media,
                        const GenerationConfig& config, const Tokenizer* tokenizer,
                        const GenerateOptions& options) {
  if (options.size) {
    return generate(model.sliced(*options.size), prompts, media, config, tokenizer,
                    without_size(options));
  }
  const ForCausalLM language_model = model.language_model();
  const TextConfig& text = language_model.config();
  // Before anything is encoded.
  check_request(prompts, config, static_cast<std::size_t>(text.vocab_size),
                text.max_position_embeddings, tokenizer);
  const auto start = std::chrono::steady_clock::now();
  EncodedMedia encoded;
  try {
    encoded = encode_media(*model.impl(), media, [&](double share) {
      if (options.on_encode && !options.on_encode(share)) throw EncodingCancelled();
    });
  } catch (const EncodingCancelled&) {
    return cancelled_output(language_model, prompts, config, options);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  auto out = generate_placed(language_model, prompts, place_media(model.config(), prompts, encoded),
                             config, tokenizer, options);
  if (media) out.encode_seconds = seconds.count();
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
    case FinishReason::kStoppingCriteria:
      return "stopping_criteria";
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
