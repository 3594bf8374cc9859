#include "ops/ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "gemma3n/system.h"
#include "ops/attend.h"
#include "ops/quantize.h"
#include "ops/sparse_mlp.h"

namespace gemma3n {
namespace {

std::vector<float> random_floats(Index n, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) v = normal(rng);
  return values;
}

std::vector<float> copied(View<const float> x) { return {x.span().begin(), x.span().end()}; }

// Everything here runs on each instruction set and with one and three threads: same bits.
class OpsTest : public testing::TestWithParam<const KernelTable*> {
 protected:
  Arena arena;
  ThreadPool one{1}, three{3};
  Ops op{*GetParam(), arena, one};
  Ops op3{*GetParam(), arena, three};
  Ops plain{portable_kernels(), arena, one};
};

TEST_P(OpsTest, LinearHasTheSameBitsForAnyThreadsRowsAndInstructionSet) {
  const Index T = 150, I = 70, O = 210;
  const auto x = random_floats(T * I, 1), values = random_floats(O * I, 2);
  const Weight w{values.data(), DType::kF32, {O, I}};
  const View<const float> input(x.data(), {T, I});
  const auto expected = copied(plain.linear(input, w));
  EXPECT_EQ(copied(op.linear(input, w)), expected);
  EXPECT_EQ(copied(op3.linear(input, w)), expected);
  for (const Index t : {Index{0}, Index{77}, T - 1}) {
    const auto row = copied(op.linear(View<const float>(input[t].data(), {1, I}), w));
    for (Index o = 0; o < O; ++o) {
      ASSERT_EQ(row[static_cast<std::size_t>(o)], expected[static_cast<std::size_t>(t * O + o)]);
    }
  }
}

TEST_P(OpsTest, LinearRefusesAnInputOfTheWrongWidth) {
  const std::vector<float> values(6);
  const Weight w{values.data(), DType::kF32, {2, 3}};
  EXPECT_THROW(op.linear(View<const float>(values.data(), {3, 2}), w), Error);
}

// One x, weights of several storages and widths, in one part or in many: what each gives alone.
TEST_P(OpsTest, LinearOfSeveralWeightsIsThatOfEach) {
  const Index I = 64;
  for (const Index T : {0, 1, 5, 130}) {
    for (const Index O : {5, 50, 97, 410}) {
      const auto x = random_floats(T * I, 20), values = random_floats(O * I, 21);
      const View<const float> input(x.data(), {T, I});
      const Weight rows{values.data(), DType::kF32, {O, I}};
      const auto quantized = [&](Storage storage, std::vector<std::byte>& bytes) {
        bytes.resize(quantized_size(rows.shape, storage));
        return quantize(one, rows, storage, bytes.data());
      };
      std::vector<std::byte> bytes[2];
      const Weight int8 = quantized(Storage::kInt8Blocks, bytes[0]);
      const Weight int4 = quantized(Storage::kInt4Blocks, bytes[1]);
      const Weight few = rows_of(rows, 3, 2);
      const auto y = op3.linear(input, int8, few, int4, int8);
      EXPECT_EQ(copied(y[0]), copied(plain.linear(input, int8)));
      EXPECT_EQ(copied(y[1]), copied(plain.linear(input, few)));
      EXPECT_EQ(copied(y[2]), copied(plain.linear(input, int4)));
      EXPECT_EQ(copied(y[3]), copied(y[0]));
    }
  }
}

// So large that there are parts of few rows of x, of more columns than the fewest.
TEST_P(OpsTest, PartsOfARowAreTheRow) {
  const Index I = 2048, O = 1500;
  const auto values = random_floats(O * I, 30);
  const Weight rows{values.data(), DType::kF32, {O, I}};
  std::vector<std::byte> bytes(quantized_size(rows.shape, Storage::kInt4Blocks));
  const Weight int4 = quantize(one, rows, Storage::kInt4Blocks, bytes.data());
  for (const Index T : {1, 2, 3}) {
    const auto x = random_floats(T * I, 31);
    const View<const float> input(x.data(), {T, I});
    for (const Weight* w : {&rows, &int4}) {
      EXPECT_EQ(copied(op3.linear(input, *w)), copied(op.linear(input, *w)));
      EXPECT_EQ(copied(op.linear(input, *w)), copied(plain.linear(input, *w)));
    }
  }
}

TEST_P(OpsTest, GatedAndScaledSumAreWhatTheyStandFor) {
  const Shape shape{3, 5000};
  const auto a = random_floats(shape.size(), 22), b = random_floats(shape.size(), 23);
  const auto c = random_floats(shape.size(), 24);
  const View<const float> va(a.data(), shape), vb(b.data(), shape), vc(c.data(), shape);
  for (const Activation f : {Activation::kGeluTanh, Activation::kSilu, Activation::kRelu}) {
    EXPECT_EQ(copied(op3.gated(va, f, vb)), copied(op.mul(op.activate(va, f), vb)));
  }
  EXPECT_EQ(copied(op3.scaled_sum(va, vb, vc, 0.7f)),
            copied(op.scale(op.add(op.add(va, vb), vc), 0.7f)));
}

// Attention in the plain order: all scores, one softmax, one sum, in f64.
std::vector<double> reference_attention(const float* q, const std::vector<const float*>& keys,
                                        const std::vector<const float*>& values, Index E) {
  std::vector<double> weight;
  double total = 0;
  for (const float* key : keys) {
    double score = 0;
    for (Index e = 0; e < E; ++e) score += static_cast<double>(q[e]) * static_cast<double>(key[e]);
    weight.push_back(std::exp(score));
    total += weight.back();
  }
  std::vector<double> out(static_cast<std::size_t>(E));
  for (std::size_t j = 0; j < values.size(); ++j) {
    for (Index e = 0; e < E; ++e) {
      out[static_cast<std::size_t>(e)] += weight[j] / total * static_cast<double>(values[j][e]);
    }
  }
  return out;
}

constexpr CacheStorage kStorages[] = {CacheStorage::kF32, CacheStorage::kBF16, CacheStorage::kInt8};

// Pages full of random keys and values, and what a reader gets from them.
struct RandomPages {
  KvLayout layout;
  std::vector<KvPage> pages;

