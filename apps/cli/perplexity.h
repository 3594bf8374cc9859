// How well a model predicts a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gemma3n/model.h"
#include "gemma3n/tokenizer.h"

namespace gemma3n::cli {

// -log softmax(logits)[token], in nats.
double negative_log_likelihood(std::span<const float> logits, TokenId token);

// Tokens [begin, end) of a text, which the model reads behind <bos>. Those before `first_scored`
// were scored in the window before and are context only.
struct PerplexityWindow {
  std::size_t begin = 0, end = 0, first_scored = 0;
};

// Windows of `context` tokens, <bos> among them, that begin `stride` tokens apart, until the text
// ends. Together they score every token once.
// tokens >= 1, context >= 2, 1 <= stride < context.
// Ref: https://huggingface.co/docs/transformers/perplexity
// Differs: there only the first window has a <bos>.
std::vector<PerplexityWindow> perplexity_windows(std::size_t tokens, std::size_t context,
                                                 std::size_t stride);

struct PerplexitySum {
  std::size_t tokens = 0;  // scored
  double nats = 0;         // sum of their negative log-likelihoods

  double nats_per_token() const { return nats / static_cast<double>(tokens); }
  double perplexity() const;                           // exp of it
  double bits_per_byte(std::size_t text_bytes) const;  // nats / ln 2 / bytes of the scored text
};

// Adds up `tokens` in these windows. Logits are computed for some rows at a time, so memory does
// not grow with the window but for the cache. on_progress: called between steps with what there is
// so far; false ends it there. Throws: as ForCausalLM::forward.
PerplexitySum measure_perplexity(const ForCausalLM& model, TokenId bos,
                                 std::span<const TokenId> tokens,
                                 std::span<const PerplexityWindow> windows,
                                 const std::function<bool(const PerplexitySum&)>& on_progress,
                                 CacheStorage storage = CacheStorage::kF32);

}  // namespace gemma3n::cli
