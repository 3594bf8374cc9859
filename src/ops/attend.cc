#include "ops/attend.h"

#include <algorithm>
#include <limits>

namespace gemma3n {
namespace {

constexpr Index kQueryBlock = 16;  // queries that share a block of keys while it is in the cache

// One key/value head, some queries.
struct Attend {
  const KernelTable& k;
  View<const float> q;  // [T, H, E]
  std::span<const KeyRange> keys;
  Index head;       // key/value head
  Index G;          // query heads it serves
  View<float> out;  // [T, H, E]
  float* scores;    // [G, kKeyBlock]
  float* max;       // [queries, G]
  float* sum;       // [queries, G]
  float* rescale;   // [G]

  void run(Index t0, Index t1) const {
    const Index E = q.shape()[2];
    Index first = std::numeric_limits<Index>::max(), last = 0;
    for (Index t = t0; t < t1; ++t) {
      first = std::min(first, keys[static_cast<std::size_t>(t)].begin);
      last = std::max(last, keys[static_cast<std::size_t>(t)].end);
      std::fill_n(&out(t, head * G, 0), G * E, 0.0f);
    }
    std::fill_n(max, (t1 - t0) * G, -std::numeric_limits<float>::infinity());
    std::fill_n(sum, (t1 - t0) * G, 0.0f);
    for (Index block = first / kKeyBlock * kKeyBlock; block < last; block += kKeyBlock) {
      for (Index t = t0; t < t1; ++t) add_block(t, block, max + (t - t0) * G, sum + (t - t0) * G);
    }
    for (Index t = t0; t < t1; ++t) {
      for (Index g = 0; g < G; ++g) {
        const float total = sum[(t - t0) * G + g];
        for (Index e = 0; e < E; ++e) out(t, head * G + g, e) /= total;
      }
    }
  }

  // The part of query t's keys that lies in [block, block + kKeyBlock).
  void add_block(Index t, Index block, float* row_max, float* row_sum) const {
    const KeyRange& range = keys[static_cast<std::size_t>(t)];
    const Index begin = std::max(block, range.begin);
    const Index end = std::min(block + kKeyBlock, range.end);
    if (begin >= end) return;
    const auto E = static_cast<std::size_t>(q.shape()[2]);
    const auto n = static_cast<std::size_t>(end - begin);
    const Index offset = (head * range.capacity + begin % range.capacity) * q.shape()[2];
    k.matmul_f32({.x = &q(t, head * G, 0),
                  .x_stride = E,
                  .T = static_cast<std::size_t>(G),
                  .w = range.keys + offset,
                  .w_stride = E,
                  .O = n,
                  .K = E,
                  .y = scores,
                  .y_stride = kKeyBlock});
    for (Index g = 0; g < G; ++g) {
      rescale[g] = k.softmax_block(scores + g * kKeyBlock, n, &row_max[g], &row_sum[g]);
    }
    k.attend_values(scores, kKeyBlock, rescale, static_cast<std::size_t>(G), range.values + offset,
                    E, n, &out(t, head * G, 0), E);
  }
};

}  // namespace

View<float> attend(Ops& op, View<const float> q, std::span<const KeyRange> keys, Index K) {
  const auto [T, H, E] = dims<3>(q);
  check(H % K == 0 && static_cast<Index>(keys.size()) == T, "attend: heads and ranges fit");
  const Index G = H / K;
  auto out = op.arena().tensor({T, H, E});

  const Index blocks = (T + kQueryBlock - 1) / kQueryBlock;
  const Index scratch = G * kKeyBlock + 2 * kQueryBlock * G + G;  // floats of one piece
  const ArenaScope pieces(op.arena());
  auto memory = op.arena().tensor({blocks * K, scratch});
  op.pool().run(blocks * K, [&, T = T](Index piece) {
    const Index t0 = piece / K * kQueryBlock;
    float* scores = memory[piece].data();
    float* max = scores + G * kKeyBlock;
    float* sum = max + kQueryBlock * G;
    const Attend attend{op.kernels(), q,      keys, piece % K, G,
                        out,          scores, max,  sum,       sum + kQueryBlock * G};
    attend.run(t0, std::min(T, t0 + kQueryBlock));
  });
  return out.reshape({T, H * E});
}

}  // namespace gemma3n
