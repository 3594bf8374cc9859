// From the processed scores of one step to one token: the largest, or a draw.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "gemma3n/tokenizer.h"

namespace gemma3n {

// Ten rounds of Philox on four 32-bit words: a bijection of the counter for each key, whose values
// pass the usual tests of randomness. No state: draw number n costs the same as draw number 0.
// Ref: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3
using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;
PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key);

// What a number is drawn for: with an assistant, a token may take several.
enum class DrawPurpose : std::uint64_t { kToken, kDraft, kAcceptance, kExcess };

// Which number of which stream a draw uses. A token's draw depends on nothing else, so it is the
// same in every batch, with any number of threads, and after a generation was stopped and
// continued.
struct DrawId {
  std::uint64_t seed = 0;
  std::uint64_t copy = 0;      // 0 for the first sequence of a prompt, 1 for the second, ...
  std::uint64_t position = 0;  // of the drawn token in its sequence, prompt included; below 2^56
  DrawPurpose purpose = DrawPurpose::kToken;
};

// Uniform in [0, 1): the upper 53 of the 64 bits word0 * 2^32 + word1, times 2^-53, where
//   words = philox4x32_10({place low, place high, copy low, copy high}, {seed low, seed high}),
//   place = position + purpose * 2^56
double uniform(const DrawId& id);

// The id of the largest score; of equal ones the lowest id, as torch.argmax.
// Throws: kInvalidArgument if all scores are -inf or one is NaN.
TokenId largest(std::span<const float> scores);

// softmax(scores)[id], as CategoricalSampler knows it.
// Throws: kInvalidArgument if all scores are -inf, or one is NaN or +inf.
double probability(std::span<const float> scores, TokenId id);

// Draws id i with probability softmax(scores)[i]; -inf means never. Not thread-safe.
class CategoricalSampler {
 public:
  // The first id whose cumulative weight exceeds u times the total, with weights
  // portable_exp(score - largest score) added in double in the order of the ids.
  //   scores: [V] f32;  u in [0, 1)
  // Throws: kInvalidArgument if all scores are -inf, or one is NaN or +inf.
  // Differs: torch.multinomial draws from float32 probabilities with torch's generator; the
  // distribution is the same, the stream is not.
  TokenId draw(std::span<const float> scores, double u);

  // Draws id i in proportion to max(0, softmax(scores)[i] - softmax(proposed)[i]) in the same way;
  // from softmax(scores) if that is 0 for all, which only rounding can bring about.
  TokenId draw_excess(std::span<const float> scores, std::span<const float> proposed, double u);

 private:
  TokenId choose(double u) const;

  struct Step {
    TokenId id;
    double cumulative;
  };
  std::vector<Step> steps_;  // reused between draws
};

}  // namespace gemma3n
