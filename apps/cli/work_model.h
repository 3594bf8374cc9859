// How much work the text model cannot do without: what `bench` holds its measurements against.
//
// Counted are the matrices (and the attention over cached positions), because they are all but a
// percent of the work. Left out are norms, activation functions, rotary embedding, the mixing of
// AltUp's streams, and the one row that a token takes from each embedding table.
//
// What need not be done is not counted:
//  * layers without keys and values of their own, for all prompt tokens but the last;
//  * of up_proj and down_proj in a layer of sparsity s, the share s of the neurons;
//  * the vocabulary head, for all prompt tokens but the last.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gemma3n/config.h"

namespace gemma3n::cli {

// Multiply-adds to read a prompt of `prompt_tokens` and give the first new token.
double prefill_multiply_adds(const TextConfig& config, std::int64_t prompt_tokens);

// Weights (not bytes) that one decode step reads.
double decode_weights(const TextConfig& config);

// Numbers (not bytes) of the key/value cache that a decode step reads, with `context_tokens` before
// the new one.
double decode_cache_values(const TextConfig& config, std::int64_t context_tokens);

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
