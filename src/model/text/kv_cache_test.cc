#include "model/text/kv_cache.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

// Two owning layers (sliding, full) and two that share them.
TextConfig tiny_config(Index window) {
  TextConfig c;
  c.num_hidden_layers = 4;
  c.num_kv_shared_layers = 2;
  c.num_key_value_heads = 2;
  c.head_dim = 4;
  c.sliding_window = window;
  c.layer_types = {AttentionType::kSliding, AttentionType::kFull, AttentionType::kSliding,
                   AttentionType::kFull};
  return c;
}

void fill(KvCache& cache, Index layer, Index entry, float value) {
  const auto place = cache.place(layer, 0, entry);
  for (Index h = 0; h < 2; ++h) std::fill_n(place.key + h * place.head_stride, 4, value);
}

TEST(KvCache, ASlidingLayerSeesTheWindowAndAFullOneAll) {
  KvCache cache(tiny_config(3), 1);
  for (Index i = 0; i < 10; ++i) cache.append(0, i);
  EXPECT_EQ(cache.visible(0, 0, 9).begin, 7);
  EXPECT_EQ(cache.visible(0, 0, 9).end, 10);
  EXPECT_EQ(cache.visible(0, 0, 1).begin, 0);
  EXPECT_EQ(cache.visible(1, 0, 9).begin, 0);
  EXPECT_EQ(cache.visible(2, 0, 9).keys, cache.visible(0, 0, 9).keys);  // shared
  EXPECT_EQ(cache.visible(3, 0, 9).keys, cache.visible(1, 0, 9).keys);
}

TEST(KvCache, WindowsCountPaddingSlots) {
  KvCache cache(tiny_config(3), 1);
  cache.append(0, 0);
  cache.append(0, 1);
  cache.append(0, 5);  // 2 to 4 were padding
  EXPECT_EQ(cache.visible(0, 0, 2).begin, 2);
  EXPECT_EQ(cache.visible(1, 0, 2).begin, 0);
}

TEST(KvCache, KeepsEntriesWhileItGrowsAndWraps) {
  const Index window = 100, n = 3000;
  KvCache cache(tiny_config(window), 1);
  for (Index i = 0; i < n; ++i) {
    cache.append(0, i);
    for (const Index layer : {0, 1}) fill(cache, layer, i, static_cast<float>(i));
    for (const Index layer : {0, 1}) {
      const KeyRange range = cache.visible(layer, 0, i);
      for (const Index j : {range.begin, (range.begin + i) / 2, i}) {
        ASSERT_EQ(range.keys[j % range.capacity * 4], static_cast<float>(j)) << layer << " " << i;
        ASSERT_EQ(range.keys[(range.capacity + j % range.capacity) * 4], static_cast<float>(j));
      }
    }
  }
  const auto copy = cache.repeat(2);
  EXPECT_EQ(copy->sequences(), 2u);
  const KeyRange range = copy->visible(0, 1, n - 1);
  EXPECT_EQ(range.keys[(n - window) % range.capacity * 4], static_cast<float>(n - window));
}

TEST(KvCache, RewindsWhatIsStillThereAndEmptiesOtherwise) {
  KvCache cache(tiny_config(8), 1);
  for (Index i = 0; i < 2000; ++i) cache.append(0, i);
  cache.rewind(0, 2000 - KvCache::kMaxPassRows, 2000 - KvCache::kMaxPassRows);
  EXPECT_EQ(cache.entries(0), 2000 - KvCache::kMaxPassRows);
  cache.rewind(0, 100, 100);
  EXPECT_EQ(cache.entries(0), 0);
}

TEST(KvCache, AStaticOneRefusesWhatDoesNotFit) {
  KvCache cache(tiny_config(8), 2, 3);
  const std::size_t size = cache.size_bytes();
  for (Index i = 0; i < 3; ++i) cache.append(1, i);
  EXPECT_THROW(cache.append(1, 3), Error);
  EXPECT_EQ(cache.size_bytes(), size);
}

}  // namespace
}  // namespace gemma3n