  RandomPages(const KvLayout& shape, Index count) : layout(shape) {
    for (Index i = 0; i < count * kPageEntries; ++i) {
      if (i % kPageEntries == 0) pages.push_back(layout.new_page());
      for (Index head = 0; head < layout.K; ++head) {
        const auto seed = static_cast<unsigned>(100 + 2 * (i * layout.K + head));
        const auto key = random_floats(layout.E, seed), value = random_floats(layout.E, seed + 1);
        layout.store(portable_kernels(), key.data(), value.data(), pages.back().get(), head,
                     i % kPageEntries);
      }
    }
  }
  KeyRange range(Index begin, Index end) const {
    return {pages.data(), static_cast<Index>(pages.size()), begin, end};
  }
  std::vector<float> read(Index entry, Index offset, Index scale_offset) const {
    const auto page = static_cast<std::size_t>(entry / kPageEntries) % pages.size();
    const std::byte* at = pages[page].get() + offset;
    std::vector<float> x(static_cast<std::size_t>(layout.E));
    switch (layout.storage) {
      case CacheStorage::kF32:
        std::copy_n(reinterpret_cast<const float*>(at), layout.E, x.data());
        break;
      case CacheStorage::kBF16:
        portable_kernels().widen_bf16(reinterpret_cast<const Bf16*>(at), x.data(), x.size());
        break;
      case CacheStorage::kInt8:
        portable_kernels().widen_bytes(reinterpret_cast<const std::int8_t*>(at), x.data(),
                                       x.size());
        for (float& v : x) v *= *reinterpret_cast<const float*>(pages[page].get() + scale_offset);
        break;
    }
    return x;
  }
  std::vector<float> key(Index head, Index entry) const {
    const Index slot = entry % kPageEntries;
    return read(entry, layout.key(head, slot), layout.key_scale(head, slot));
  }
  std::vector<float> value(Index head, Index entry) const {
    const Index slot = entry % kPageEntries;
    return read(entry, layout.value(head, slot), layout.value_scale(head, slot));
  }
};

TEST_P(OpsTest, AttendMatchesAPlainSoftmaxOverARing) {
  const Index T = 20, H = 6, K = 2, E = 12, capacity = 2 * kPageEntries;
  const auto q = random_floats(T * H * E, 3);
  const View<const float> query(q.data(), {T, H, E});
  for (const CacheStorage storage : kStorages) {
    const RandomPages all({storage, K, E}, 2);
    std::vector<KeyRange> ranges;
    for (Index t = 0; t < T; ++t) {  // windows of all lengths, most across the ring's end
      const Index end = capacity - 20 + 13 * t;
      ranges.push_back(all.range(std::max<Index>(end - 1 - 57 * t, end - capacity), end));
    }
    const auto out = attend(op3, query, ranges, all.layout);
    EXPECT_EQ(copied(out), copied(attend(plain, query, ranges, all.layout)));
    for (Index t = 0; t < T; ++t) {
      for (Index h = 0; h < H; ++h) {
        std::vector<std::vector<float>> rows;
        std::vector<const float*> k, v;
        const KeyRange& range = ranges[static_cast<std::size_t>(t)];
        for (Index j = range.begin; j < range.end; ++j) {
          rows.push_back(all.key(h / (H / K), j));
          k.push_back(rows.back().data());
          rows.push_back(all.value(h / (H / K), j));
          v.push_back(rows.back().data());
        }
        const auto expected = reference_attention(&query(t, h, 0), k, v, E);
        for (Index e = 0; e < E; ++e) {
          ASSERT_NEAR(out(t, h * E + e), expected[static_cast<std::size_t>(e)], 3e-6)
              << t << " " << h;
        }
      }
    }
  }
}

// Alone, a query's pages are worked on side by side; together, one after the other.
TEST_P(OpsTest, AQuerysAttentionDoesNotDependOnTheOtherQueries) {
  const Index T = 33, H = 4, K = 1;
  for (const CacheStorage storage : kStorages) {
    for (const Index E : {1, 8, 31}) {
      const auto q = random_floats(T * H * E, 6);
      const RandomPages all({storage, K, E}, 3);
      std::vector<KeyRange> ranges;
      for (Index t = 0; t < T; ++t) {
        const Index end = t % 3 == 2 ? t + 1 : 2 * kPageEntries - 10 + t;
        ranges.push_back(all.range(t / 2, end));
      }
      const auto together =
          copied(attend(op, View<const float>(q.data(), {T, H, E}), ranges, all.layout));
      for (Index t = 0; t < T; ++t) {
        for (Ops* ops : {&op, &op3}) {
          const auto row =
              copied(attend(*ops, View<const float>(q.data() + t * H * E, {1, H, E}),
                            std::span(ranges).subspan(static_cast<std::size_t>(t), 1), all.layout));
          ASSERT_TRUE(std::equal(row.begin(), row.end(), together.begin() + t * H * E));
        }
      }
    }
  }
}

TEST_P(OpsTest, AttentionToWhatIsNotFiniteIsNotFinite) {
  for (const CacheStorage storage : kStorages) {
    for (const bool is_key : {false, true}) {
      const KvLayout layout{storage, 1, 9};
      KvPage page = layout.new_page();
      const auto x = random_floats(9, 1);
      for (Index i = 0; i < 3; ++i) {
        auto odd = x;
        if (i == 1) odd[4] = std::nanf("");
        layout.store(op.kernels(), is_key ? odd.data() : x.data(), is_key ? x.data() : odd.data(),
                     page.get(), 0, i);
      }
      const KeyRange range{&page, 1, 0, 3};
      const auto out =
          attend(op, View<const float>(x.data(), {1, 1, 9}), std::span(&range, 1), layout);
      EXPECT_TRUE(std::isnan(out(0, 4)));
    }
  }
}

// The gated MLP with all neurons computed: zeros are added like any other term.
std::vector<float> dense_mlp(Ops& op, View<const float> x, View<const float> gate, float multiplier,
                             const Weight& up, const Weight& down_rows) {
  const Index T = x.shape()[0], F = up.shape[0], D = up.shape[1];
  const auto u = op.linear(x, up);
  std::vector<float> y(static_cast<std::size_t>(T * D), 0.0f);
  for (Index t = 0; t < T; ++t) {
    float mean = 0, std = 0;
    op.kernels().mean_std(gate[t].data(), static_cast<std::size_t>(F), &mean, &std);
    std::vector<float> h(static_cast<std::size_t>(F));
    for (Index n = 0; n < F; ++n) {
      h[static_cast<std::size_t>(n)] = std::max(0.0f, gate(t, n) - (mean + std * multiplier));
    }
    op.kernels().gelu_tanh(h.data(), h.data(), h.size());
    for (Index n = 0; n < F; ++n) {
      const float value = h[static_cast<std::size_t>(n)] * u(t, n);
      for (Index d = 0; d < D; ++d) {
        float& out = y[static_cast<std::size_t>(t * D + d)];
        out = std::fma(value, static_cast<const float*>(down_rows.data)[n * D + d], out);
      }
    }
  }
  return y;
}

TEST_P(OpsTest, SparseMlpHasTheBitsOfTheDenseOne) {
  const Index D = 140, F = 200;           // more channels than one piece of them
  for (const Index T : {1, 7, 8, 140}) {  // few rows, and more than a block of many
    const auto x = random_floats(T * D, 9), gate = random_floats(T * F, 10);
    const auto up = random_floats(F * D, 11), down = random_floats(F * D, 12);
    const Weight w_up{up.data(), DType::kF32, {F, D}}, w_down{down.data(), DType::kF32, {F, D}};
    const View<const float> input(x.data(), {T, D}), gates(gate.data(), {T, F});
    for (const float multiplier : {1.645f, 0.0f, 4.0f}) {
      const auto expected = dense_mlp(op, input, gates, multiplier, w_up, w_down);
      for (Ops* ops : {&op, &op3, &plain}) {
        EXPECT_EQ(copied(sparse_mlp(*ops, input, gates, multiplier, Activation::kGeluTanh, w_up,
                                    {w_down})),
                  expected);
      }
    }
  }
}

// The sparse layers' neurons in groups of 8 and 4 bits: as if their values were stored as f32.
TEST_P(OpsTest, SparseMlpOfGroupsHasTheBitsOfTheDenseOneOfTheirValues) {
  const Index T = 41, D = 544, F = 130;  // more channels than one piece
  const auto x = random_floats(T * D, 16), gate = random_floats(T * F, 17);
  const auto up = random_floats(F * D, 18), down = random_floats(F * D, 19);
  const View<const float> input(x.data(), {T, D}), gates(gate.data(), {T, F});
  std::vector<Index> neurons(static_cast<std::size_t>(F));
  std::iota(neurons.begin(), neurons.end(), Index{0});
  for (const Storage storage : {Storage::kInt8Groups, Storage::kInt4Groups}) {
    std::vector<std::byte> bytes[2];
    std::vector<float> values[2];
    Weight stored[2];
    for (int i = 0; i < 2; ++i) {
      const Weight rows{(i == 0 ? up : down).data(), DType::kF32, {F, D}};
      bytes[i].resize(quantized_size(rows.shape, storage));
      stored[i] = quantize(one, rows, storage, bytes[i].data());
      values[i] = copied(op.lookup(stored[i], neurons, 1.0f));
    }
    const Weight w_up{values[0].data(), DType::kF32, {F, D}};
    const Weight w_down{values[1].data(), DType::kF32, {F, D}};
    for (const float multiplier : {1.645f, 0.0f}) {
      const auto expected = dense_mlp(op, input, gates, multiplier, w_up, w_down);
      const auto run = [&](Ops& ops, Index first, Index n) {
        return copied(sparse_mlp(ops, View<const float>(input[first].data(), {n, D}),
                                 View<const float>(gates[first].data(), {n, F}), multiplier,
                                 Activation::kGeluTanh, stored[0], {stored[1]}));
      };
      EXPECT_EQ(run(op, 0, T), expected);
      EXPECT_EQ(run(op3, 0, T), expected);
      for (Index t = 0; t < T; ++t) {  // rows by themselves
        EXPECT_TRUE(std::ranges::equal(run(op3, t, 1),
                                       std::span(expected).subspan(static_cast<std::size_t>(t * D),
                                                                   static_cast<std::size_t>(D))));
      }
    }
  }
}

TEST_P(OpsTest, SparseMlpDoesNotHideANaNInTheGate) {
  const Index D = 8, F = 16;
  auto gate = random_floats(F, 13);
  gate[3] = std::nanf("");
  const auto x = random_floats(D, 14), w = random_floats(F * D, 15);
  const Weight weight{w.data(), DType::kF32, {F, D}};
  const auto y =
      sparse_mlp(op, View<const float>(x.data(), {1, D}), View<const float>(gate.data(), {1, F}),
                 1.0f, Activation::kGeluTanh, weight, {weight});
  EXPECT_TRUE(std::isnan(y(0, 0)));
}

TEST_P(OpsTest, LookupWidensAndScales) {
  const std::vector<std::uint16_t> table = {0x3F80, 0x4000, 0xBF80, 0x0000};  // 1, 2, -1, 0 in bf16
  const Weight w{table.data(), DType::kBF16, {2, 2}};
  const Index ids[] = {1, 0, 1};
  EXPECT_EQ(copied(op.lookup(w, ids, 3.0f)), (std::vector<float>{-3, 0, 3, 6, -3, 0}));
}

INSTANTIATE_TEST_SUITE_P(EachIsa, OpsTest,
                         testing::ValuesIn(supported_kernels().begin(), supported_kernels().end()),
                         [](const auto& isa) { return std::string(isa.param->name); });

TEST(Activation, NamesAreThoseOfTheConfig) {
  EXPECT_EQ(activation_from_name("gelu_pytorch_tanh"), Activation::kGeluTanh);
  EXPECT_THROW(activation_from_name("mish"), Error);
}

TEST(System, KnowsItsKernels) {
  const SystemInfo info = system_info();
  EXPECT_EQ(info.instruction_sets.front(), "portable");
  EXPECT_FALSE(info.version.empty());
  EXPECT_THROW(measure_limits(0), Error);
}

TEST(System, MeasuresWhatTheMachineCanDo) {
  const MachineLimits limits = measure_limits(1);
  EXPECT_GT(limits.read_bytes_per_second, 0);
  EXPECT_GT(limits.f32_flops_per_second, 0);
  EXPECT_GT(limits.int8_ops_per_second, 0);
}

}  // namespace
}  // namespace gemma3n
