#include "ops/sparse_mlp.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gemma3n {
namespace {

// The active neurons of all rows, row after row: row t's are [first[t], first[t + 1]).
struct Survivors {
  std::span<Index> first;   // [T + 1]
  std::span<Index> neuron;  // ascending within a row
  std::span<float> value;   // f(gate - cutoff), later times up
};

// Makes `gate` the activated gate: f(relu(gate - cutoff)). Counts what is not zero.
Index threshold_row(const KernelTable& k, float* gate, std::size_t F, float std_multiplier) {
  float mean = 0, std = 0;
  k.mean_std(gate, F, &mean, &std);
  const float cutoff = mean + std * std_multiplier;
  Index count = 0;
  for (std::size_t n = 0; n < F; ++n) {
    const float above = gate[n] - cutoff;
    gate[n] = above > 0.0f || std::isnan(above) ? above : 0.0f;
    count += gate[n] != 0.0f ? 1 : 0;
  }
  return count;
}

Survivors find_survivors(Ops& op, View<const float> gate, float std_multiplier, Activation f) {
  const auto [T, F] = dims<2>(gate);
  auto above = op.copy(gate);
  Survivors s;
  s.first = op.arena().array<Index>(static_cast<std::size_t>(T) + 1);
  s.first[0] = 0;
  op.for_rows(T, 4 * F, [&, F = F](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      s.first[static_cast<std::size_t>(t) + 1] =
          threshold_row(op.kernels(), above[t].data(), static_cast<std::size_t>(F), std_multiplier);
    }
  });
  for (std::size_t t = 0; t < static_cast<std::size_t>(T); ++t) s.first[t + 1] += s.first[t];

  const auto total = static_cast<std::size_t>(s.first[static_cast<std::size_t>(T)]);
  s.neuron = op.arena().array<Index>(total);
  auto value = op.arena().tensor({static_cast<Index>(total)});
  op.for_rows(T, F, [&, F = F](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      auto at = static_cast<std::size_t>(s.first[static_cast<std::size_t>(t)]);
      const float* row = above[t].data();
      for (Index n = 0; n < F; ++n) {
        if (row[n] == 0.0f) continue;
        s.neuron[at] = n;
        value.data()[at++] = row[n];
      }
    }
  });
  s.value = op.activate(value, f).span();
  return s;
}

// The same pairs (row, neuron) ordered by neuron: neuron n's are [first[n], first[n + 1]).
struct ByNeuron {
  std::span<Index> first;  // [F + 1]
  std::span<Index> place;  // index into Survivors::value
  std::span<Index> row;
};

ByNeuron order_by_neuron(Ops& op, const Survivors& s, Index T, Index F) {
  ByNeuron b;
  b.first = op.arena().array<Index>(static_cast<std::size_t>(F) + 1);
  b.place = op.arena().array<Index>(s.neuron.size());
  b.row = op.arena().array<Index>(s.neuron.size());
  std::ranges::fill(b.first, 0);
  for (const Index n : s.neuron) ++b.first[static_cast<std::size_t>(n) + 1];
  for (std::size_t n = 0; n < static_cast<std::size_t>(F); ++n) b.first[n + 1] += b.first[n];
  auto next = op.arena().array<Index>(static_cast<std::size_t>(F));
  std::ranges::copy(b.first.first(static_cast<std::size_t>(F)), next.begin());
  for (Index t = 0; t < T; ++t) {
    for (Index i = s.first[static_cast<std::size_t>(t)];
         i < s.first[static_cast<std::size_t>(t) + 1]; ++i) {
      const auto at = static_cast<std::size_t>(
          next[static_cast<std::size_t>(s.neuron[static_cast<std::size_t>(i)])]++);
      b.place[at] = i;
      b.row[at] = t;
    }
  }
  return b;
}

