// For tests: a model that is a function from the ids of a sequence to its next logits.
#pragma once

#include <algorithm>
#include <utility>

#include "generation/language_model.h"

namespace gemma3n {

using Script = std::function<void(std::span<const TokenId> ids, std::span<float> logits)>;

// Its cache is the ids themselves. Must outlive the LanguageModel it gives.
struct ScriptedModel {
  std::size_t vocab_size;
  Script script;
  std::int64_t max_position_embeddings = 1000;
  std::int64_t max_cache_len = 1000;
  std::vector<std::vector<TokenId>> cache{};
  std::vector<std::size_t> tokens_per_pass{};

  LanguageModel language_model(std::size_t batch_size) {
    cache.resize(batch_size);
    return {
        .vocab_size = vocab_size,
        .max_position_embeddings = max_position_embeddings,
        .append = [this](auto batch, auto logits) { append(batch, logits); },
        .repeat = [this](std::size_t times) { repeat(times); },
        .length = [this](std::size_t i) { return static_cast<std::int64_t>(cache.at(i).size()); },
        .room =
            [this](std::size_t i) {
              return max_cache_len - static_cast<std::int64_t>(cache.at(i).size());
            },
        .rewind =
            [this](std::size_t i, std::int64_t length) {
              auto& ids = cache.at(i);
              ids.resize(std::min(ids.size(), static_cast<std::size_t>(length)));
            },
    };
  }

  void append(std::span<const SequenceTokens> batch, std::span<float> logits) {
    std::size_t row = 0, tokens = 0;
    for (const SequenceTokens& item : batch) {
      auto& ids = cache.at(item.sequence);
      tokens += item.tokens.size();
      for (std::size_t i = 0; i < item.tokens.size(); ++i) {
        ids.push_back(item.tokens[i]);
        if (i + item.wants_logits < item.tokens.size()) continue;
        const auto out = logits.subspan(row++ * vocab_size, vocab_size);
        std::ranges::fill(out, 0.0f);
        script(ids, out);
      }
      check(static_cast<std::int64_t>(ids.size()) <= max_cache_len, "the cache has room");
    }
    check(logits.size() == row * vocab_size, "one row of logits for each that is wanted");
    tokens_per_pass.push_back(tokens);
  }

  void repeat(std::size_t times) {
    std::vector<std::vector<TokenId>> repeated;
    for (const auto& ids : cache) repeated.insert(repeated.end(), times, ids);
    cache = std::move(repeated);
  }
};

// Says the last id plus one, or 0 after the largest.
inline void count_up(std::span<const TokenId> ids, std::span<float> logits) {
  logits[static_cast<std::size_t>(ids.back() + 1) % logits.size()] = 5.0f;
}

// Different logits for every history, the same on every call.
inline void pseudo_random(std::span<const TokenId> ids, std::span<float> logits) {
  std::uint32_t state = 2166136261u;
  for (const TokenId id : ids) state = (state ^ static_cast<std::uint32_t>(id)) * 16777619u;
  for (float& logit : logits) {
    state = state * 1664525u + 1013904223u;
    logit = static_cast<float>(state >> 16) / 16384.0f;  // 0 to 4
  }
}

}  // namespace gemma3n
