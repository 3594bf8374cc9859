// How keys and values are held in memory.
#pragma once

#include <string_view>

namespace gemma3n {

//   kF32:  as they are computed.
//   kBF16: rounded to bfloat16: half the memory, and half the time to read a long context.
//   kInt8: 8 bits, with a scale for each head of each token: a quarter.
// Whatever is chosen, every token reads what was rounded, so that no result depends on how a prompt
// is cut into passes.
enum class CacheStorage { kF32, kBF16, kInt8 };

// "f32", "bf16" and "int8".   Throws: kInvalidArgument for another name.
CacheStorage cache_storage_from_name(std::string_view name);
std::string_view cache_storage_name(CacheStorage storage);

}  // namespace gemma3n