// value[i] *= up[neuron] . x[row], each weight row read once for all tokens that need it.
template <typename W>
void multiply_up(Ops& op, void (*dot_rows)(const DotRows<W>&), View<const float> x,
                 const Weight& up, const Survivors& s) {
  const Index F = up.shape[0], D = up.shape[1];
  const auto total = s.neuron.size();
  const ByNeuron b = order_by_neuron(op, s, x.shape()[0], F);
  auto rows = op.arena().array<const float*>(total);
  for (std::size_t i = 0; i < total; ++i) rows[i] = x[b.row[i]].data();
  auto products = op.arena().array<float>(total);
  const Index average = static_cast<Index>(total) / std::max<Index>(1, F) + 1;
  op.for_rows(F, average * D / 4, [&](Index begin, Index end) {
    for (auto n = static_cast<std::size_t>(begin); n < static_cast<std::size_t>(end); ++n) {
      const auto first = static_cast<std::size_t>(b.first[n]);
      const auto last = static_cast<std::size_t>(b.first[n + 1]);
      if (first == last) continue;
      dot_rows({.w = static_cast<const W*>(up.data) + static_cast<Index>(n) * D,
                .x = rows.data() + first,
                .count = last - first,
                .K = static_cast<std::size_t>(D),
                .y = products.data() + first});
      for (std::size_t i = first; i < last; ++i) {
        s.value[static_cast<std::size_t>(b.place[i])] *= products[i];
      }
    }
  });
}

// y[t] = sum_i value[i] down[neuron[i]] over row t's survivors.
template <typename W>
View<float> add_down(Ops& op, void (*add_rows)(const AddRows<W>&), Index T, const Weight& down,
                     const Survivors& s) {
  const Index D = down.shape[1];
  constexpr Index kPiece = 512;  // channels, so that one token's work can be shared too
  const Index pieces = (D + kPiece - 1) / kPiece;
  const auto total = s.neuron.size();
  auto y = op.arena().tensor({T, D});
  auto starts = op.arena().array<const W*>(total * static_cast<std::size_t>(pieces));
  op.pool().run(T * pieces, [&](Index piece) {
    const Index d0 = piece % pieces * kPiece, d1 = std::min(D, d0 + kPiece);
    const auto t = static_cast<std::size_t>(piece / pieces);
    const auto first = static_cast<std::size_t>(s.first[t]);
    const auto count = static_cast<std::size_t>(s.first[t + 1]) - first;
    const W** rows = starts.data() + static_cast<std::size_t>(piece % pieces) * total + first;
    for (std::size_t i = 0; i < count; ++i) {
      rows[i] = static_cast<const W*>(down.data) + s.neuron[first + i] * D + d0;
    }
    float* out = y[piece / pieces].data() + d0;
    std::fill_n(out, d1 - d0, 0.0f);
    add_rows({.rows = rows,
              .h = s.value.data() + first,
              .count = count,
              .y = out,
              .N = static_cast<std::size_t>(d1 - d0)});
  });
  return y;
}

}  // namespace

View<float> sparse_mlp(Ops& op, View<const float> x, View<const float> gate, float std_multiplier,
                       Activation f, const Weight& up, const NeuronRows& down) {
  const auto [T, D] = dims<2>(x);
  const Index F = up.shape[0];
  expect(gate, {T, F}, "sparse_mlp gate");
  check(up.shape == Shape({F, D}) && down.rows.shape == up.shape,
        "sparse_mlp: up and down are [F, D]");
  const KernelTable& k = op.kernels();
  const Survivors s = find_survivors(op, gate, std_multiplier, f);
  switch (up.dtype) {
    case DType::kF32:
      multiply_up(op, k.dot_rows_f32, x, up, s);
      break;
    case DType::kBF16:
      multiply_up(op, k.dot_rows_bf16, x, up, s);
      break;
    case DType::kF16:
      multiply_up(op, k.dot_rows_f16, x, up, s);
      break;
    default:
      check(false, "a weight is f32, bf16 or f16");
  }
  switch (down.rows.dtype) {
    case DType::kF32:
      return add_down(op, k.add_rows_f32, T, down.rows, s);
    case DType::kBF16:
      return add_down(op, k.add_rows_bf16, T, down.rows, s);
    case DType::kF16:
      return add_down(op, k.add_rows_f16, T, down.rows, s);
    default:
      fail(ErrorCode::kInternal, "a weight is f32, bf16 or f16");
  }
}

}  // namespace gemma3n
