// Bounds of the hyper-parameters: far above any Gemma 3n, far below where a product of two or three
// of them would overflow or their own lists would cost memory.
#pragma once

#include <cstdint>
#include <string_view>

namespace gemma3n {

inline constexpr std::int64_t kMaxTokens = (std::int64_t{1} << 31) - 1;  // ids and positions
inline constexpr std::int64_t kMaxWidth = std::int64_t{1} << 20;         // D, F, P, R, E, H, H * E
inline constexpr std::int64_t kMaxLayers = 1024;
inline constexpr std::int64_t kMaxStreams = 64;  // A, as the kernels allow

// Throws: kInvalidArgument
void expect_layer_count(std::int64_t num_hidden_layers);
// Throws: kUnsupported
void expect_known_rope_type(std::string_view name, std::string_view rope_type);

}  // namespace gemma3n
