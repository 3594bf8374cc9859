// The forms in which a matrix can be kept, and the way from the checkpoint's form to them.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "gemma3n/quantization.h"
#include "ops/weight.h"

namespace gemma3n {

struct WeightForm {
  Storage storage = Storage::kRows;
  DType dtype = DType::kF32;  // of kRows

  bool operator==(const WeightForm&) const = default;
};

// Of a matrix stored as `shape`: the one that is read, the transpose for columns, [O, windows] for
// convolutions.
Shape shape_as_read(const Shape& shape, Access access);

// Whether the values of a matrix stored as `shape` lie in the order in which they are read.
bool lies_as_read(const Shape& shape, Access access);

// [O, ...] as [O, I].
Weight as_matrix(const Weight& w);

// How a matrix of the checkpoint, of this shape and dtype, is kept in a model or a checkpoint of
// such a quantization. What has no whole groups stays as it is.
WeightForm form_of(const Shape& stored, DType dtype, Access access, Quantization quantization);

// Of a matrix of this shape, as it is read.
std::size_t size_bytes(WeightForm form, const Shape& shape);
Weight weight_of(WeightForm form, const void* data, const Shape& shape);

// Rows that are written together: one, or those of a block.
Index rows_together(WeightForm form);

// Writes rows [first, first + n) of `from`, as they are read, to `to`. `first` must be a multiple
// of rows_together.
//   importance: as of quantize(), for groups along the inputs.
// Throws: as quantize().
void write_rows(ThreadPool& pool, const Weight& from, Access access, WeightForm form, Index first,
                Index n, std::byte* to, std::span<const float> importance = {});

}  // namespace gemma3n
