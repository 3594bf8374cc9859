// Hints to the kernel about mapped memory. They change speed and residency, never contents.
#pragma once

#include <cstddef>

namespace gemma3n {

// Only single places of [data, data + size) will be read: no read-ahead around them.
void advise_random_access(const void* data, std::size_t size);

// Whole pages inside [data, data + size), part of a file mapping, may leave memory: they can be
// read from the file again.
void release_mapped_pages(const void* data, std::size_t size);

}  // namespace gemma3n
