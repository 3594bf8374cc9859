// Chat: which cache serves the next prompt, and what is remembered.
#include <algorithm>
#include <utility>

#include "gemma3n/pipeline.h"

namespace gemma3n {
namespace {

// The first tokens of `ids`: those that `cache` has seen.
std::vector<TokenId> held_ids(const Cache& cache, const std::vector<TokenId>& ids) {
  const auto held = static_cast<std::size_t>(cache.get_seq_length());
  check(held <= ids.size(), "a cache holds no more tokens than were given to it");
  return {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(held)};
}

template <typename Element>
bool begins_with(const std::vector<Element>& list, const std::vector<Element>& prefix) {
  return prefix.size() <= list.size() && std::equal(prefix.begin(), prefix.end(), list.begin());
}

}  // namespace

Chat::Chat(AnyModel model, Processor processor, GenerationConfig config)
    : model_(std::move(model)), processor_(std::move(processor)), config_(std::move(config)) {
  processor_.chat_template();  // throws if there is none
  config_.validate();
  if (config_.num_return_sequences != 1) {
    fail(ErrorCode::kInvalidArgument, "Chat: num_return_sequences: expected 1, got ",
         config_.num_return_sequences, "; there is one conversation");
  }
}

Chat::Chat(const Pipeline& pipeline)
    : Chat(pipeline.model(), pipeline.processor(), pipeline.generation_config()) {}

void Chat::set_size(const std::optional<MatFormerConfig>& size) {
  std::optional<Sized> next;
  if (size) next = {*size, model_.sliced(*size)};
  const auto is_same = [](const std::optional<MatFormerConfig>& a,
                          const std::optional<MatFormerConfig>& b) {
    return a.has_value() == b.has_value() && (!a || a->is_same_size(*b));
  };
  const auto current = size_ ? std::optional(size_->size) : std::nullopt;
  if (!is_same(current, size)) {
    others_.emplace_back(current, std::exchange(kept_, {}));
    const auto known = std::ranges::find_if(
        others_, [&](const auto& other) { return is_same(other.first, size); });
    if (known != others_.end()) {
      kept_ = std::move(known->second);
      others_.erase(known);
    }
  }
  size_ = std::move(next);
}

void Chat::reset() {
  messages_.clear();
  kept_.clear();
  others_.clear();
  if (!system_.empty()) messages_.push_back(text_message("system", system_));
}

void Chat::set_system(const std::string& text) {
  system_ = text;
  reset();
}

std::shared_ptr<Cache> Chat::new_cache(const ForCausalLM& model) const {
  CacheOptions options;
  options.storage = config_.cache_storage;
  if (config_.cache_implementation == "static") {
    options.implementation = CacheOptions::Implementation::kStatic;
    options.max_cache_len = model.config().max_position_embeddings;
  }
  return model.new_cache(1, options);
}

bool Chat::Media::starts_with(const Media& prefix) const {
  return begins_with(objects, prefix.objects) && (prefix.frames == 0 || prefix.frames == frames);
}

Chat::Media Chat::media_of(const Conversation& messages, const MediaInputs& inputs) {
  Media media;
  if (inputs.input_features) media.frames = inputs.input_features.dim(1);
  for (const auto& message : messages) {
    for (const auto& part : message.parts) {
      if (part.image) media.objects.push_back(part.image);
      if (part.audio) media.objects.push_back(part.audio);
    }
  }
  return media;
}

Chat::Caches Chat::Caches::clone() const {
  return {cache->clone(), assistant, assistant_cache ? assistant_cache->clone() : nullptr};
}

// The kept caches are given up: whatever happens next, they no longer hold what they say.
Chat::Caches Chat::caches_for(const std::vector<TokenId>& prompt, const Media& media,
                              const std::optional<ForCausalLM>& assistant) {
  Caches caches;
  for (auto& candidate : std::exchange(kept_, {})) {
    const bool has_more = candidate.ids.size() < prompt.size();
    if (!has_more || !begins_with(prompt, candidate.ids)) continue;
    if (!media.starts_with(candidate.media)) continue;
    caches = std::move(candidate.caches);
    break;
  }
  if (!caches.cache) caches.cache = new_cache(model().text());
  if (!assistant) return {caches.cache};
  if (!caches.assistant || caches.assistant->impl() != assistant->impl()) {
    caches.assistant_cache = new_cache(*assistant);
  }
  caches.assistant = assistant;
  return caches;
}

GenerateOutput Chat::answer(const Conversation& messages, GenerateOptions options) {
  const auto inputs = processor_.apply_chat_template(messages, {.add_generation_prompt = true});
  const auto& prompt = inputs.input_ids.front();
  const Media media = media_of(messages, inputs.media);
  const Caches caches = caches_for(prompt, media, options.assistant_model);
  std::vector<Kept> kept;

  options.past_key_values = caches.cache;
  options.assistant_past_key_values = caches.assistant_cache;
  options.on_token = [&, on_token = std::move(options.on_token)](const GenerationStep& step) {
    if (kept.empty()) {
      kept.push_back({held_ids(*caches.cache, prompt), media, caches.clone()});
    }
    return !on_token || on_token(step);
  };
  auto output = model().generate({prompt}, inputs.media, config_, &processor_.tokenizer(), options);
  kept.insert(kept.begin(), {held_ids(*caches.cache, output.sequences.at(0)), media, caches});
  kept_ = std::move(kept);
  ++config_.seed;
  return output;
}

PipelineOutput Chat::reply(std::vector<Part> message, const GenerateOptions& options) {
  if (options.past_key_values || options.assistant_past_key_values) {
    fail(ErrorCode::kInvalidArgument, "Chat: past_key_values: expected none, the conversation has ",
         "its own; leave it out");
  }
  if (options.size) {
    fail(ErrorCode::kInvalidArgument, "Chat: size: expected none; set_size() chooses one");
  }
  Conversation messages = messages_;
  messages.push_back({"user", std::move(message)});
  auto output = answer(messages, options);

  const auto reason = output.finish_reasons.at(0);
  const std::string& text = output.text.at(0);
  if (reason != FinishReason::kCancelled || !text.empty()) {
    messages.push_back(text_message("assistant", text));
    messages_ = std::move(messages);
  }
  return {.generated_text = text,
          .conversation = messages_,
          .new_tokens = std::move(output.new_tokens.at(0)),
          .finish_reason = reason,
          .prompt_tokens = output.prompt_tokens,
          .cached_tokens = output.cached_tokens};
}

PipelineOutput Chat::reply(const std::string& text, const GenerateOptions& options) {
  return reply(std::vector<Part>{text_part(text)}, options);
}

}  // namespace gemma3n
