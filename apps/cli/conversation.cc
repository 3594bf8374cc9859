#include "conversation.h"

#include <algorithm>
#include <utility>

#include "answer.h"

namespace gemma3n::cli {
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

Conversation::Conversation(LoadedModel model, Processor processor, GenerationConfig config)
    : model_(std::move(model)), processor_(std::move(processor)), config_(std::move(config)) {}

void Conversation::reset() {
  messages_.clear();
  kept_.clear();
  if (!system_.empty()) messages_.push_back(text_message("system", system_));
}

void Conversation::set_system(const std::string& text) {
  system_ = text;
  reset();
}

std::shared_ptr<Cache> Conversation::new_cache() const {
  CacheOptions options;
  if (config_.cache_implementation == "static") {
    options.implementation = CacheOptions::Implementation::kStatic;
    options.max_cache_len = model_.text().config().max_position_embeddings;
  }
  return model_.text().new_cache(1, options);
}

bool Conversation::Media::starts_with(const Media& prefix) const {
  return begins_with(objects, prefix.objects) && (prefix.frames == 0 || prefix.frames == frames);
}

Conversation::Media Conversation::media_of(const std::vector<Message>& messages,
                                           const MediaInputs& inputs) {
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

// The kept caches are given up: whatever happens next, they no longer hold what they say.
std::shared_ptr<Cache> Conversation::cache_for(const std::vector<TokenId>& prompt,
                                               const Media& media) {
  const auto kept = std::exchange(kept_, {});
  for (const auto& candidate : kept) {
    const bool has_more = candidate.ids.size() < prompt.size();
    if (has_more && begins_with(prompt, candidate.ids) && media.starts_with(candidate.media)) {
      return candidate.cache;
    }
  }
  return new_cache();
}

GenerateOutput Conversation::answer(const std::vector<Message>& messages, Output& out) {
  auto inputs = processor_.apply_chat_template(messages, {.add_generation_prompt = true});
  const auto& prompt = inputs.input_ids.front();
  const Media media = media_of(messages, inputs.media);
  const auto cache = cache_for(prompt, media);
  std::vector<Kept> kept;
  AnswerRequest request = {.model = model_,
                           .tokenizer = processor_.tokenizer(),
                           .prompt = prompt,
                           .media = std::move(inputs.media),
                           .config = config_,
                           .past_key_values = cache,
                           .on_prompt_read =
                               [&] {
                                 const auto copy = cache->clone();
                                 kept.push_back({held_ids(*copy, prompt), media, copy});
                               },
                           .second_interrupt = InterruptScope::Second::kIsIgnored};
  auto output = make_answer(request, &out);
  kept.insert(kept.begin(), {held_ids(*cache, output.sequences.at(0)), media, cache});
  kept_ = std::move(kept);
  ++config_.seed;  // the next answer draws anew
  return output;
}

FinishReason Conversation::reply(std::vector<Part> message, Output& out) {
  std::vector<Message> messages = messages_;
  messages.push_back({"user", std::move(message)});
  const auto output = answer(messages, out);

  const auto reason = output.finish_reasons.at(0);
  const bool has_begun = !output.text.at(0).empty();
  if (reason == FinishReason::kCancelled && !has_begun) return reason;
  messages.push_back(text_message("assistant", output.text.at(0)));
  messages_ = std::move(messages);
  return reason;
}

}  // namespace gemma3n::cli
