#include "ops/attend.h"

#include <algorithm>
#include <atomic>
#include <limits>

namespace gemma3n {
namespace {

constexpr Index kQueryBlock = 16;  // queries that share a block of keys while it is in the cache
constexpr Index kManyRows = 12;    // from these on it pays to widen values once for all

// Consecutive queries [t0, t1) of one sequence.
struct Block {
  Index t0, t1;
  Index first_page, last_page;  // that one of them sees
};

// Running softmax of R = queries * G rows.
struct Sums {
  float* o;    // [R, E] sum of exp(score - max) * value
  float* max;  // [R]
  float* sum;  // [R] of exp(score - max)

  static Index floats(Index R, Index E) { return R * (E + 2); }
  static Sums in(float* memory, Index R, Index E) {
    return {memory, memory + R * E, memory + R * (E + 1)};
  }
};

// What one thread works with.
struct Scratch {
  float* q;        // [R, E] the queries of one key/value head
  float* scores;   // [R, kKeyBlock]
  float* rescale;  // [R]
  float* values;   // [kKeyBlock, E] widened
  Sums page, total;

  static Index floats(Index R, Index E) {
    return R * E + R * kKeyBlock + R + kKeyBlock * E + 2 * Sums::floats(R, E);
  }
  static Scratch in(float* memory, Index R, Index E) {
    Scratch s;
    s.q = memory;
    s.scores = s.q + R * E;
    s.rescale = s.scores + R * kKeyBlock;
    s.values = s.rescale + R;
    s.page = Sums::in(s.values + kKeyBlock * E, R, E);
    s.total = Sums::in(s.values + kKeyBlock * E + Sums::floats(R, E), R, E);
    return s;
  }
};

// One scratch for each thread that may run at once.
class ScratchPool {
 public:
  ScratchPool(Arena& arena, int threads, Index R, Index E)
      : memory_(arena.tensor({threads, Scratch::floats(R, E)})),
        in_use_(arena.array<std::atomic<bool>>(static_cast<std::size_t>(threads))),
        R_(R),
        E_(E) {
    for (auto& flag : in_use_) new (&flag) std::atomic<bool>(false);
  }

  template <typename Body>
  void with(const Body& body) {
    std::size_t i = 0;
    while (in_use_[i].exchange(true, std::memory_order_acquire)) i = (i + 1) % in_use_.size();
    body(Scratch::in(memory_[static_cast<Index>(i)].data(), R_, E_));
    in_use_[i].store(false, std::memory_order_release);
  }

 private:
  View<float> memory_;
  std::span<std::atomic<bool>> in_use_;
  Index R_, E_;
};

void matmul(const KernelTable& k, const Matmul<float>& m) { k.matmul_f32(m); }
void matmul(const KernelTable& k, const Matmul<Bf16>& m) { k.matmul_bf16(m); }
void matmul(const KernelTable& k, const Matmul<std::int8_t>& m) { k.matmul_bytes(m); }
void attend_values(const KernelTable& k, const AttendValues<float>& a) { k.attend_values_f32(a); }
void attend_values(const KernelTable& k, const AttendValues<Bf16>& a) { k.attend_values_bf16(a); }
void attend_values(const KernelTable& k, const AttendValues<std::int8_t>& a) {
  k.attend_values_bytes(a);
}
void widen(const KernelTable&, const float*, float*, std::size_t) {}  // is never asked for
void widen(const KernelTable& k, const Bf16* x, float* y, std::size_t n) { k.widen_bf16(x, y, n); }
void widen(const KernelTable& k, const std::int8_t* x, float* y, std::size_t n) {
  k.widen_bytes(x, y, n);
}

std::size_t size(Index n) { return static_cast<std::size_t>(n); }

// T: what an element of a page is.
template <typename T>
class Attend {
 public:
  Attend(const KernelTable& kernels, const KvLayout& layout, View<const float> q,
         std::span<const KeyRange> keys, View<float> out)
      : k_(kernels),
        layout_(layout),
        q_(q),
        keys_(keys),
        out_(out),
        E_(layout.E),
        G_(q.shape()[1] / layout.K) {}

