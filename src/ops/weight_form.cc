#include "ops/weight_form.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/kernels.h"
#include "ops/quantize.h"

namespace gemma3n {
namespace {

bool is_int(Quantization quantization) {
  return quantization == Quantization::kInt8 || quantization == Quantization::kInt4;
}

// Columns [first, first + n) of `from` [R, C] to rows of `to`, in squares that stay in the cache.
template <typename T>
void transpose(ThreadPool& pool, const Weight& from, Index first, Index n, std::byte* to) {
  constexpr Index kSquare = 64;
  const Index R = from.shape[0];
  const auto row = static_cast<Index>(row_stride(from));
  const auto* source = static_cast<const std::byte*>(from.data);
  constexpr auto kSize = static_cast<Index>(sizeof(T));
  pool.parallel_for(n, kSquare, [&](Index c0, Index c1) {
    for (Index r0 = 0; r0 < R; r0 += kSquare) {
      const Index r1 = std::min(R, r0 + kSquare);
      for (Index c = c0; c < c1; ++c) {
        for (Index r = r0; r < r1; ++r) {  // may be unaligned
          std::memcpy(to + (c * R + r) * kSize, source + r * row + (first + c) * kSize, sizeof(T));
        }
      }
    }
  });
}

// Rows [first, first + n) of a convolution [O, I, height, width]: channels go innermost.
template <typename T>
void gather_windows(ThreadPool& pool, const Weight& from, Index first, Index n, std::byte* to) {
  const Index I = from.shape[1], taps = from.shape[2] * from.shape[3];
  const auto* source = static_cast<const std::byte*>(from.data);
  constexpr auto kSize = static_cast<Index>(sizeof(T));
  pool.parallel_for(n, 1, [&](Index begin, Index end) {
    for (Index o = begin; o < end; ++o) {
      const std::byte* row = source + (first + o) * I * taps * kSize;  // may be unaligned
      std::byte* window = to + o * I * taps * kSize;
      for (Index tap = 0; tap < taps; ++tap) {
        for (Index i = 0; i < I; ++i) {
          std::memcpy(window + (tap * I + i) * kSize, row + (i * taps + tap) * kSize, sizeof(T));
        }
      }
    }
  });
}

void write_windows(ThreadPool& pool, const Weight& from, Index first, Index n, std::byte* to) {
  size_bytes(from.dtype) == 4 ? gather_windows<std::uint32_t>(pool, from, first, n, to)
                              : gather_windows<std::uint16_t>(pool, from, first, n, to);
}

void write_transposed(ThreadPool& pool, const Weight& from, Index first, Index n, std::byte* to) {
  size_bytes(from.dtype) == 4 ? transpose<std::uint32_t>(pool, from, first, n, to)
                              : transpose<std::uint16_t>(pool, from, first, n, to);
}

// To nearest even; NaN stays one.
std::uint16_t bf16_from(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (std::isnan(x)) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

void widen(const std::byte* from, DType dtype, float* to, std::size_t n) {
  const KernelTable& k = portable_kernels();
  switch (dtype) {
    case DType::kBF16:
      return k.widen_bf16(reinterpret_cast<const Bf16*>(from), to, n);
    case DType::kF16:
      return k.widen_f16(reinterpret_cast<const F16*>(from), to, n);
    default:
      std::memcpy(to, from, n * sizeof(float));
  }
}

// n values to bf16 or f32.
void convert(const std::byte* from, DType dtype, std::byte* to, DType wanted, std::size_t n) {
  constexpr std::size_t kPiece = 256;
  float values[kPiece];
  std::uint16_t halves[kPiece];
  for (std::size_t i = 0; i < n; i += kPiece) {
    const std::size_t count = std::min(kPiece, n - i);
    widen(from + i * size_bytes(dtype), dtype, values, count);
    if (wanted == DType::kF32) {
      std::memcpy(to + i * sizeof(float), values, count * sizeof(float));
    } else {
      std::transform(values, values + count, halves, bf16_from);
      std::memcpy(to + i * sizeof(std::uint16_t), halves, count * sizeof(std::uint16_t));
    }
  }
}

void write_converted(ThreadPool& pool, const Weight& from, DType wanted, std::byte* to) {
  constexpr Index kPiece = 65536;
  const auto* source = static_cast<const std::byte*>(from.data);
  check(wanted == DType::kF32 || wanted == DType::kBF16 || wanted == from.dtype, "bf16 or f32");
  pool.parallel_for(from.shape.size(), kPiece, [&](Index begin, Index end) {
    const auto i = static_cast<std::size_t>(begin), n = static_cast<std::size_t>(end - begin);
    const std::byte* part = source + i * size_bytes(from.dtype);
    std::byte* place = to + i * size_bytes(wanted);
    if (wanted == from.dtype) {
      std::memcpy(place, part, n * size_bytes(wanted));
    } else {
      convert(part, from.dtype, place, wanted, n);
    }
  });
}

// Rows [first, first + n) of `from` without the gaps between them.
void gather_rows(ThreadPool& pool, const Weight& from, Index first, Index n, std::byte* to) {
  const std::size_t row = static_cast<std::size_t>(from.shape[1]) * size_bytes(from.dtype);
  pool.parallel_for(n, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      std::memcpy(to + static_cast<std::size_t>(i) * row, rows_of(from, first + i, 1).data, row);
    }
  });
}

}  // namespace

