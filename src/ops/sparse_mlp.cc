#include "ops/sparse_mlp.h"

#include <algorithm>
#include <cstdint>

#include "ops/input_squares.h"

namespace gemma3n {
namespace {

constexpr Index kRowBlock = 128;  // rows that share a neuron of up while they are in the cache

std::size_t size(Index i) { return static_cast<std::size_t>(i); }

// The active neurons of all rows, row after row: row t's are [first[t], first[t + 1]).
struct Survivors {
  std::span<Index> first;          // [T + 1]
  std::span<std::int32_t> neuron;  // ascending within a row
  std::span<float> value;          // f(gate - cutoff), later times up
};

Survivors find_survivors(Ops& op, View<const float> gate, float std_multiplier, Activation f) {
  const auto [T, F] = dims<2>(gate);
  const auto rows = size(T), width = size(F);
  const KernelTable& k = op.kernels();
  auto cutoff = op.arena().array<float>(rows);
  Survivors s;
  s.first = op.arena().array<Index>(rows + 1);
  s.first[0] = 0;
  op.for_rows(T, 4 * F, [&](Index begin, Index end) {
    for (auto t = size(begin); t < size(end); ++t) {
      const float* row = gate[static_cast<Index>(t)].data();
      float mean = 0, std = 0;
      k.mean_std(row, width, &mean, &std);
      cutoff[t] = mean + std * std_multiplier;
      s.first[t + 1] = static_cast<Index>(k.select_above(row, width, cutoff[t], nullptr, nullptr));
    }
  });
  for (std::size_t t = 0; t < rows; ++t) s.first[t + 1] += s.first[t];

  const auto total = size(s.first[rows]);
  s.neuron = op.arena().array<std::int32_t>(total);
  auto value = op.arena().tensor({static_cast<Index>(total)});
  op.for_rows(T, F, [&](Index begin, Index end) {
    for (auto t = size(begin); t < size(end); ++t) {
      const Index at = s.first[t];
      k.select_above(gate[static_cast<Index>(t)].data(), width, cutoff[t], s.neuron.data() + at,
                     value.data() + at);
    }
  });
  s.value = op.activate(value, f).span();
  return s;
}

// The same pairs (row, neuron), in each block of rows ordered by neuron: neuron n's of block b are
// [begin(b, n), begin(b, n + 1)), rows ascending.
struct ByNeuron {
  Index F, blocks;
  std::span<Index> first;  // [blocks, F + 1]
  std::span<Index> place;  // index into Survivors::value
  std::span<std::int32_t> row;
  std::span<float> product;  // up[neuron] . x[row]

  std::size_t begin(Index b, Index n) const { return size(first[size(b * (F + 1) + n)]); }
};

ByNeuron order_by_neuron(Ops& op, const Survivors& s, Index T, Index F) {
  ByNeuron b;
  b.F = F;
  b.blocks = (T + kRowBlock - 1) / kRowBlock;
  b.first = op.arena().array<Index>(size(b.blocks * (F + 1)));
  b.place = op.arena().array<Index>(s.neuron.size());
  b.row = op.arena().array<std::int32_t>(s.neuron.size());
  b.product = op.arena().array<float>(s.neuron.size());
  op.pool().run(b.blocks, [&](Index block) {
    const Index t0 = block * kRowBlock, t1 = std::min(T, t0 + kRowBlock);
    Index* first = b.first.data() + block * (F + 1);
    // Counted two places further, summed one place further: then each is its neuron's next place,
    // and at the end the next neuron's first.
    std::fill_n(first, F + 1, 0);
    const Index begin = s.first[size(t0)];
    const Index end = s.first[size(t1)];
    for (Index i = begin; i < end; ++i) {
      const Index n = s.neuron[size(i)];
      if (n + 2 <= F) ++first[n + 2];
    }
    first[0] = begin;
    if (F > 0) first[1] = begin;
    for (Index n = 1; n < F; ++n) first[n + 1] += first[n];
    for (Index t = t0; t < t1; ++t) {
      for (Index i = s.first[size(t)]; i < s.first[size(t) + 1]; ++i) {
        const auto at = size(first[s.neuron[size(i)] + 1]++);
        b.place[at] = i;
        b.row[at] = static_cast<std::int32_t>(t);
      }
    }
  });
  return b;
}

// Asks for bytes that will be read soon.
void prefetch(const void* begin, Index bytes) {
  constexpr Index kLine = 64;
  for (Index i = 0; i < bytes; i += kLine) {
    __builtin_prefetch(static_cast<const std::byte*>(begin) + i);
  }
}

// The weights of neuron n from `first` on: fetch() asks for them, as neurons lie far apart, and
// read() gives them where they lie.
template <typename W>
struct StoredRows {
  const Weight& w;

  void fetch(Index n, Index first, Index count) const {
    prefetch(at(n, first), count * static_cast<Index>(sizeof(W)));
  }
  const W* read(Index n, Index first, Index, float*) const { return at(n, first); }

