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

// Is `prefix` the beginning of `ids`, with at least one more to follow?
bool continues(const std::vector<TokenId>& ids, const std::vector<TokenId>& prefix) {
  return prefix.size() < ids.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
}

}  // namespace

Conversation::Conversation(ForCausalLM model, Tokenizer tokenizer, ChatTemplate chat_template,
                           GenerationConfig config)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      chat_template_(std::move(chat_template)),
      config_(std::move(config)) {}

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
    options.max_cache_len = model_.config().max_position_embeddings;
  }
  return model_.new_cache(1, options);
}

// The kept caches are given up: whatever happens next, they no longer hold what they say.
std::shared_ptr<Cache> Conversation::cache_for(const std::vector<TokenId>& prompt) {
  const auto kept = std::exchange(kept_, {});
  for (const auto& candidate : kept) {
    if (continues(prompt, candidate.ids)) return candidate.cache;
  }
  return new_cache();
}

GenerateOutput Conversation::answer(const std::vector<TokenId>& prompt, Output& out) {
  const auto cache = cache_for(prompt);
  std::vector<Kept> kept;
  AnswerRequest request = {.model = model_,
                           .tokenizer = tokenizer_,
                           .prompt = prompt,
                           .config = config_,
                           .past_key_values = cache,
                           .on_prompt_read =
                               [&] {
                                 const auto copy = cache->clone();
                                 kept.push_back({held_ids(*copy, prompt), copy});
                               },
                           .second_interrupt = InterruptScope::Second::kIsIgnored};
  auto output = make_answer(request, &out);
  kept.insert(kept.begin(), {held_ids(*cache, output.sequences.at(0)), cache});
  kept_ = std::move(kept);
  ++config_.seed;  // the next answer draws anew
  return output;
}

FinishReason Conversation::reply(const std::string& message, Output& out) {
  std::vector<Message> messages = messages_;
  messages.push_back(text_message("user", message));
  const auto text = chat_template_.render(messages, {.add_generation_prompt = true});
  // The template writes <bos> itself.
  const auto output = answer(tokenizer_.encode(text, false), out);

  const auto reason = output.finish_reasons.at(0);
  const bool has_begun = !output.text.at(0).empty();
  if (reason == FinishReason::kCancelled && !has_begun) return reason;
  messages.push_back(text_message("assistant", output.text.at(0)));
  messages_ = std::move(messages);
  return reason;
}

}  // namespace gemma3n::cli