Shape shape_as_read(const Shape& shape, Access access) {
  switch (access) {
    case Access::kColumns:
      return {shape[1], shape[0]};
    case Access::kTower:
      return {shape[0], shape[0] == 0 ? 0 : shape.size() / shape[0]};
    default:
      return shape;
  }
}

bool lies_as_read(const Shape& shape, Access access) {
  if (access == Access::kTower) return shape.rank() == 2 || shape[2] * shape[3] == 1;
  return access != Access::kColumns;
}

Weight as_matrix(const Weight& w) {
  Weight matrix = w;
  matrix.shape = shape_as_read(w.shape, Access::kTower);
  return matrix;
}

WeightForm form_of(const Shape& stored, DType dtype, Access access, Quantization quantization) {
  const WeightForm as_it_is = {Storage::kRows, dtype};
  if (access == Access::kAsStored || quantization == Quantization::kNone) return as_it_is;
  if (!is_int(quantization)) {
    if (access == Access::kTable) return as_it_is;
    return {Storage::kRows, quantization == Quantization::kF32 ? DType::kF32 : DType::kBF16};
  }
  if (!has_whole_groups(shape_as_read(stored, access))) return as_it_is;
  const bool is_int4 = quantization == Quantization::kInt4;
  if (access == Access::kTower) return {Storage::kInt8Blocks};
  if (access == Access::kProduct) return {is_int4 ? Storage::kInt4Blocks : Storage::kInt8Blocks};
  return {is_int4 ? Storage::kInt4Groups : Storage::kInt8Groups};
}

std::size_t size_bytes(WeightForm form, const Shape& shape) {
  return form.storage == Storage::kRows
             ? static_cast<std::size_t>(shape.size()) * size_bytes(form.dtype)
             : quantized_size(shape, form.storage);
}

Weight weight_of(WeightForm form, const void* data, const Shape& shape) {
  if (form.storage != Storage::kRows) return quantized_weight(data, shape, form.storage);
  return {.data = data, .dtype = form.dtype, .shape = shape};
}

Index rows_together(WeightForm form) {
  return is_blocks(form.storage) ? static_cast<Index>(kBlockRows) : 1;
}

void write_rows(ThreadPool& pool, const Weight& from, Access access, WeightForm form, Index first,
                Index n, std::byte* to, std::span<const float> importance) {
  check(from.storage == Storage::kRows, "the form of a checkpoint");
  std::vector<std::byte> rearranged;
  Weight rows;
  if (lies_as_read(from.shape, access) && !has_gaps(from)) {
    rows = rows_of(as_matrix(from), first, n);
  } else {
    const auto rearrange = access == Access::kColumns         ? write_transposed
                           : lies_as_read(from.shape, access) ? gather_rows
                                                              : write_windows;
    if (form == WeightForm{Storage::kRows, from.dtype}) return rearrange(pool, from, first, n, to);
    rows = {nullptr, from.dtype, {n, shape_as_read(from.shape, access)[1]}};
    rearranged.resize(size_bytes({Storage::kRows, from.dtype}, rows.shape));
    rearrange(pool, from, first, n, rearranged.data());
    rows.data = rearranged.data();
  }
  if (form.storage == Storage::kRows) return write_converted(pool, rows, form.dtype, to);
  quantize(pool, rows, form.storage, to, importance);
}

}  // namespace gemma3n