 private:
  const W* at(Index n, Index first) const {
    return static_cast<const W*>(w.data) + n * w.shape[1] + first;
  }
};

// The same of rows of groups: `count` values, written to `scratch`.
template <typename Group>
struct GroupRows {
  const Weight& w;
  void (*widen)(const Group*, float*, std::size_t);

  void fetch(Index n, Index first, Index count) const {
    prefetch(at(n, first), count / kSize * static_cast<Index>(sizeof(Group)));
  }
  const float* read(Index n, Index first, Index count, float* scratch) const {
    widen(at(n, first), scratch, size(count / kSize));
    return scratch;
  }

 private:
  static constexpr auto kSize = static_cast<Index>(kGroup);
  const Group* at(Index n, Index first) const {
    return static_cast<const Group*>(w.data) + (n * w.shape[1] + first) / kSize;
  }
};

// value[i] *= up[neuron] . x[row]. A weight row is read once for all rows of a block that need it.
template <typename W, typename Rows>
void multiply_up(Ops& op, void (*dot_rows)(const DotRows<W>&), const Rows& up, View<const float> x,
                 const ByNeuron& b, const Survivors& s) {
  constexpr Index kMostPieces = 128;
  constexpr std::size_t kAhead = 4;  // neurons, where each has one row
  const Index D = x.shape()[1], F = b.F;
  auto rows = op.arena().array<const float*>(b.row.size());
  const Index parts = std::max<Index>(2, kMostPieces / std::max<Index>(1, b.blocks));
  const Index part = (F + parts - 1) / parts, pieces = b.blocks * parts;
  auto scratch = op.arena().array<float>(size(pieces * D));
  op.pool().run(pieces, [&](Index piece) {
    const Index block = piece / parts, n0 = piece % parts * part;
    for (Index n = n0; n < std::min(F, n0 + part); ++n) {
      const auto first = b.begin(block, n), last = b.begin(block, n + 1);
      if (first == last) continue;
      const auto ahead = std::max(last, first + kAhead);
      if (ahead < b.begin(block, F)) up.fetch(s.neuron[size(b.place[ahead])], 0, D);
      for (auto i = first; i < last; ++i) rows[i] = x[b.row[i]].data();
      dot_rows({.w = up.read(n, 0, D, scratch.data() + piece * D),
                .x = rows.data() + first,
                .count = last - first,
                .K = size(D),
                .y = b.product.data() + first});
      for (auto i = first; i < last; ++i) {
        s.value[size(b.place[i])] *= b.product[i];
      }
    }
  });
}

// y[t] = sum_i value[i] down[neuron[i]] over row t's survivors. The same channels of all rows
// follow each other: what one row has read is in a cache for the next ones.
template <typename W, typename Rows>
void add_down(Ops& op, void (*add_rows)(const AddRows<W>&), const Rows& down, const Survivors& s,
              View<float> y) {
  constexpr Index kPiece = 512;  // channels, so that one row's work can be shared too
  constexpr std::size_t kTogether = 4;
  constexpr std::size_t kAhead = 4;  // neurons
  static_assert(kPiece % kGroup == 0);
  const auto [T, D] = dims<2>(y);
  const Index pieces = (D + kPiece - 1) / kPiece;
  op.pool().run(T * pieces, [&, T = T, D = D](Index piece) {
    float scratch[kTogether * kPiece];
    const W* rows[kTogether];
    const Index d0 = piece / T * kPiece, d1 = std::min(D, d0 + kPiece);
    const Index t = piece % T;
    const auto first = size(s.first[size(t)]), last = size(s.first[size(t + 1)]);
    float* out = y[t].data() + d0;
    std::fill_n(out, d1 - d0, 0.0f);
    for (auto i = first; i < last; i += kTogether) {
      const std::size_t count = std::min(kTogether, last - i);
      for (std::size_t j = 0; j < count; ++j) {
        if (i + j + kAhead < last) down.fetch(s.neuron[i + j + kAhead], d0, d1 - d0);
        rows[j] = down.read(s.neuron[i + j], d0, d1 - d0, scratch + j * kPiece);
      }
      add_rows(
          {.rows = rows, .h = s.value.data() + i, .count = count, .y = out, .N = size(d1 - d0)});
    }
  });
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
  if (up.inputs != nullptr) up.inputs->add(x);
  const KernelTable& k = op.kernels();
  auto y = op.arena().tensor({T, D});
  const ArenaScope scratch(op.arena());
  const Survivors s = find_survivors(op, gate, std_multiplier, f);
  const ByNeuron by_neuron = order_by_neuron(op, s, T, F);
  with_rows(k, up, [&](auto dot_rows, auto, const auto& rows) {
    multiply_up(op, dot_rows, rows, x, by_neuron, s);
  });
  with_rows(k, down.rows,
            [&](auto, auto add_rows, const auto& rows) { add_down(op, add_rows, rows, s, y); });
  return y;
}

}  // namespace gemma3n
