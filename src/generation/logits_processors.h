// The steps between the model's logits and the choice of a token. Each works in place on the scores
// of one sequence; a forbidden token gets -inf.
//
// Ref: HF generation/logits_process.py. Cumulative probabilities are summed in double here, in
// float32 there, so a token exactly at a border may fall on the other side.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "gemma3n/generation.h"

namespace gemma3n {

// A sequence at the moment its next token is chosen.
struct SequenceState {
  std::span<const TokenId> ids;   // prompt and new tokens
  std::size_t prompt_length = 0;  // the first of them
};

//   scores: [V] f32, changed in place. Processors own scratch memory: not thread-safe.
using LogitsProcessor = std::function<void(const SequenceState&, std::span<float> scores)>;
using LogitsProcessors = std::vector<LogitsProcessor>;
using UserLogitsProcessor = std::function<void(std::span<const TokenId>, std::span<float>)>;

// The processors that `config` asks for, in transformers' order: repetition penalty, n-grams, bad
// words, minimum lengths, the user's.
// Ref: HF GenerationMixin._get_logits_processor
// Throws: kInvalidArgument if bad_words_ids names an id outside the vocabulary.
LogitsProcessors make_logits_processors(const GenerationConfig& config, std::size_t vocab_size,
                                        std::span<const UserLogitsProcessor> user_processors);
// What comes after them, if do_sample: temperature, top-k, top-p, min-p, typical.
LogitsProcessors make_logits_warpers(const GenerationConfig& config);

// Makes each token that the sequence already has less likely: score * penalty if negative, else
// score / penalty; once per id, however often it occurs.
// Ref: HF RepetitionPenaltyLogitsProcessor
class RepetitionPenalty {
 public:
  RepetitionPenalty(double penalty, std::size_t vocab_size);
  void operator()(const SequenceState& sequence, std::span<float> scores);

 private:
  float penalty_;
  std::vector<char> seen_;  // [V], all 0 between calls
};

// Forbids each token that would complete an n-gram the sequence already has.
// Ref: HF NoRepeatNGramLogitsProcessor
struct NoRepeatNGram {
  std::size_t size;
  void operator()(const SequenceState& sequence, std::span<float> scores) const;
};

// Forbids the last token of each word whose other tokens end the sequence.
// Ref: HF NoBadWordsLogitsProcessor; words that are one end token are dropped, as there.
class NoBadWords {
 public:
  NoBadWords(const std::vector<std::vector<TokenId>>& words, std::span<const TokenId> eos,
             std::size_t vocab_size);
  void operator()(const SequenceState& sequence, std::span<float> scores) const;

 private:
  std::vector<std::vector<TokenId>> words_;
};

// Forbids the end tokens until the sequence has `length` tokens, prompt included.
// Ref: HF MinLengthLogitsProcessor
struct MinLength {
  std::size_t length;
  std::vector<TokenId> eos;
  void operator()(const SequenceState& sequence, std::span<float> scores) const;
};

// Forbids the end tokens until the sequence has `count` new tokens.
// Ref: HF MinNewTokensLengthLogitsProcessor
struct MinNewTokens {
  std::size_t count;
  std::vector<TokenId> eos;
  void operator()(const SequenceState& sequence, std::span<float> scores) const;
};

// scores / temperature.   Ref: HF TemperatureLogitsWarper
struct Temperature {
  float temperature;
  void operator()(const SequenceState& sequence, std::span<float> scores) const;
};

// Keeps the scores that are at least the k-th largest; more than k if it is tied.
// Ref: HF TopKLogitsWarper
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) {}
  void operator()(const SequenceState& sequence, std::span<float> scores);

 private:
  std::size_t k_;
  std::vector<float> largest_;  // [k]
};

// A token that is still allowed. The filters below share the form.
struct Candidate {
  TokenId id;
  float score;
  double weight;  // exp(score - largest score): proportional to its probability
};

// Keeps the most probable tokens: from the least probable on, drops them while their probabilities
// add up to no more than 1 - p. The largest always stays; of equal ones the lower ids do.
// Ref: HF TopPLogitsWarper
class TopP {
 public:
  explicit TopP(double p) : p_(p) {}
  void operator()(const SequenceState& sequence, std::span<float> scores);

 private:
  double p_;
  std::vector<Candidate> candidates_;
};

// Drops tokens less probable than `p` times the most probable one.   Ref: HF MinPLogitsWarper
class MinP {
 public:
  explicit MinP(double p) : p_(p) {}
  void operator()(const SequenceState& sequence, std::span<float> scores);

 private:
  double p_;
  std::vector<Candidate> candidates_;
};

// Keeps the tokens whose surprise, -log(probability), is nearest to the expected surprise (the
// entropy), until their probabilities add up to `mass`.
// Ref: HF TypicalLogitsWarper; C. Meister et al., "Locally Typical Sampling", section 4
class TypicalP {
 public:
  explicit TypicalP(double mass) : mass_(mass) {}
  void operator()(const SequenceState& sequence, std::span<float> scores);

 private:
  double mass_;
  std::vector<Candidate> candidates_;
};

}  // namespace gemma3n
