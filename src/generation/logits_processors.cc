#include "generation/logits_processors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "generation/portable_exp.h"
#include "generation/sampler.h"

namespace gemma3n {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

void forbid(TokenId id, std::span<float> scores) {
  // An end token the vocabulary does not have cannot be generated anyway.
  if (static_cast<std::size_t>(id) < scores.size())
    scores[static_cast<std::size_t>(id)] = kForbidden;
}

void forbid_all(std::span<const TokenId> ids, std::span<float> scores) {
  for (const TokenId id : ids) forbid(id, scores);
}

bool ends_with(std::span<const TokenId> ids, std::span<const TokenId> suffix) {
  return suffix.size() <= ids.size() && std::ranges::equal(ids.last(suffix.size()), suffix);
}

// Lists the tokens that are allowed, in the order of their ids, and returns the sum of their
// weights.
// Throws: kInvalidArgument unless the largest score is finite.
double list_candidates(std::span<const float> scores, std::vector<Candidate>& candidates) {
  const double top = scores[static_cast<std::size_t>(largest(scores))];
  if (std::isinf(top)) {
    fail(ErrorCode::kInvalidArgument,
         "generate: a score is infinite; use a temperature or repetition_penalty nearer to 1");
  }
  candidates.clear();
  double total = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == kForbidden) continue;
    candidates.push_back({static_cast<TokenId>(i), scores[i], portable_exp(scores[i] - top)});
    total += candidates.back().weight;
  }
  return total;
}

// A user's processor is a stranger: what follows it sorts, and NaN has no place in an order.
LogitsProcessor checked(UserLogitsProcessor process) {
  return [process = std::move(process)](const SequenceState& sequence, std::span<float> scores) {
    process(sequence.ids, scores);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (std::isnan(scores[i])) {
        fail(ErrorCode::kInvalidArgument, "generate: logits_processors: the score of token ", i,
             " is not a number");
      }
    }
  };
}

}  // namespace

LogitsProcessors make_logits_processors(const GenerationConfig& config, std::size_t vocab_size,
                                        std::span<const UserLogitsProcessor> user_processors) {
  const auto count = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  LogitsProcessors list;
  if (config.repetition_penalty != 1.0) {
    list.emplace_back(RepetitionPenalty(config.repetition_penalty, vocab_size));
  }
  if (config.no_repeat_ngram_size > 0) {
    list.emplace_back(NoRepeatNGram{count(config.no_repeat_ngram_size)});
  }
  if (!config.bad_words_ids.empty()) {
    list.emplace_back(NoBadWords(config.bad_words_ids, config.eos_token_id, vocab_size));
  }
  // min_new_tokens replaces min_length. Ref: HF GenerationMixin._prepare_generated_length
  if (config.min_new_tokens > 0) {
    list.emplace_back(MinNewTokens{count(config.min_new_tokens), config.eos_token_id});
  } else if (config.min_length > 0) {
    list.emplace_back(MinLength{count(config.min_length), config.eos_token_id});
  }
  for (const auto& process : user_processors) list.push_back(checked(process));
  return list;
}

LogitsProcessors make_logits_warpers(const GenerationConfig& config) {
  const auto count = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  LogitsProcessors list;
  if (!config.do_sample) return list;
  if (config.temperature != 1.0) {
    list.emplace_back(Temperature{static_cast<float>(config.temperature)});
  }
  if (config.top_k > 0) list.emplace_back(TopK(count(config.top_k)));
  if (config.top_p < 1.0) list.emplace_back(TopP(config.top_p));
  if (config.min_p > 0.0) list.emplace_back(MinP(config.min_p));
  if (config.typical_p < 1.0) list.emplace_back(TypicalP(config.typical_p));
  return list;
}

RepetitionPenalty::RepetitionPenalty(double penalty, std::size_t vocab_size)
    : penalty_(static_cast<float>(penalty)), seen_(vocab_size) {}

void RepetitionPenalty::operator()(const SequenceState& sequence, std::span<float> scores) {
  for (const TokenId id : sequence.ids) {
    const auto i = static_cast<std::size_t>(id);
    if (seen_[i]) continue;
    seen_[i] = 1;
    scores[i] = scores[i] < 0.0f ? scores[i] * penalty_ : scores[i] / penalty_;
  }
  for (const TokenId id : sequence.ids) seen_[static_cast<std::size_t>(id)] = 0;
}

