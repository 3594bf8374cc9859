#include "model/text/kv_cache.h"

#include <algorithm>

namespace gemma3n {

KvCache::KvCache(const TextConfig& config, std::size_t sequences, Index fixed_slots,
                 CacheStorage storage)
    : layout_{storage, config.num_key_value_heads, config.head_dim},
      window_(config.sliding_window),
      fixed_slots_(fixed_slots) {
  const Index owners = config.first_kv_shared_layer();
  for (Index i = 0; i < config.num_hidden_layers; ++i) {
    kv_layer_.push_back(config.kv_layer(i));
    if (i < owners) {
      is_sliding_.push_back(config.layer_types[static_cast<std::size_t>(i)] ==
                            AttentionType::kSliding);
    }
  }
  sequences_.resize(sequences);
  for (Sequence& sequence : sequences_) {
    sequence.rings.resize(is_sliding_.size());
    if (fixed_slots == 0) continue;
    for (std::size_t r = 0; r < sequence.rings.size(); ++r) {
      reserve(sequence.rings[r], is_sliding_[r], fixed_slots);
    }
  }
}

KvCache::KvCache(const KvCache& other, std::size_t times)
    : layout_(other.layout_),
      window_(other.window_),
      fixed_slots_(other.fixed_slots_),
      kv_layer_(other.kv_layer_),
      is_sliding_(other.is_sliding_) {
  for (const Sequence& sequence : other.sequences_) {
    for (std::size_t i = 0; i < times; ++i) sequences_.push_back(copy(sequence));
  }
}

KvCache::KvCache(const KvCache& other) : KvCache(other, 1) {}

std::unique_ptr<KvCache> KvCache::repeat(std::size_t times) const {
  return std::unique_ptr<KvCache>(new KvCache(*this, times));
}

KvCache::Sequence KvCache::copy(const Sequence& from) const {
  Sequence to;
  to.slots = from.slots;
  to.next_slot = from.next_slot;
  to.written = from.written;
  to.rings.resize(from.rings.size());
  const Index entries = count(from.slots);
  for (std::size_t r = 0; r < from.rings.size(); ++r) {
    for (std::size_t i = 0; i < from.rings[r].size(); ++i) {
      const Index used = entries - static_cast<Index>(i) * kPageEntries;
      KvPage page = layout_.new_page();
      if (used > 0) {
        layout_.copy(from.rings[r][i].get(), page.get(), std::min(used, kPageEntries));
      }
      to.rings[r].push_back(std::move(page));
    }
  }
  return to;
}

// Room for entries [0, entries), of which a sliding layer keeps the last ones only.
void KvCache::reserve(Ring& ring, bool is_sliding, Index entries) const {
  // In a ring, the entries of one pass must not overwrite those its first query still sees.
  if (is_sliding) entries = std::min(entries, window_ - 1 + kMaxPassRows);
  while (capacity(ring) < entries) ring.push_back(layout_.new_page());
}

Index KvCache::append(std::size_t s, Index slot) {
  Sequence& sequence = sequences_[s];
  check(slot >= sequence.next_slot, "slots ascend");
  if (fixed_slots_ > 0 && slot >= fixed_slots_) {
    fail(ErrorCode::kContextFull, "static cache: expected at most ", fixed_slots_,
         " positions (max_cache_len), got one more");
  }
  const Index entry = count(sequence.slots);
  for (std::size_t r = 0; r < sequence.rings.size(); ++r) {
    reserve(sequence.rings[r], is_sliding_[r], entry + 1);
  }
  sequence.slots.push_back(slot);
  sequence.next_slot = slot + 1;
  sequence.written = std::max(sequence.written, entry + 1);
  return entry;
}

void KvCache::skip_to(std::size_t s, Index slot) {
  sequences_[s].next_slot = std::max(sequences_[s].next_slot, slot);
}

void KvCache::rewind(std::size_t s, Index entries, Index next_slot) {
  Sequence& sequence = sequences_[s];
  for (std::size_t r = 0; r < sequence.rings.size(); ++r) {
    const Index oldest_kept = sequence.written - capacity(sequence.rings[r]);
    if (is_sliding_[r] && oldest_kept > std::max<Index>(0, entries - window_ + 1)) {
      entries = next_slot = 0;
    }
  }
  if (entries == 0) sequence.written = 0;
  sequence.slots.resize(static_cast<std::size_t>(entries));
  sequence.next_slot = next_slot;
}

KvCache::Place KvCache::place(Index layer, std::size_t s, Index entry) {
  const Ring& ring = sequences_[s].rings[ring_index(layer)];
  const auto page = static_cast<std::size_t>(entry / kPageEntries) % ring.size();
  return {ring[page].get(), entry % kPageEntries};
}

KeyRange KvCache::visible(Index layer, std::size_t s, Index entry) const {
  const Sequence& sequence = sequences_[s];
  const std::size_t r = ring_index(layer);
  const Ring& ring = sequence.rings[r];
  Index begin = 0;
  if (is_sliding_[r]) {  // key slots j with i - window < j <= i
    const Index oldest = sequence.slots[static_cast<std::size_t>(entry)] - window_ + 1;
    const auto from = sequence.slots.begin() + std::max<Index>(0, entry - window_ + 1);
    begin = std::lower_bound(from, sequence.slots.begin() + entry, oldest) - sequence.slots.begin();
  }
  return {ring.data(), static_cast<Index>(ring.size()), begin, entry + 1};
}

std::size_t KvCache::size_bytes() const {
  std::size_t pages = 0;
  for (const Sequence& sequence : sequences_) {
    for (const Ring& ring : sequence.rings) pages += ring.size();
  }
  return pages * layout_.page_bytes();
}

}  // namespace gemma3n
