#include "ops/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"

namespace gemma3n {
namespace {

constexpr auto kGroupSize = static_cast<Index>(kGroup);
constexpr auto kRows = static_cast<Index>(kBlockRows);

// A group of each of kBlockRows rows. Rows lie side by side, so that a vector has one lane for
// each.
template <typename T>
using Tile = T[kGroup][kBlockRows];

struct QuantizedTile {
  F16 scales[kBlockRows];
  Tile<std::int8_t> values;
};

bool is_int4(Storage storage) {
  check(storage != Storage::kRows, "blocks or groups");
  return storage == Storage::kInt4Blocks || storage == Storage::kInt4Groups;
}

void read_group(const Weight& w, Index row, Index g, float* group) {
  const Index at = row * w.shape[1] + g * kGroupSize;
  const KernelTable& k = active_kernels();
  switch (w.dtype) {
    case DType::kBF16:
      return k.widen_bf16(static_cast<const Bf16*>(w.data) + at, group, kGroup);
    case DType::kF16:
      return k.widen_f16(static_cast<const F16*>(w.data) + at, group, kGroup);
    default:
      std::memcpy(group, static_cast<const std::byte*>(w.data) + at * 4, kGroup * sizeof(float));
  }
}

// Rows from `row` on; those behind the last are zeros.
void read_tile(const Weight& w, Index row, Index g, Tile<float>& x) {
  for (std::size_t o = 0; o < kBlockRows; ++o) {
    float group[kGroup] = {};
    const Index at = row + static_cast<Index>(o);
    if (at < w.shape[0]) read_group(w, at, g, group);
    for (std::size_t k = 0; k < kGroup; ++k) x[k][o] = group[k];
  }
}

// The largest size in each row.   Throws: kUnsupported if a value is not finite.
void find_sizes(const Tile<float>& x, float (&sizes)[kBlockRows]) {
  std::int32_t most[kBlockRows] = {};  // as whole numbers: NaN is the largest of all
  for (const auto& values : x) {
    for (std::size_t o = 0; o < kBlockRows; ++o) {
      most[o] = std::max(most[o], std::bit_cast<std::int32_t>(values[o]) & 0x7FFFFFFF);
    }
  }
  for (std::size_t o = 0; o < kBlockRows; ++o) {
    sizes[o] = std::bit_cast<float>(most[o]);
    if (std::isfinite(sizes[o])) continue;
    fail(ErrorCode::kUnsupported, "weights that are not finite cannot be quantised");
  }
}

// Of weights of this size, with the scale chosen for them.
void check_scale(float scale, float size) {
  if (std::isfinite(scale) && (scale != 0.0f || size <= 1.0f)) return;
  fail(ErrorCode::kUnsupported, "weights of ", size,
       " are too large to be quantised: their scale has 16 bits");
}

// Of each group the largest becomes 1, so that equal ones are as none.   returns [I]
std::vector<float> relative_importance(std::span<const float> importance, Index I) {
  if (importance.empty()) return std::vector<float>(static_cast<std::size_t>(I), 1.0f);
  check(std::ssize(importance) == I, "one importance for each column");
  std::vector<float> relative;
  for (std::size_t first = 0; first < importance.size(); first += kGroup) {
    const auto group = importance.subspan(first, kGroup);
    for (const float v : group) {
      if (std::isfinite(v) && v >= 0.0f) continue;
      fail(ErrorCode::kInvalidArgument, "importance: expected a number of 0 or more, got ", v);
    }
    const float most = std::ranges::max(group);
    for (const float v : group) {
      relative.push_back(most > 0.0f ? std::max(v / most, kLeastImportance) : 1.0f);
    }
  }
  return relative;
}

void quantize_tile(const Tile<float>& x, const float* importance, Storage storage,
                   QuantizedTile& tile) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23
  const float low = is_int4(storage) ? -8.0f : -127.0f, high = is_int4(storage) ? 7.0f : 127.0f;
  float sizes[kBlockRows], scales[kBlockRows], inverses[kBlockRows];
  find_sizes(x, sizes);
  if (is_int4(storage)) {
    active_kernels().find_int4_scales({x[0], importance, scales});
  } else {
    std::ranges::transform(sizes, scales, [](float size) { return size / 127.0f; });
  }
  std::ranges::transform(scales, tile.scales, narrow_f16);
  active_kernels().widen_f16(tile.scales, scales, kBlockRows);
  for (std::size_t o = 0; o < kBlockRows; ++o) {
    check_scale(scales[o], sizes[o]);
    inverses[o] = scales[o] == 0.0f ? 0.0f : 1.0f / scales[o];
  }
  for (std::size_t k = 0; k < kGroup; ++k) {
    for (std::size_t o = 0; o < kBlockRows; ++o) {
      const float wanted = std::clamp(x[k][o] * inverses[o], low, high);
      tile.values[k][o] = static_cast<std::int8_t>((wanted + kRound) - kRound);
    }
  }
}

std::byte int4_pair(std::int8_t low, std::int8_t high) {
  return static_cast<std::byte>((low + 8) | (high + 8) << 4);
}

// The tile as a group of a block.
void write_block(const QuantizedTile& tile, Storage storage, std::byte* to) {
  std::memcpy(to, tile.scales, sizeof tile.scales);
  for (std::size_t k = 0; k < kGroup; ++k) {
    const auto& values = tile.values[k];
    if (is_int4(storage)) {
      for (std::size_t o = 0; o < kInt4Half; ++o) {
        to[int4_place(o, k)] = int4_pair(values[o], values[o + kInt4Half]);
      }
    } else {
      for (std::size_t o = 0; o < kBlockRows; ++o) {
        to[int8_place(o, k)] = static_cast<std::byte>(values[o]);
      }
    }
  }
}

// Row o of the tile as a group by itself.
void write_group(const QuantizedTile& tile, std::size_t o, Storage storage, std::byte* to) {
  std::memcpy(to, &tile.scales[o], sizeof(F16));
  to += sizeof(F16);
  if (is_int4(storage)) {
    for (std::size_t k = 0; k < kGroup / 2; ++k) {
      to[k] = int4_pair(tile.values[k][o], tile.values[k + kGroup / 2][o]);
    }
  } else {
    for (std::size_t k = 0; k < kGroup; ++k) to[k] = static_cast<std::byte>(tile.values[k][o]);
  }
}

Index group_bytes(Storage storage) {
  const auto bytes = is_blocks(storage)
                         ? (is_int4(storage) ? kInt4GroupBytes : kInt8GroupBytes)
                         : (is_int4(storage) ? sizeof(Int4Group) : sizeof(Int8Group));
  return static_cast<Index>(bytes);
}

// Rows [row, row + kBlockRows), or up to the last one.   importance: [I], to: of all rows
void write_rows(const Weight& from, const float* importance, Index row, const Weight& result,
                std::byte* to) {
  const Storage storage = result.storage;
  const auto bytes = static_cast<std::size_t>(group_bytes(storage));
  const Index rows = std::min(kRows, from.shape[0] - row);
  Tile<float> x;
  QuantizedTile tile;
  to += static_cast<std::size_t>(result.has_blocks() ? row / kRows : row) * result.stride;
  for (Index g = 0; g < from.shape[1] / kGroupSize; ++g, to += bytes) {
    read_tile(from, row, g, x);
    quantize_tile(x, importance + g * kGroupSize, storage, tile);
    if (result.has_blocks()) {
      write_block(tile, storage, to);
    } else {
      for (std::size_t o = 0; o < static_cast<std::size_t>(rows); ++o) {
        write_group(tile, o, storage, to + o * result.stride);
      }
    }
  }
}

}  // namespace