  // One key/value head, page after page.
  void all_pages(const Block& block, Index head, const Scratch& scratch) const {
    load_queries(block, head, scratch.q);
    for (Index page = block.first_page; page <= block.last_page; ++page) {
      add_page(block, head, page, scratch, scratch.page);
      merge(block, page, scratch.page, scratch.total);
    }
    write(block, head, scratch.total);
  }

  // One page alone; `sums` are what merge() takes.
  void one_page(const Block& block, Index head, Index page, const Scratch& scratch,
                const Sums& sums) const {
    load_queries(block, head, scratch.q);
    add_page(block, head, page, scratch, sums);
  }

  // total <- total and the sums over a page, for the queries that see it.
  void merge(const Block& block, Index page, const Sums& sums, const Sums& total) const {
    for (Index t = block.t0; t < block.t1; ++t) {
      const KeyRange& range = keys_[size(t)];
      if (range.begin / kPageEntries > page || (range.end - 1) / kPageEntries < page) continue;
      const bool is_first = range.begin / kPageEntries == page;
      for (Index r = (t - block.t0) * G_; r < (t - block.t0 + 1) * G_; ++r) {
        if (is_first) {
          std::copy_n(sums.o + r * E_, E_, total.o + r * E_);
          total.max[r] = sums.max[r];
          total.sum[r] = sums.sum[r];
          continue;
        }
        // With the greater max m': total * exp(total.max - m') + sums * exp(sums.max - m').
        float factor = sums.max[r], unused = 0.0f;
        const float rescale = k_.softmax_block(&factor, 1, &total.max[r], &unused);
        add_scaled(rescale, factor, sums.o + r * E_, total.o + r * E_, E_);
        add_scaled(rescale, factor, sums.sum + r, total.sum + r, 1);
      }
    }
  }

  void write(const Block& block, Index head, const Sums& total) const {
    for (Index t = block.t0; t < block.t1; ++t) {
      for (Index g = 0; g < G_; ++g) {
        const Index r = (t - block.t0) * G_ + g;
        float* out = &out_(t, head * G_ + g, 0);
        for (Index e = 0; e < E_; ++e) out[e] = total.o[r * E_ + e] / total.sum[r];
      }
    }
  }

 private:
  struct Span {
    Index begin, end;
    Index size() const { return end - begin; }
    bool operator==(const Span&) const = default;
  };

  // The entries that query t sees of [begin, end).
  Span seen(Index t, Index begin, Index end) const {
    const KeyRange& range = keys_[size(t)];
    return {std::max(begin, range.begin), std::min(end, range.end)};
  }

  void load_queries(const Block& block, Index head, float* to) const {
    for (Index t = block.t0; t < block.t1; ++t, to += G_ * E_) {
      std::copy_n(&q_(t, head * G_, 0), G_ * E_, to);
    }
  }

  // y <- y * rescale + x * factor
  void add_scaled(float rescale, float factor, const float* x, float* y, Index n) const {
    k_.attend_values_f32({.p = &factor,
                          .p_stride = 1,
                          .scale = &rescale,
                          .G = 1,
                          .v = x,
                          .v_stride = size(n),
                          .n = 1,
                          .o = y,
                          .E = size(n)});
  }

  // sums <- of all entries of a page, for all queries.
  void add_page(const Block& block, Index head, Index page, const Scratch& scratch,
                const Sums& sums) const {
    const Index R = (block.t1 - block.t0) * G_;
    std::fill_n(sums.o, R * E_, 0.0f);
    std::fill_n(sums.max, R, -std::numeric_limits<float>::infinity());
    std::fill_n(sums.sum, R, 0.0f);
    const Index first = page * kPageEntries;
    for (Index begin = first; begin < first + kPageEntries; begin += kKeyBlock) {
      add_block(block, head, page, begin, scratch, sums);
    }
  }

