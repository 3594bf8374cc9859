// Matrices that are too large to be handled at once.
#pragma once

#include <algorithm>

#include "base/pages.h"
#include "ops/weight_form.h"

namespace gemma3n {

inline WeightForm stored_form(const Weight& w) { return {w.storage, w.dtype}; }

// Bytes from the first to the last of a matrix of values, gaps included.
inline std::size_t extent(const Weight& w) {
  if (has_gaps(w)) return static_cast<std::size_t>(w.shape[0]) * row_stride(w);
  return size_bytes(stored_form(w), w.shape);
}

// body(first, n) for all rows of `w`, as they are read, some million values at a time and in whole
// blocks of `form`. Pages of a mapped file may leave memory behind it.
template <typename Body>
void for_parts(const Weight& w, Access access, WeightForm form, bool is_mapped, const Body& body) {
  constexpr Index kPartValues = Index{8} << 20;
  const Shape shape = shape_as_read(w.shape, access);
  const Index block = rows_together(form);
  const Index part = std::max<Index>(1, kPartValues / std::max<Index>(1, shape[1]) / block) * block;
  for (Index first = 0; first < shape[0]; first += part) {
    const Index n = std::min(part, shape[0] - first);
    body(first, n);
    if (!is_mapped || access == Access::kColumns) continue;  // every part of columns is everywhere
    const Weight done = rows_of(as_matrix(w), first, n);
    release_mapped_pages(done.data, extent(done));
  }
  if (is_mapped) release_mapped_pages(w.data, extent(w));
}

}  // namespace gemma3n
