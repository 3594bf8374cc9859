// How much work the model cannot do without: what `bench` holds its measurements against.
//
// Counted are the matrices, with the bytes they take where they lie, scales included, and the
// attention over cached positions, because they are all but a percent of the work. Left out are
// norms, activation functions, rotary embedding, the mixing of AltUp's streams, and the traffic of
// what is computed on the way; of the cache, what a prompt writes and finds again.
//
// What need not be done is not counted:
//  * layers without keys and values of their own, for all prompt tokens but the last;
//  * of up_proj and down_proj in a layer of sparsity s, the share s of the neurons;
//  * the vocabulary head, for all prompt tokens but the last;
//  * of tables that are looked up, all rows but those of the tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "gemma3n/model.h"
#include "gemma3n/system.h"

namespace gemma3n::cli {

struct Work {
  double f32_ops = 0, int8_ops = 0;  // a multiply-add is two; int8: with weights of 8 bits or less
  double bytes = 0;                  // read from memory

  explicit operator bool() const { return f32_ops + int8_ops + bytes > 0; }
  Work& operator+=(const Work& more);
};

// The least time that a machine of these limits needs, and what keeps it from being less.
struct Bound {
  double seconds = 0;
  bool is_memory = false;  // reading, not computing
};
Bound bound_of(const Work& work, const MachineLimits& limits);

// To read a prompt of `prompt_tokens` and give the first new token.
Work prefill_work(const TextConfig& config, std::span<const MatrixInfo> matrices,
                  std::int64_t prompt_tokens);

// Of one decode step, with `context_tokens` before the new one.
Work decode_work(const TextConfig& config, std::span<const MatrixInfo> matrices, CacheStorage cache,
                 std::int64_t context_tokens);

// Multiply-adds of the vision tower for a picture of `size` x `size` pixels: counted for the
// published width and 768 pixels only.
std::optional<double> vision_multiply_adds(const VisionConfig& config, std::int64_t size);
// Multiply-adds of the audio tower for a clip with sound from beginning to end.
double audio_multiply_adds(const AudioConfig& config, std::int64_t seconds);

// The published towers, with a text model that is as small as can be.
Config published_towers();

// The published models: "e2b" or "e4b".   Throws: kInvalidArgument for another name.
TextConfig published_config(std::string_view name);

}  // namespace gemma3n::cli
