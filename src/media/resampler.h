// Changes the sample rate of mono sound block by block, through libsoxr's HQ recipe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

// n samples become ceil(n * to / from), cut or padded with zeros where libsoxr gives another
// number, as transformers' load_audio does. Blocks of any size give the same samples.
class Resampler {
 public:
  Resampler(int from_hz, int to_hz);  // both positive; equal rates copy
  ~Resampler();
  Resampler(const Resampler&) = delete;
  Resampler& operator=(const Resampler&) = delete;

  // What can be given of the sound so far. Valid until the next call.
  // Throws: kInvalidArgument if samples are so large that others between them are not finite.
  std::span<const float> add(std::span<const float> samples);
  // The rest. The sound ends here.
  std::span<const float> finish();

 private:
  struct State;
  // Runs libsoxr over `samples`, or flushes it if there are none; at most `limit` results are kept.
  void process(std::span<const float> samples, std::int64_t limit);
  void expect_finite(std::span<const float> samples) const;
  std::int64_t length_of(std::int64_t samples) const;

  std::unique_ptr<State> state_;  // null for equal rates
  int from_hz_, to_hz_;
  std::int64_t taken_ = 0, given_ = 0;
  std::vector<float> out_;
};

}  // namespace gemma3n
