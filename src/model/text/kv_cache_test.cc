#include "model/text/kv_cache.h"

#include <gtest/gtest.h>

#include <cmath>

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

constexpr CacheStorage kStorages[] = {CacheStorage::kF32, CacheStorage::kBF16, CacheStorage::kInt8};

// Numbers that every storage holds as they are: bf16 has eight bits of them.
float number_of(Index entry) { return static_cast<float>(entry % 251); }

void fill(KvCache& cache, Index layer, Index entry) {
  const auto place = cache.place(layer, 0, entry);
  const std::vector<float> key(4, number_of(entry)), value(4, -number_of(entry));
  for (Index h = 0; h < 2; ++h) {
    cache.layout().store(portable_kernels(), key.data(), value.data(), place.page, h, place.slot);
  }
}

// What attention reads of a key's first number and of a value's last one.
float read(const KvLayout& layout, const std::byte* at, const std::byte* scale) {
  switch (layout.storage) {
    case CacheStorage::kF32:
      return *reinterpret_cast<const float*>(at);
    case CacheStorage::kBF16: {
      float x;
      portable_kernels().widen_bf16(reinterpret_cast<const Bf16*>(at), &x, 1);
      return x;
    }
    case CacheStorage::kInt8:
      break;
  }
  return std::round(*reinterpret_cast<const std::int8_t*>(at) *
                    *reinterpret_cast<const float*>(scale));
}
float key_at(const KvCache& cache, const KeyRange& range, Index head, Index entry) {
  const KvLayout& layout = cache.layout();
  const std::byte* page = range.pages[entry / kPageEntries % range.page_count].get();
  const Index slot = entry % kPageEntries;
  return read(layout, page + layout.key(head, slot), page + layout.key_scale(head, slot));
}
float value_at(const KvCache& cache, const KeyRange& range, Index head, Index entry) {
  const KvLayout& layout = cache.layout();
  const std::byte* page = range.pages[entry / kPageEntries % range.page_count].get();
  const Index slot = entry % kPageEntries;
  return read(layout, page + layout.value(head, slot) + 3 * layout.element_bytes(),
              page + layout.value_scale(head, slot));
}

TEST(KvCache, ASlidingLayerSeesTheWindowAndAFullOneAll) {
  KvCache cache(tiny_config(3), 1);
  for (Index i = 0; i < 10; ++i) cache.append(0, i);
  EXPECT_EQ(cache.visible(0, 0, 9).begin, 7);
  EXPECT_EQ(cache.visible(0, 0, 9).end, 10);
  EXPECT_EQ(cache.visible(0, 0, 1).begin, 0);
  EXPECT_EQ(cache.visible(1, 0, 9).begin, 0);
  EXPECT_EQ(cache.visible(2, 0, 9).pages, cache.visible(0, 0, 9).pages);  // shared
  EXPECT_EQ(cache.visible(3, 0, 9).pages, cache.visible(1, 0, 9).pages);
}

TEST(KvCache, WindowsCountPaddingSlots) {
  KvCache cache(tiny_config(3), 1);
  cache.append(0, 0);
  cache.append(0, 1);
  cache.append(0, 5);  // 2 to 4 were padding
  EXPECT_EQ(cache.visible(0, 0, 2).begin, 2);
  EXPECT_EQ(cache.visible(1, 0, 2).begin, 0);
}

void expect_entries(const KvCache& cache, std::size_t sequence, Index newest) {
  for (const Index layer : {0, 1}) {
    const KeyRange range = cache.visible(layer, sequence, newest);
    for (const Index j : {range.begin, (range.begin + newest) / 2, newest}) {
      for (Index h = 0; h < 2; ++h) {
        ASSERT_EQ(key_at(cache, range, h, j), number_of(j)) << layer << " " << newest;
        ASSERT_EQ(value_at(cache, range, h, j), -number_of(j)) << layer << " " << newest;
      }
    }
  }
}