bool has_whole_groups(const Shape& shape) {
  return shape.rank() == 2 && shape[1] > 0 && shape[1] % kGroupSize == 0;
}

Shape quantized_shape(const Shape& shape, Storage storage) {
  check(has_whole_groups(shape), "rows of whole groups");
  const Index rows = is_blocks(storage) ? (shape[0] + kRows - 1) / kRows : shape[0];
  return {rows, shape[1] / kGroupSize, group_bytes(storage)};
}

std::size_t quantized_size(const Shape& shape, Storage storage) {
  return static_cast<std::size_t>(quantized_shape(shape, storage).size());
}

Weight quantized_weight(const void* data, const Shape& shape, Storage storage) {
  const Shape stored = quantized_shape(shape, storage);
  return {.data = data,
          .dtype = DType::kF32,
          .shape = shape,
          .storage = storage,
          .stride = static_cast<std::size_t>(stored[1] * stored[2])};
}

Weight quantize(ThreadPool& pool, const Weight& from, Storage storage, std::byte* to,
                std::span<const float> importance) {
  check(from.storage == Storage::kRows, "is not quantised yet");
  const Weight result = quantized_weight(to, from.shape, storage);
  const auto relative = relative_importance(importance, from.shape[1]);
  const Index O = from.shape[0];
  pool.run((O + kRows - 1) / kRows,
           [&](Index piece) { write_rows(from, relative.data(), piece * kRows, result, to); });
  return result;
}

}  // namespace gemma3n