  // The same of entries [begin, begin + kKeyBlock).
  void add_block(const Block& block, Index head, Index page, Index begin, const Scratch& scratch,
                 const Sums& sums) const {
    const Index end = begin + kKeyBlock;
    // Queries [t0, t1) see entries of [all.begin, all.end).
    Index t0 = block.t1, t1 = block.t0;
    Span all = {end, begin};
    for (Index t = block.t0; t < block.t1; ++t) {
      const Span own = seen(t, begin, end);
      if (own.size() <= 0) continue;
      all = {std::min(all.begin, own.begin), std::max(all.end, own.end)};
      t0 = std::min(t0, t);
      t1 = t + 1;
    }
    if (t0 >= t1) return;
    const KeyRange& range = keys_[size(t0)];
    const std::byte* data = range.pages[page % range.page_count].get();
    const Index slot = all.begin - page * kPageEntries;
    const float* key_scales = scales(data + layout_.key_scale(head, slot));
    const float* value_scales = scales(data + layout_.value_scale(head, slot));

    const Index r0 = (t0 - block.t0) * G_, rows = (t1 - t0) * G_;
    const T* keys = reinterpret_cast<const T*>(data + layout_.key(head, slot));
    const T* values = reinterpret_cast<const T*>(data + layout_.value(head, slot));
    matmul(k_, {.x = scratch.q + r0 * E_,
                .x_stride = size(E_),
                .T = size(rows),
                .w = keys,
                .w_stride = size(E_),
                .O = size(all.size()),
                .K = size(E_),
                .y = scratch.scores + r0 * kKeyBlock,
                .y_stride = kKeyBlock});
    for (Index t = t0; t < t1; ++t) {
      const Span own = seen(t, begin, end);
      if (own.size() <= 0) continue;
      const Index from = own.begin - all.begin;
      for (Index r = (t - block.t0) * G_; r < (t - block.t0 + 1) * G_; ++r) {
        float* p = scratch.scores + r * kKeyBlock + from;
        scale_by(key_scales, from, own.size(), p);
        scratch.rescale[r] = k_.softmax_block(p, size(own.size()), &sums.max[r], &sums.sum[r]);
        scale_by(value_scales, from, own.size(), p);
      }
    }

    const bool is_widened = !std::is_same_v<T, float> && rows >= kManyRows;
    if (is_widened) widen(k_, values, scratch.values, size(all.size() * E_));
    for (Index t = t0, next = t0; t < t1; t = next) {  // queries that see the same go together
      const Span own = seen(t, begin, end);
      while (next < t1 && seen(next, begin, end) == own) ++next;
      if (own.size() <= 0) continue;
      const Index from = own.begin - all.begin;
      if (is_widened) {
        add_values(block, t, next, own.size(), from, scratch.values + from * E_, scratch, sums);
      } else {
        add_values(block, t, next, own.size(), from, values + from * E_, scratch, sums);
      }
    }
  }

  template <typename V>
  void add_values(const Block& block, Index t0, Index t1, Index n, Index from, const V* values,
                  const Scratch& scratch, const Sums& sums) const {
    const Index r0 = (t0 - block.t0) * G_;
    attend_values(k_, AttendValues<V>{.p = scratch.scores + r0 * kKeyBlock + from,
                                      .p_stride = kKeyBlock,
                                      .scale = scratch.rescale + r0,
                                      .G = size((t1 - t0) * G_),
                                      .v = values,
                                      .v_stride = size(E_),
                                      .n = size(n),
                                      .o = sums.o + r0 * E_,
                                      .E = size(E_)});
  }

  static constexpr bool kHasScales = std::is_same_v<T, std::int8_t>;
  static const float* scales(const std::byte* at) {
    return kHasScales ? reinterpret_cast<const float*>(at) : nullptr;
  }
  static void scale_by(const float* scales, Index from, Index n, float* x) {
    if constexpr (kHasScales) {
      for (Index i = 0; i < n; ++i) x[i] *= scales[from + i];
    }
  }

