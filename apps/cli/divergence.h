// How far the predictions of one model lie from those of another, token by token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gemma3n/media_inputs.h"
#include "gemma3n/tensor.h"
#include "gemma3n/tokenizer.h"

namespace gemma3n::cli {

struct TokenDivergence {
  double nats = 0;           // KL(P || Q), 0 or more
  bool is_same_top = false;  // the most likely token is the same
};

// P and Q are the softmax of these logits, of equal number.   Exactly 0 if all are the same.
TokenDivergence token_divergence(std::span<const float> p, std::span<const float> q);

class DivergenceSum {
 public:
  void add(const TokenDivergence& token);

  // Of one token or more.
  std::size_t tokens() const { return nats_.size(); }
  double mean() const;
  // The least value that at least this share, above 0, of the tokens does not exceed.
  double percentile(double share) const;
  double top_agreement() const;  // share of tokens

 private:
  std::vector<double> nats_;
  double sum_ = 0;
  std::size_t same_top_ = 0;
};

// A part of a prompt that is read at once; no picture or sound lies across its border.
struct PromptPart {
  std::size_t begin = 0, end = 0;      // tokens
  std::vector<std::int64_t> scored;    // from `begin`: what these predict is a token of text
  std::size_t images = 0, sounds = 0;  // in it
};

// token_type_ids: those of ProcessorOutput, 0 = text.   A part is as long as it can be with at most
// `most_scored` tokens to score (1 or more), so that their logits fit in memory.
std::vector<PromptPart> prompt_parts(std::span<const std::int64_t> token_type_ids,
                                     std::size_t most_scored);

// Pictures [image, image + part.images) of `media`, and so with sounds.
MediaInputs media_of_part(const MediaInputs& media, const PromptPart& part, std::size_t image,
                          std::size_t sound);

}  // namespace gemma3n::cli
