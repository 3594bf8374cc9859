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

// The weights of neuron n from `first` on, where they lie.
template <typename W>
struct StoredRows {
  const Weight& w;
  const W* read(Index n, Index first, Index, float*) const {
    return static_cast<const W*>(w.data) + n * w.shape[1] + first;
  }
};

// The same of rows of groups: `count` values, written to `scratch`.
template <typename Group>
struct GroupRows {
  const Weight& w;
  void (*widen)(const Group*, float*, std::size_t);
  const float* read(Index n, Index first, Index count, float* scratch) const {
    constexpr auto kSize = static_cast<Index>(kGroup);
    widen(static_cast<const Group*>(w.data) + (n * w.shape[1] + first) / kSize, scratch,
          static_cast<std::size_t>(count / kSize));
    return scratch;
  }
};

// value[i] *= up[neuron] . x[row], each weight row read once for all tokens that need it.
template <typename W, typename Rows>
void multiply_up(Ops& op, void (*dot_rows)(const DotRows<W>&), const Rows& up, View<const float> x,
                 Index F, const Survivors& s) {
  constexpr Index kMostPieces = 128;
  const Index D = x.shape()[1];
  const auto total = s.neuron.size();
  const ByNeuron b = order_by_neuron(op, s, x.shape()[0], F);
  auto rows = op.arena().array<const float*>(total);
  for (std::size_t i = 0; i < total; ++i) rows[i] = x[b.row[i]].data();
  auto products = op.arena().array<float>(total);
  const Index piece = (F + kMostPieces - 1) / kMostPieces, pieces = (F + piece - 1) / piece;
  auto scratch = op.arena().array<float>(static_cast<std::size_t>(pieces * D));
  op.pool().run(pieces, [&](Index p) {
    for (Index n = p * piece; n < std::min(F, (p + 1) * piece); ++n) {
      const auto first = static_cast<std::size_t>(b.first[static_cast<std::size_t>(n)]);
      const auto last = static_cast<std::size_t>(b.first[static_cast<std::size_t>(n) + 1]);
      if (first == last) continue;
      dot_rows({.w = up.read(n, 0, D, scratch.data() + p * D),
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
template <typename W, typename Rows>
View<float> add_down(Ops& op, void (*add_rows)(const AddRows<W>&), const Rows& down, Index T,
                     Index D, const Survivors& s) {
  constexpr Index kPiece = 512;  // channels, so that one token's work can be shared too
  constexpr std::size_t kTogether = 16;
  static_assert(kPiece % kGroup == 0);
  const Index pieces = (D + kPiece - 1) / kPiece;
  auto y = op.arena().tensor({T, D});
  op.pool().run(T * pieces, [&](Index piece) {
    float scratch[kTogether * kPiece];
    const W* rows[kTogether];
    const Index d0 = piece % pieces * kPiece, d1 = std::min(D, d0 + kPiece);
    const auto t = static_cast<std::size_t>(piece / pieces);
    const auto last = static_cast<std::size_t>(s.first[t + 1]);
    float* out = y[piece / pieces].data() + d0;
    std::fill_n(out, d1 - d0, 0.0f);
    for (auto i = static_cast<std::size_t>(s.first[t]); i < last; i += kTogether) {
      const std::size_t count = std::min(kTogether, last - i);
      for (std::size_t j = 0; j < count; ++j) {
        rows[j] = down.read(s.neuron[i + j], d0, d1 - d0, scratch + j * kPiece);
      }
      add_rows({.rows = rows,
                .h = s.value.data() + i,
                .count = count,
                .y = out,
                .N = static_cast<std::size_t>(d1 - d0)});
    }
  });
  return y;
}

// f(dot_rows, add_rows, rows) for how w is stored.
template <typename F>
auto with_rows(const KernelTable& k, const Weight& w, const F& f) {
  if (w.storage == Storage::kInt8Groups) {
    return f(k.dot_rows_f32, k.add_rows_f32, GroupRows<Int8Group>{w, k.widen_int8});
  }
  if (w.storage == Storage::kInt4Groups) {
    return f(k.dot_rows_f32, k.add_rows_f32, GroupRows<Int4Group>{w, k.widen_int4});
  }
  check(w.storage == Storage::kRows, "weights of neurons lie in rows");
  switch (w.dtype) {
    case DType::kF32:
      return f(k.dot_rows_f32, k.add_rows_f32, StoredRows<float>{w});
    case DType::kBF16:
      return f(k.dot_rows_bf16, k.add_rows_bf16, StoredRows<Bf16>{w});
    case DType::kF16:
      return f(k.dot_rows_f16, k.add_rows_f16, StoredRows<F16>{w});
    default:
      fail(ErrorCode::kInternal, "a weight is f32, bf16 or f16");
  }
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
  with_rows(k, up, [&](auto dot_rows, auto, const auto& rows) {
    multiply_up(op, dot_rows, rows, x, F, s);
  });
  return with_rows(k, down.rows, [&, T = T, D = D](auto, auto add_rows, const auto& rows) {
    return add_down(op, add_rows, rows, T, D, s);
  });
}

}  // namespace gemma3n
