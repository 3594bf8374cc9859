// generate(): the generation loop over a real model and its cache.
#include <algorithm>
#include <chrono>

#include "generation/language_model.h"
#include "generation/mixed_sizes.h"
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

void check_batch_size(const Cache& cache, std::size_t prompts, const char* name) {
  if (cache.batch_size() != static_cast<std::int64_t>(prompts)) {
    fail(ErrorCode::kInvalidArgument, "generate: ", name, ": expected ", prompts,
         " sequences, one for each prompt, got ", cache.batch_size());
  }
}

// What the assistant says must mean the same to `model`, and it must read what `model` does.
void check_assistant(const TextConfig& model, bool has_media, const GenerateOptions& options) {
  if (!options.assistant_model) return;
  const TextConfig& assistant = options.assistant_model->config();
  const auto expect = [](bool holds, const char* what, const char* relation, std::int64_t of_model,
                         std::int64_t got) {
    if (holds) return;
    fail(ErrorCode::kInvalidArgument, "generate: assistant_model: ", what, ": expected ", relation,
         of_model, ", as the model's, got ", got);
  };
  expect(assistant.vocab_size == model.vocab_size, "vocab_size", "", model.vocab_size,
         assistant.vocab_size);
  expect(assistant.max_position_embeddings >= model.max_position_embeddings,
         "max_position_embeddings", "at least ", model.max_position_embeddings,
         assistant.max_position_embeddings);
  expect(!has_media || assistant.hidden_size == model.hidden_size,
         "hidden_size with pictures and sounds", "", model.hidden_size, assistant.hidden_size);
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

// A model and its cache, as the loop sees them. `places` may be empty: no soft tokens.
class CachedModel {
 public:
  CachedModel(ForCausalLM model, std::shared_ptr<Cache> cache, SoftTokenPlaces places)
      : model_(std::move(model)), cache_(std::move(cache)), places_(std::move(places)) {}

  const std::shared_ptr<Cache>& cache() const { return cache_; }

  // Must not outlive this.
  LanguageModel language_model() {
    return {
        .vocab_size = static_cast<std::size_t>(model_.config().vocab_size),
        .max_position_embeddings = model_.config().max_position_embeddings,
        .append = [this](auto batch, auto logits) { append(batch, logits); },
        .repeat =
            [this](std::size_t times) {
              cache_ = repeat_sequences(*cache_, times);
              copies_ = times;
            },
        .length = [this](std::size_t i) { return sequence_length(*cache_, i); },
        .room = [this](std::size_t i) { return sequence_room(*cache_, i); },
        .rewind = [this](std::size_t i,
                         std::int64_t length) { rewind_sequence(*cache_, i, length); },
    };
  }

 private:
  void append(std::span<const SequenceTokens> batch, std::span<float> logits) {
    std::vector<SequenceTokens> parts(batch.begin(), batch.end());
    for (SequenceTokens& part : parts) part.soft_tokens = soft_tokens(part);
    append_tokens(*model_.impl(), *cache_, parts, logits);
  }

  // Those among the next tokens of a sequence.
  std::span<const float* const> soft_tokens(const SequenceTokens& part) const {
    if (places_.empty()) return {};
    const auto& prompt = places_[part.sequence / copies_];
    const auto first = static_cast<std::size_t>(sequence_length(*cache_, part.sequence));
    if (first >= prompt.size()) return {};
    return std::span(prompt).subspan(first, std::min(part.tokens.size(), prompt.size() - first));
  }

  ForCausalLM model_;
  std::shared_ptr<Cache> cache_;
  SoftTokenPlaces places_;
  std::size_t copies_ = 1;  // sequences of the cache for each prompt
};

// A cached model for each size of a batch.
struct CachedSizes {
  std::vector<std::unique_ptr<CachedModel>> models;
  std::vector<std::size_t> model_of;  // [prompts]
};

CachedSizes cache_sizes(const ForCausalLM& whole, const std::vector<std::vector<TokenId>>& prompts,
                        const SoftTokenPlaces& places, const GenerationConfig& config,
                        const std::vector<MatFormerConfig>& sizes) {
  CachedSizes result;
  std::vector<const MatFormerConfig*> distinct;
  for (const MatFormerConfig& size : sizes) {
    const auto known = std::ranges::find_if(
        distinct, [&](const MatFormerConfig* other) { return other->is_same_size(size); });
    result.model_of.push_back(static_cast<std::size_t>(known - distinct.begin()));
    if (known == distinct.end()) distinct.push_back(&size);
  }
  for (std::size_t m = 0; m < distinct.size(); ++m) {
    std::vector<std::vector<TokenId>> own_prompts;
    SoftTokenPlaces own_places;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      if (result.model_of[i] != m) continue;
      own_prompts.push_back(prompts[i]);
      if (!places.empty()) own_places.push_back(places[i]);
    }
    const ForCausalLM model = whole.sliced(*distinct[m]);
    result.models.push_back(std::make_unique<CachedModel>(
        model, make_cache(model, own_prompts, config), std::move(own_places)));
  }
  return result;
}

void check_sizes(std::size_t prompts, const GenerateOptions& options) {
  if (options.sizes.empty()) return;
  if (options.sizes.size() != prompts) {
    fail(ErrorCode::kInvalidArgument, "generate: sizes: expected ", prompts,
         ", one for each prompt, got ", options.sizes.size());
  }
  if (options.past_key_values) {
    fail(ErrorCode::kInvalidArgument,
         "generate: past_key_values: expected none with sizes; continue each size on its own");
  }
}

// generate() for a request that was checked. `places` may be empty: no soft tokens.
GenerateOutput generate_placed(const ForCausalLM& model,
                               const std::vector<std::vector<TokenId>>& prompts,
                               const SoftTokenPlaces& places, const GenerationConfig& config,
                               const Tokenizer* tokenizer, const GenerateOptions& options) {
  const auto with_cache = [&](const ForCausalLM& of, const std::shared_ptr<Cache>& given,
                              const char* name) {
    if (given) check_batch_size(*given, prompts.size(), name);
    return CachedModel(of, given ? given : make_cache(of, prompts, config), places);
  };
  const auto run = [&](const LanguageModel& language_model) {
    if (!options.assistant_model) {
      return run_generation(language_model, prompts, config, tokenizer, options);
    }
    CachedModel cached = with_cache(*options.assistant_model, options.assistant_past_key_values,
                                    "assistant_past_key_values");
    const LanguageModel assistant = cached.language_model();
    auto out = run_generation(language_model, prompts, config, tokenizer, options, &assistant);
    out.assistant_past_key_values = cached.cache();
    return out;
  };
  if (!options.sizes.empty()) {
    const CachedSizes cached = cache_sizes(model, prompts, places, config, options.sizes);
    std::vector<LanguageModel> models;
    for (const auto& of_size : cached.models) models.push_back(of_size->language_model());
    MixedSizes mixed(std::move(models), cached.model_of);
    return run(mixed.language_model());
  }
  CachedModel cached = with_cache(model, options.past_key_values, "past_key_values");
  auto out = run(cached.language_model());
  out.past_key_values = cached.cache();
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
  out.assistant_past_key_values = options.assistant_past_key_values;
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
  check_assistant(model.config(), false, options);
  check_sizes(prompts.size(), options);
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
  check_assistant(text, static_cast<bool>(media), options);
  check_sizes(prompts.size(), options);
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