TEST(KvCache, KeepsEntriesWhileItGrowsAndWraps) {
  const Index n = 3000;
  for (const CacheStorage storage : kStorages) {
    for (const Index window : {1, 100, 512, 513, 514}) {  // rings of one to three pages
      KvCache cache(tiny_config(window), 1, 0, storage);
      for (Index i = 0; i < n; ++i) {
        cache.append(0, i);
        for (const Index layer : {0, 1}) fill(cache, layer, i);
        expect_entries(cache, 0, i);
        EXPECT_EQ(cache.visible(0, 0, i).begin, std::max<Index>(0, i - window + 1));
      }
      const auto copy = cache.repeat(2);
      EXPECT_EQ(copy->sequences(), 2u);
      EXPECT_EQ(copy->size_bytes(), 2 * cache.size_bytes());
      expect_entries(*copy, 1, n - 1);
    }
  }
}

// A pass writes all its keys before its first query reads.
TEST(KvCache, APassOverwritesNothingThatItsFirstQuerySees) {
  for (const Index window : {1, 2, 511, 512, 513}) {
    for (const Index past : {window - 1, window, window + 1, Index{1500}}) {
      KvCache cache(tiny_config(window), 1);
      const auto append = [&](Index count) {
        for (Index i = 0; i < count; ++i) fill(cache, 0, cache.append(0, cache.next_slot(0)));
      };
      for (Index left = past; left > 0; left -= KvCache::kMaxPassRows) {
        append(std::min(left, KvCache::kMaxPassRows));
      }
      append(KvCache::kMaxPassRows);
      for (Index i = past; i < past + KvCache::kMaxPassRows; ++i) {
        const KeyRange range = cache.visible(0, 0, i);
        ASSERT_EQ(range.end - range.begin, std::min(window, i + 1));
        ASSERT_EQ(key_at(cache, range, 1, range.begin), number_of(range.begin));
        ASSERT_EQ(key_at(cache, range, 1, i), number_of(i));
      }
    }
  }
}

TEST(KvCache, TakesTheBytesOfItsStorage) {
  const Index full = 3 * kPageEntries, ring = 2 * kPageEntries;  // of 1200 tokens, window 8
  const Index heads = 2 * 2 * (full + ring);                     // keys and values
  for (const auto& [storage, bytes] :
       {std::pair{CacheStorage::kF32, 16}, std::pair{CacheStorage::kBF16, 8},
        std::pair{CacheStorage::kInt8, 8}}) {
    KvCache cache(tiny_config(8), 1, 0, storage);
    for (Index i = 0; i < 1200; ++i) cache.append(0, i);
    EXPECT_EQ(cache.size_bytes(), static_cast<std::size_t>(heads * bytes));
  }
}

TEST(KvCache, RewindsWhatIsStillThereAndEmptiesOtherwise) {
  KvCache cache(tiny_config(8), 1);
  for (Index i = 0; i < 2000; ++i) cache.append(0, i);
  cache.rewind(0, 2000 - KvCache::kMaxPassRows, 2000 - KvCache::kMaxPassRows);
  EXPECT_EQ(cache.entries(0), 2000 - KvCache::kMaxPassRows);
  cache.rewind(0, 100, 100);
  EXPECT_EQ(cache.entries(0), 0);
}

// What a ring lost before one rewind is still lost after it.
TEST(KvCache, RewindsTwiceOnlyToWhatIsStillThere) {
  const Index ring = 2 * kPageEntries;  // of window 8
  KvCache cache(tiny_config(8), 1);
  for (Index i = 0; i < 2000; ++i) fill(cache, 0, cache.append(0, i));
  const auto copy = cache.repeat(1);
  cache.rewind(0, 1500, 1500);
  cache.rewind(0, 2000 - ring + 7, 2000 - ring + 7);
  EXPECT_EQ(cache.entries(0), 2000 - ring + 7);
  fill(cache, 0, cache.append(0, cache.next_slot(0)));
  const KeyRange range = cache.visible(0, 0, cache.entries(0) - 1);
  EXPECT_EQ(key_at(cache, range, 0, range.begin), number_of(range.begin));
  cache.rewind(0, 2000 - ring + 6, 2000 - ring + 6);
  EXPECT_EQ(cache.entries(0), 0);

  copy->rewind(0, 1500, 1500);
  copy->repeat(1)->rewind(0, 2000 - ring + 7, 2000 - ring + 7);
  const auto again = copy->repeat(1);
  again->rewind(0, 2000 - ring + 6, 2000 - ring + 6);
  EXPECT_EQ(again->entries(0), 0);
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
