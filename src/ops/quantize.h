// Turns weights into the blocks of 4 and 8 bits of kernels/table.h.
#pragma once

#include "base/thread_pool.h"
#include "ops/weight.h"

namespace gemma3n {

// Whether a matrix can have blocks: a group of k must be whole.
bool can_have_blocks(const Weight& w);

std::size_t blocks_size(const Shape& shape, Storage storage);  // in bytes

// Writes the blocks of `from` (rows [O, I], I a multiple of kGroup) to `to`, blocks_size bytes.
//   8 bits: scale = max |w| / 127.
//   4 bits: of 20 scales around max |w| / 8, of either sign, the one whose values, rounded, have
//   the
//           least squared error; then the scale that fits these values best.
// Scales are rounded to F16 before values are rounded to them. A group whose scale would be zero or
// infinite in F16 is an error: kUnsupported, as are values that are not finite.
Weight quantize_blocks(ThreadPool& pool, const Weight& from, Storage storage, std::byte* to);

}  // namespace gemma3n
