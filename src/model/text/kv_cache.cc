#include "model/text/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace gemma3n {
namespace {

Index round_up(Index n) { return (n + kKeyBlock - 1) / kKeyBlock * kKeyBlock; }

constexpr Index kFirstCapacity = 256;  // entries a growing ring starts with

}  // namespace

KvCache::KvCache(const TextConfig& config, std::size_t sequences, Index fixed_slots)
    : K_(config.num_key_value_heads),
      E_(config.head_dim),
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
    : K_(other.K_),
      E_(other.E_),
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
  to.rings.resize(from.rings.size());
  const Index entries = count(from.slots);
  for (std::size_t r = 0; r < from.rings.size(); ++r) {
    const Ring& source = from.rings[r];
    if (source.capacity == 0) continue;
    Ring& ring = to.rings[r];
    reserve(ring, is_sliding_[r], source.capacity);
    check(ring.capacity == source.capacity, "a copied ring has the size of its source");
    const Index used = std::min(entries, source.capacity) * E_;
    for (Index head = 0; head < K_; ++head) {
      const Index offset = head * source.capacity * E_;
      std::copy_n(source.keys.get() + offset, used, ring.keys.get() + offset);
      std::copy_n(source.values.get() + offset, used, ring.values.get() + offset);
    }
  }
  return to;
}

// Room for entries [0, entries), of which a sliding layer keeps the last ones only.
void KvCache::reserve(Ring& ring, bool is_sliding, Index entries) const {
  Index wanted = entries;
  // In a ring, the entries of one pass must not overwrite those its first query still sees.
  if (is_sliding) wanted = std::min(wanted, window_ - 1 + kMaxPassRows);
  wanted = round_up(wanted);
  if (wanted <= ring.capacity) return;
  if (fixed_slots_ == 0) wanted = std::max({wanted, 2 * ring.capacity, kFirstCapacity});
  if (is_sliding) wanted = std::min(wanted, round_up(window_ - 1 + kMaxPassRows));

  Ring larger;
  larger.capacity = wanted;
  const auto floats = static_cast<std::size_t>(K_ * wanted * E_);
  larger.keys.reset(new float[floats]);  // not initialised: untouched pages cost nothing
  larger.values.reset(new float[floats]);
  for (Index head = 0; head < K_ && ring.capacity > 0; ++head) {  // it has not wrapped yet
    const Index used = ring.capacity * E_;
    std::copy_n(ring.keys.get() + head * used, used, larger.keys.get() + head * wanted * E_);
    std::copy_n(ring.values.get() + head * used, used, larger.values.get() + head * wanted * E_);
  }
  ring = std::move(larger);
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
  return entry;
}

void KvCache::skip_to(std::size_t s, Index slot) {
  sequences_[s].next_slot = std::max(sequences_[s].next_slot, slot);
}

void KvCache::rewind(std::size_t s, Index entries, Index next_slot) {
  Sequence& sequence = sequences_[s];
  for (std::size_t r = 0; r < sequence.rings.size(); ++r) {
    const Index oldest_kept = count(sequence.slots) - sequence.rings[r].capacity;
    if (is_sliding_[r] && oldest_kept > std::max<Index>(0, entries - window_ + 1)) {
      entries = next_slot = 0;
    }
  }
  sequence.slots.resize(static_cast<std::size_t>(entries));
  sequence.next_slot = next_slot;
}

KvCache::Place KvCache::place(Index layer, std::size_t s, Index entry) {
  Ring& ring = sequences_[s].rings[ring_index(layer)];
  const Index offset = entry % ring.capacity * E_;
  return {ring.keys.get() + offset, ring.values.get() + offset, ring.capacity * E_};
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
  return {ring.keys.get(), ring.values.get(), ring.capacity, begin, entry + 1};
}

std::size_t KvCache::size_bytes() const {
  std::size_t total = 0;
  for (const Sequence& sequence : sequences_) {
    for (const Ring& ring : sequence.rings) {
      total += static_cast<std::size_t>(2 * K_ * ring.capacity * E_) * sizeof(float);
    }
  }
  return total;
}

}  // namespace gemma3n
