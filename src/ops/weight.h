// Weights as model code holds them: what they are, not how they are stored.
#pragma once

#include <vector>

#include "gemma3n/tensor.h"
#include "tensor/view.h"

namespace gemma3n {

class InputSquares;

// How the values of a Weight are laid out.
enum class Storage {
  kRows,        // row-major, of `dtype`; `data` may be unaligned
  kInt8Blocks,  // the blocks of kernels/table.h: for products; `dtype` says nothing
  kInt4Blocks,
  kInt8Groups,  // rows of Int8Group or Int4Group: for what is read row by row
  kInt4Groups,
};

inline bool is_blocks(Storage storage) {
  return storage == Storage::kInt8Blocks || storage == Storage::kInt4Blocks;
}

// How model code reads a matrix, which decides how it lies if it has few bits.
enum class Access {
  kAsStored,  // small, or no matrix: always as the checkpoint has it
  kProduct,   // as a whole, in products; single rows too: blocks
  kTower,     // as kProduct, in a tower, which 4 bits would blur: 8 bits at least. A convolution
              // [O, I, height, width] is multiplied with windows: [O, height * width * I]
  kRows,      // single rows: groups
  kColumns,   // single columns: the transpose, in rows or in groups
  kTable,     // few rows of many: where it lies in the map; groups in a quantised checkpoint
};

// A matrix [O, I], or a table of O rows. As rows it stays where it lies in the mapped checkpoint,
// in the checkpoint's dtype: kF32, kF16 or kBF16. Model code hands it to Ops and never asks.
struct Weight {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;
  Storage storage = Storage::kRows;
  // Bytes from block to block, or from row to row. 0: rows of values without gaps between them.
  std::size_t stride = 0;
  InputSquares* inputs = nullptr;  // adds up what the matrix is multiplied with; null: nobody asks

  explicit operator bool() const { return data != nullptr; }  // optional weights may be absent
  bool has_blocks() const { return is_blocks(storage); }
};

// Bytes from row to row of a matrix of values (kRows), and whether there is something else between.
inline std::size_t row_stride(const Weight& w) {
  return w.stride != 0 ? w.stride : static_cast<std::size_t>(w.shape[1]) * size_bytes(w.dtype);
}
inline bool has_gaps(const Weight& w) {
  return w.storage == Storage::kRows && w.shape.rank() == 2 &&
         row_stride(w) != static_cast<std::size_t>(w.shape[1]) * size_bytes(w.dtype);
}

// Rows [first, first + n) of a matrix. Of blocks, `first` must be a multiple of kBlockRows.
Weight rows_of(const Weight& w, Index first, Index n);
// The first n columns of a matrix. Of blocks and groups, n must be a multiple of kGroup.
Weight columns_of(const Weight& w, Index n);

// A one-dimensional weight (norm scale, bias), converted to f32 at load.
struct Vector {
  std::vector<float> values;

  Index size() const { return static_cast<Index>(values.size()); }
  const float* data() const { return values.empty() ? nullptr : values.data(); }
};

}  // namespace gemma3n
