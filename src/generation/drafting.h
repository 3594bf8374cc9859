// Assisted generation: a smaller model, the assistant, proposes tokens, and the large one reads all
// of them in one call. What it would have said itself is kept.
//
// Ref: Y. Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", ICML 2023;
// C. Chen et al., "Accelerating Large Language Model Decoding with Speculative Sampling", 2023;
// HF generation/candidate_generator.py AssistedCandidateGenerator
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "generation/language_model.h"
#include "generation/logits_processors.h"
#include "generation/sampler.h"

namespace gemma3n {

// What the assistant proposes after the last token of one sequence, and what became of it.
struct Draft {
  std::vector<TokenId> tokens = {};
  std::vector<float> scores = {};  // [tokens, V] that they were drawn from; empty if !do_sample
  std::size_t accepted = 0;        // of the tokens, so far
  std::size_t length = 0;          // tokens to propose at a time; 0 = the first draft

  bool is_used_up() const { return accepted == tokens.size(); }
  // The first token that is neither accepted nor refused, and what it was drawn from [V].
  std::optional<TokenId> next() const {
    return is_used_up() ? std::nullopt : std::optional(tokens[accepted]);
  }
  std::span<const float> next_scores() const {
    const std::size_t V = scores.size() / tokens.size();
    return std::span(scores).subspan(accepted * V, V);
  }
};

// A sequence that wants a draft.
struct DraftRequest {
  std::size_t sequence = 0;
  SequenceState state = {};
  std::uint64_t copy = 0;  // DrawId::copy
  std::size_t most = 0;    // tokens
  Draft* draft = nullptr;  // the last one; replaced
};

// The assistant and how it is asked. The user's logits processors do not run here: they may count
// their calls. Not thread-safe.
class Drafter {
 public:
  // Both must outlive it.
  Drafter(const LanguageModel& assistant, const GenerationConfig& config);

  // Reads what the assistant lacks of the first read[i] tokens of each prompt.
  void read(const std::vector<std::vector<TokenId>>& prompts, std::span<const std::size_t> read);
  void repeat(std::size_t times) { assistant_.repeat(times); }
  // The assistant's cache forgets the tokens of a sequence from `length` on.
  void forget(std::size_t sequence, std::int64_t length) { assistant_.rewind(sequence, length); }

  // Proposes tokens, for all sequences side by side. A sequence's draft ends early with an end
  // token or one that the assistant gives less than assistant_confidence_threshold, or before one
  // that it cannot choose. What a draft is depends on its own sequence only.
  void propose(std::span<const DraftRequest> requests);

 private:
  struct Work;  // a draft in progress
  std::size_t next_length(const Draft& last) const;
  std::vector<Work> start(std::span<const DraftRequest> requests);
  bool add_token(Work& work, std::span<float> logits);
  bool can_choose(std::span<const float> scores) const;
  bool is_sure(std::span<const float> scores, TokenId token) const;

  const LanguageModel& assistant_;
  const GenerationConfig& config_;
  LogitsProcessors processors_, warpers_;
  CategoricalSampler sampler_;
};

// The token at `id`'s place where `drafted` was drawn from softmax(proposed) and softmax(scores) is
// wanted: `drafted` with probability min(1, softmax(scores)[drafted] / softmax(proposed)[drafted]),
// else a draw from what softmax(scores) has in excess of softmax(proposed).
// Ref: Leviathan et al., section 2.3 and appendix A.1
TokenId draw_verified(CategoricalSampler& sampler, std::span<const float> scores,
                      std::span<const float> proposed, TokenId drafted, DrawId id);

}  // namespace gemma3n
