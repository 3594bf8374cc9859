#include "ops/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/blocks.h"
#include "kernels/kernels.h"

namespace gemma3n {
namespace {

constexpr auto kGroupSize = static_cast<Index>(kGroup);
constexpr auto kRows = static_cast<Index>(kBlockRows);

using Group = std::array<float, kGroup>;
using Values = std::array<std::int8_t, kGroup>;

struct QuantizedGroup {
  std::uint16_t scale;  // F16
  Values values;
};

// To nearest even; 65520 and more become infinity.
std::uint16_t f16_from(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const float size = std::fabs(x);
  if (!(size < 65520.0f)) return static_cast<std::uint16_t>(sign | 0x7C00u);
  if (size < 0x1p-14f) {  // subnormal: a multiple of 2^-24
    return static_cast<std::uint16_t>(sign | static_cast<unsigned>(std::nearbyint(size * 0x1p24f)));
  }
  const auto whole = std::bit_cast<std::uint32_t>(size) - (112u << 23);
  return static_cast<std::uint16_t>(sign | ((whole + 0xFFFu + ((whole >> 13) & 1u)) >> 13));
}

float f16_value(std::uint16_t bits) {
  float value = 0;
  const F16 half = {bits};
  portable_kernels().widen_f16(&half, &value, 1);
  return value;
}

// x / scale to the nearest of low..high; 0 if scale is.
Values round_to(const Group& x, float scale, float low, float high) {
  Values values;
  const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23
  for (std::size_t k = 0; k < kGroup; ++k) {
    const float wanted = std::clamp(x[k] * inverse, low, high);
    values[k] = static_cast<std::int8_t>((wanted + kRound) - kRound);
  }
  return values;
}

float squared_error(const Group& x, const Values& values, float scale) {
  float sum = 0;
  for (std::size_t k = 0; k < kGroup; ++k) {
    const float error = x[k] - scale * static_cast<float>(values[k]);
    sum += error * error;
  }
  return sum;
}

float largest_size(const Group& x) {
  float most = 0;
  for (const float v : x) most = std::max(most, std::fabs(v));
  return most;
}

QuantizedGroup quantize_int8(const Group& x) {
  const std::uint16_t scale = f16_from(largest_size(x) / 127.0f);
  return {scale, round_to(x, f16_value(scale), -127.0f, 127.0f)};
}

QuantizedGroup quantize_int4(const Group& x) {
  constexpr float kLow = -8.0f, kHigh = 7.0f;
  constexpr int kSteps = 10;  // on a side: max / 8.4, max / 8.15, ... max / 6.15
  const float most = largest_size(x);
  QuantizedGroup best = {0, {}};
  float least = squared_error(x, best.values, 0.0f);
  const auto consider = [&](float wanted) {
    const std::uint16_t bits = f16_from(wanted);
    const float scale = f16_value(bits);
    const Values values = round_to(x, scale, kLow, kHigh);
    const float error = squared_error(x, values, scale);
    if (error < least) {
      least = error;
      best = {bits, values};
    }
  };
  for (int i = 0; i < kSteps; ++i) {
    const float scale = most / (8.4f - 0.25f * static_cast<float>(i));
    consider(scale);
    consider(-scale);
  }
  // The scale that suits the values found: sum x q / sum q^2.
  float product = 0, square = 0;
  for (std::size_t k = 0; k < kGroup; ++k) {
    const auto q = static_cast<float>(best.values[k]);
    product += x[k] * q;
    square += q * q;
  }
  if (square > 0) consider(product / square);
  return best;
}

template <typename W>
Group read_group(const void* data, Index at, void (*widen)(const W*, float*, std::size_t)) {
  Group x;
  widen(static_cast<const W*>(data) + at, x.data(), kGroup);
  return x;
}

Group read_group(const Weight& w, Index row, Index first) {
  const Index at = row * w.shape[1] + first;
  const KernelTable& k = portable_kernels();
  switch (w.dtype) {
    case DType::kBF16:
      return read_group<Bf16>(w.data, at, k.widen_bf16);
    case DType::kF16:
      return read_group<F16>(w.data, at, k.widen_f16);
    default: {
      Group x;
      std::memcpy(x.data(), static_cast<const std::byte*>(w.data) + at * 4, sizeof x);
      return x;
    }
  }
}

void check_values(const Group& x, const QuantizedGroup& group) {
  if (!std::ranges::all_of(x, [](float v) { return std::isfinite(v); })) {
    fail(ErrorCode::kUnsupported, "weights that are not finite cannot be quantised");
  }
  const float most = largest_size(x);
  const bool vanished = (group.scale & 0x7FFFu) == 0;
  if (!std::isfinite(f16_value(group.scale)) || (vanished && most > 1.0f)) {
    fail(ErrorCode::kUnsupported, "weights of ", most,
         " are too large to be quantised: their scale has 16 bits");
  }
}

void write_int8(const QuantizedGroup& group, std::size_t o, std::byte* to) {
  std::memcpy(to + o * sizeof group.scale, &group.scale, sizeof group.scale);
  for (std::size_t k = 0; k < kGroup; ++k) {
    to[int8_place(o, k)] = static_cast<std::byte>(group.values[k]);
  }
}

void write_int4(const QuantizedGroup& group, std::size_t o, std::byte* to) {
  std::memcpy(to + o * sizeof group.scale, &group.scale, sizeof group.scale);
  for (std::size_t k = 0; k < kGroup; ++k) {
    const auto value = static_cast<std::byte>(group.values[k] + 8);
    std::byte& both = to[int4_place(o, k)];
    both =
        o < kInt4Half ? (both & std::byte{0xF0}) | value : (both & std::byte{0x0F}) | (value << 4);
  }
}

bool is_int4(Storage storage) {
  check(storage != Storage::kRows, "blocks or groups");
  return storage == Storage::kInt4Blocks || storage == Storage::kInt4Groups;
}

QuantizedGroup quantize_group(const Weight& from, Index row, Index g, Storage storage) {
  const Group x = read_group(from, row, g * kGroupSize);
  const QuantizedGroup group = is_int4(storage) ? quantize_int4(x) : quantize_int8(x);
  check_values(x, group);
  return group;
}

// All groups of one block.
void write_block(const Weight& from, Index block, Storage storage, std::byte* to) {
  const Index O = from.shape[0], groups = from.shape[1] / kGroupSize;
  const QuantizedGroup nothing = {0, {}};  // of rows that fill up the last block
  for (Index g = 0; g < groups; ++g) {
    for (Index o = 0; o < kRows; ++o) {
      const Index row = block * kRows + o;
      const auto group = row < O ? quantize_group(from, row, g, storage) : nothing;
      const auto place = static_cast<std::size_t>(o);
      is_int4(storage) ? write_int4(group, place, to) : write_int8(group, place, to);
    }
    to += is_int4(storage) ? kInt4GroupBytes : kInt8GroupBytes;
  }
}

void write_row(const Weight& from, Index row, Storage storage, std::byte* to) {
  for (Index g = 0; g < from.shape[1] / kGroupSize; ++g) {
    const QuantizedGroup group = quantize_group(from, row, g, storage);
    if (is_int4(storage)) {
      Int4Group stored;
      std::memcpy(stored.scale, &group.scale, sizeof group.scale);
      for (std::size_t k = 0; k < kGroup / 2; ++k) {
        stored.values[k] = static_cast<std::uint8_t>((group.values[k] + 8) |
                                                     (group.values[k + kGroup / 2] + 8) << 4);
      }
      std::memcpy(to, &stored, sizeof stored);
      to += sizeof stored;
    } else {
      Int8Group stored;
      std::memcpy(stored.scale, &group.scale, sizeof group.scale);
      std::ranges::copy(group.values, stored.values);
      std::memcpy(to, &stored, sizeof stored);
      to += sizeof stored;
    }
  }
}

Index group_bytes(Storage storage) {
  const auto bytes = is_blocks(storage)
                         ? (is_int4(storage) ? kInt4GroupBytes : kInt8GroupBytes)
                         : (is_int4(storage) ? sizeof(Int4Group) : sizeof(Int8Group));
  return static_cast<Index>(bytes);
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

Weight quantize(ThreadPool& pool, const Weight& from, Storage storage, std::byte* to) {
  check(from.storage == Storage::kRows, "is not quantised yet");
  const Weight result = quantized_weight(to, from.shape, storage);
  pool.parallel_for(quantized_shape(from.shape, storage)[0], 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      std::byte* part = to + static_cast<std::size_t>(i) * result.stride;
      is_blocks(storage) ? write_block(from, i, storage, part) : write_row(from, i, storage, part);
    }
  });
  return result;
}

}  // namespace gemma3n
