// Turns weights into the blocks and groups of 4 and 8 bits of kernels/table.h.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "ops/weight.h"

namespace gemma3n {

// Whether rows of `shape` [O, I] consist of whole groups.
bool has_whole_groups(const Shape& shape);

// What a matrix takes as blocks or groups: of [0] blocks or rows, [1] groups, [2] bytes each.
Shape quantized_shape(const Shape& shape, Storage storage);
std::size_t quantized_size(const Shape& shape, Storage storage);  // in bytes

// The matrix [O, I] which the bytes at `data` are, stored as blocks or groups.
Weight quantized_weight(const void* data, const Shape& shape, Storage storage);

// Writes `from` (rows [O, I], I a multiple of kGroup) to `to`, quantized_size bytes.
//   8 bits: scale = max |w| / 127.
//   4 bits: the best of 21 scales, as KernelTable::find_int4_scales says.
// Scales are rounded to F16 before values are rounded to them. A group whose scale would be zero in
// F16 becomes zero: channels that training has left unused have such weights. Values that are not
// finite, or too large for a scale, are an error: kUnsupported.
//   importance: of 4 bits, what the squared error of a weight in column i counts, [I]; empty: all
//   the same. Only its ratios within a group matter, and none is above 1 / kLeastImportance: what a
//   measurement has not seen may come. Throws: kInvalidArgument if one is not finite or negative.
inline constexpr float kLeastImportance = 1e-4f;
Weight quantize(ThreadPool& pool, const Weight& from, Storage storage, std::byte* to,
                std::span<const float> importance = {});

}  // namespace gemma3n