  const KernelTable& k_;
  const KvLayout& layout_;
  View<const float> q_;  // [T, H, E]
  std::span<const KeyRange> keys_;
  View<float> out_;  // [T, H, E]
  Index E_;
  Index G_;  // query heads of a key/value head
};

std::span<const Block> blocks_of(Arena& arena, std::span<const KeyRange> keys) {
  const auto blocks = arena.array<Block>(keys.size());
  std::size_t count = 0;
  for (std::size_t t = 0; t < keys.size(); ++t) {
    const auto at = static_cast<Index>(t);
    const Index first = keys[t].begin / kPageEntries, last = (keys[t].end - 1) / kPageEntries;
    if (t > 0 && keys[t].pages == keys[t - 1].pages && at - blocks[count - 1].t0 < kQueryBlock) {
      Block& block = blocks[count - 1];
      block = {block.t0, at + 1, std::min(block.first_page, first),
               std::max(block.last_page, last)};
    } else {
      blocks[count++] = {at, at + 1, first, last};
    }
  }
  return blocks.first(count);
}

template <typename T>
void run(Ops& op, View<const float> q, std::span<const KeyRange> keys, const KvLayout& layout,
         View<float> out) {
  const Index H = q.shape()[1], E = layout.E, K = layout.K;
  const Index R = std::min<Index>(q.shape()[0], kQueryBlock) * (H / K);
  const Attend<T> attend(op.kernels(), layout, q, keys, out);
  const auto blocks = blocks_of(op.arena(), keys);
  const auto pieces = static_cast<Index>(blocks.size()) * K;
  ScratchPool scratch(op.arena(), op.pool().size(), R, E);

  // Few queries, as in a decode step: one thread for each page.
  struct PagePiece {
    const Block* block;
    Index head, page;
  };
  Index pages = 0;
  for (const Block& block : blocks) pages += block.last_page - block.first_page + 1;
  constexpr Index kFewPieces = 4;  // for each thread
  if (pages > static_cast<Index>(blocks.size()) && pieces < kFewPieces * op.pool().size() &&
      q.shape()[0] <= kQueryBlock) {
    const auto page_pieces = op.arena().array<PagePiece>(size(pages * K));
    const auto first_pieces = op.arena().array<Index>(size(pieces));
    Index count = 0;
    for (Index i = 0; i < pieces; ++i) {
      const Block& block = blocks[size(i / K)];
      first_pieces[size(i)] = count;
      for (Index page = block.first_page; page <= block.last_page; ++page) {
        page_pieces[size(count++)] = {&block, i % K, page};
      }
    }
    auto memory = op.arena().tensor({count, Sums::floats(R, E)});
    const auto sums = [&](Index i) { return Sums::in(memory[i].data(), R, E); };
    op.pool().run(count, [&](Index i) {
      const PagePiece& piece = page_pieces[size(i)];
      scratch.with([&](const Scratch& mine) {
        attend.one_page(*piece.block, piece.head, piece.page, mine, sums(i));
      });
    });
    for (Index i = 0; i < pieces; ++i) {
      const Block& block = blocks[size(i / K)];
      scratch.with([&](const Scratch& mine) {
        for (Index page = block.first_page; page <= block.last_page; ++page) {
          attend.merge(block, page, sums(first_pieces[size(i)] + page - block.first_page),
                       mine.total);
        }
        attend.write(block, i % K, mine.total);
      });
    }
    return;
  }
  op.pool().run(pieces, [&](Index i) {
    scratch.with([&](const Scratch& mine) { attend.all_pages(blocks[size(i / K)], i % K, mine); });
  });
}

}  // namespace

View<float> attend(Ops& op, View<const float> q, std::span<const KeyRange> keys,
                   const KvLayout& layout) {
  const auto [T, H, E] = dims<3>(q);
  check(H % layout.K == 0 && E == layout.E && static_cast<Index>(keys.size()) == T,
        "attend: heads and ranges fit");
  auto out = op.arena().tensor({T, H, E});
  const ArenaScope scope(op.arena());
  switch (layout.storage) {
    case CacheStorage::kF32:
      run<float>(op, q, keys, layout, out);
      break;
    case CacheStorage::kBF16:
      run<Bf16>(op, q, keys, layout, out);
      break;
    case CacheStorage::kInt8:
      run<std::int8_t>(op, q, keys, layout, out);
      break;
  }
  return out.reshape({T, H * E});
}

}  // namespace gemma3n
