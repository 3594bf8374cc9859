#include "generation/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "generation/portable_exp.h"

namespace gemma3n {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

struct WideProduct {
  std::uint32_t high, low;
};

WideProduct multiply(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t product = static_cast<std::uint64_t>(a) * b;
  return {static_cast<std::uint32_t>(product >> 32), static_cast<std::uint32_t>(product)};
}

std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

// Of scores that something can be drawn from.
float finite_top(std::span<const float> scores) {
  const float top = scores[static_cast<std::size_t>(largest(scores))];
  if (std::isinf(top)) {
    fail(ErrorCode::kInvalidArgument,
         "generate: a score is infinite, so there is nothing to draw from; use a temperature or "
         "repetition_penalty nearer to 1");
  }
  return top;
}

// Proportional to the probability of a token.
double weight(float score, float top) {
  return score == kForbidden ? 0.0 : portable_exp(static_cast<double>(score) - top);
}

double total_weight(std::span<const float> scores, float top) {
  double total = 0.0;
  for (const float score : scores) total += weight(score, top);
  return total;
}

}  // namespace

PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;  // golden ratio, sqrt(3) - 1
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const WideProduct p0 = multiply(kMultiplier0, counter[0]);
    const WideProduct p1 = multiply(kMultiplier1, counter[2]);
    counter = {p1.high ^ counter[1] ^ key[0], p1.low, p0.high ^ counter[3] ^ key[1], p0.low};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

double uniform(const DrawId& id) {
  const std::uint64_t place = id.position + (static_cast<std::uint64_t>(id.purpose) << 56);
  const PhiloxCounter words =
      philox4x32_10({low_word(place), high_word(place), low_word(id.copy), high_word(id.copy)},
                    {low_word(id.seed), high_word(id.seed)});
  const std::uint64_t bits = (static_cast<std::uint64_t>(words[0]) << 32) | words[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

TokenId largest(std::span<const float> scores) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) {
      fail(ErrorCode::kInvalidArgument, "generate: the score of token ", i, " is not a number");
    }
    if (scores[i] > scores[best]) best = i;
  }
  if (scores.empty() || scores[best] == kForbidden) {
    fail(ErrorCode::kInvalidArgument,
         "generate: every token is forbidden at this step; allow some of bad_words_ids, "
         "no_repeat_ngram_size, min_length or min_new_tokens");
  }
  return static_cast<TokenId>(best);
}

double probability(std::span<const float> scores, TokenId id) {
  const float top = finite_top(scores);
  return weight(scores[static_cast<std::size_t>(id)], top) / total_weight(scores, top);
}

TokenId CategoricalSampler::draw(std::span<const float> scores, double u) {
  const float top = finite_top(scores);
  steps_.clear();
  double total = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double w = weight(scores[i], top);
    if (w == 0.0) continue;
    total += w;
    steps_.push_back({static_cast<TokenId>(i), total});
  }
  return choose(u);
}

TokenId CategoricalSampler::draw_excess(std::span<const float> scores,
                                        std::span<const float> proposed, double u) {
  const float top = finite_top(scores), proposed_top = finite_top(proposed);
  const double norm = total_weight(scores, top),
               proposed_norm = total_weight(proposed, proposed_top);
  steps_.clear();
  double total = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double excess =
        weight(scores[i], top) / norm - weight(proposed[i], proposed_top) / proposed_norm;
    if (excess <= 0.0) continue;
    total += excess;
    steps_.push_back({static_cast<TokenId>(i), total});
  }
  return steps_.empty() ? draw(scores, u) : choose(u);
}

TokenId CategoricalSampler::choose(double u) const {
  const double total = steps_.back().cumulative;
  const auto chosen = std::ranges::upper_bound(steps_, u * total, {}, &Step::cumulative);
  // u * total may round up to total itself.
  return chosen == steps_.end() ? steps_.back().id : chosen->id;
}

}  // namespace gemma3n