void NoRepeatNGram::operator()(const SequenceState& sequence, std::span<float> scores) const {
  const auto ids = sequence.ids;
  if (ids.size() < size) return;
  const auto prefix = ids.last(size - 1);
  for (std::size_t start = 0; start + size <= ids.size(); ++start) {
    if (std::ranges::equal(ids.subspan(start, size - 1), prefix)) {
      forbid(ids[start + size - 1], scores);
    }
  }
}

NoBadWords::NoBadWords(const std::vector<std::vector<TokenId>>& words, std::span<const TokenId> eos,
                       std::size_t vocab_size) {
  for (const auto& word : words) {
    for (const TokenId id : word) {
      if (id < 0 || static_cast<std::size_t>(id) >= vocab_size) {
        fail(ErrorCode::kInvalidArgument, "generate: bad_words_ids: expected ids from 0 to ",
             vocab_size - 1, ", got ", id);
      }
    }
    const bool is_end = word.size() == 1 && std::ranges::find(eos, word[0]) != eos.end();
    if (!word.empty() && !is_end) words_.push_back(word);
  }
}

void NoBadWords::operator()(const SequenceState& sequence, std::span<float> scores) const {
  for (const auto& word : words_) {
    if (ends_with(sequence.ids, std::span(word).first(word.size() - 1))) {
      forbid(word.back(), scores);
    }
  }
}

void MinLength::operator()(const SequenceState& sequence, std::span<float> scores) const {
  if (sequence.ids.size() < length) forbid_all(eos, scores);
}

void MinNewTokens::operator()(const SequenceState& sequence, std::span<float> scores) const {
  if (sequence.ids.size() - sequence.prompt_length < count) forbid_all(eos, scores);
}

void Temperature::operator()(const SequenceState&, std::span<float> scores) const {
  for (float& score : scores) score /= temperature;
}

void TopK::operator()(const SequenceState&, std::span<float> scores) {
  if (k_ >= scores.size()) return;
  largest_.resize(k_);
  std::ranges::partial_sort_copy(scores, largest_, std::greater<>());
  const float kth = largest_.back();
  for (float& score : scores) {
    if (score < kth) score = kForbidden;
  }
}

void TopP::operator()(const SequenceState&, std::span<float> scores) {
  const double total = list_candidates(scores, candidates_);
  const double droppable = (1.0 - p_) * total;
  // Tokens so improbable that all of them together are droppable need no sorting: nearly all.
  const double tiny = droppable / (2.0 * static_cast<double>(candidates_.size()));
  double dropped = 0.0;
  std::erase_if(candidates_, [&](const Candidate& candidate) {
    if (candidate.weight > tiny) return false;
    dropped += candidate.weight;
    forbid(candidate.id, scores);
    return true;
  });

  std::ranges::sort(candidates_, [](const Candidate& a, const Candidate& b) {
    return a.score < b.score || (a.score == b.score && a.id > b.id);
  });
  candidates_.pop_back();  // the largest stays
  for (const Candidate& candidate : candidates_) {
    dropped += candidate.weight;
    if (dropped > droppable) break;
    forbid(candidate.id, scores);
  }
}

void MinP::operator()(const SequenceState&, std::span<float> scores) {
  list_candidates(scores, candidates_);
  for (const Candidate& candidate : candidates_) {
    if (candidate.weight < p_) forbid(candidate.id, scores);  // the largest weight is 1
  }
}

// With z = score - largest score and Z = sum of exp(z), log p = z - log Z. The distance of a
// token's surprise from the entropy is |-log p + sum p log p| = |sum p z - z|: log Z cancels.
void TypicalP::operator()(const SequenceState&, std::span<float> scores) {
  const double total = list_candidates(scores, candidates_);
  const double top = std::ranges::max_element(candidates_, {}, &Candidate::score)->score;
  double mean = 0.0;
  for (const Candidate& c : candidates_) mean += c.weight / total * (c.score - top);
  const auto distance = [&](const Candidate& c) { return std::abs(mean - (c.score - top)); };
  std::ranges::sort(candidates_, [&](const Candidate& a, const Candidate& b) {
    return distance(a) < distance(b) || (distance(a) == distance(b) && a.id < b.id);
  });

  double cumulative = 0.0;
  std::size_t last = 0;  // the token with which the mass is reached; equally distant ones stay too
  for (; last + 1 < candidates_.size(); ++last) {
    cumulative += candidates_[last].weight / total;
    if (cumulative >= mass_) break;
  }
  const double farthest = distance(candidates_[last]);
  for (const Candidate& c : candidates_) {
    if (distance(c) > farthest) forbid(c.id, scores);
  }
}

}  // namespace gemma3n
