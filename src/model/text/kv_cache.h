// Keys and values of the layers that own them, for a batch of sequences.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gemma3n/config.h"
#include "ops/attend.h"
#include "tensor/view.h"

namespace gemma3n {

// An entry is a token that has been seen; padding leaves no entry, but counts in slots. Entries lie
// in pages, which are added as they are needed and never move. A sliding layer keeps a ring of
// pages that holds window + one pass, a full layer keeps all.
class KvCache {
 public:
  // Tokens of one sequence that one pass may append: so much slack a ring has.
  static constexpr Index kMaxPassRows = 512;

  // `fixed_slots` > 0 allocates for that many slots at once and refuses more ("static").
  KvCache(const TextConfig& config, std::size_t sequences, Index fixed_slots = 0,
          CacheStorage storage = CacheStorage::kF32);
  KvCache(const KvCache& other);
  KvCache& operator=(const KvCache&) = delete;

  std::size_t sequences() const { return sequences_.size(); }
  Index entries(std::size_t sequence) const { return count(sequences_[sequence].slots); }
  Index next_slot(std::size_t sequence) const { return sequences_[sequence].next_slot; }
  Index slot(std::size_t sequence, Index entry) const {
    return sequences_[sequence].slots[static_cast<std::size_t>(entry)];
  }
  Index fixed_slots() const { return fixed_slots_; }
  const KvLayout& layout() const { return layout_; }
  std::size_t size_bytes() const;

  // Makes room for one more entry; its keys and values are written layer by layer.
  // Throws: kContextFull if a static cache has no such slot.
  Index append(std::size_t sequence, Index slot);
  // Slots up to `slot` are past, even if they were padding.
  void skip_to(std::size_t sequence, Index slot);
  // Forgets the entries from `entries` on. If a ring has already overwritten what the next one
  // would still see, the sequence is emptied instead; never if the last kMaxPassRows of the most
  // entries it has had go at most.
  void rewind(std::size_t sequence, Index entries, Index next_slot);

  // Where the layer that `layer` reads from holds entry `entry`; layout() says what is there.
  struct Place {
    std::byte* page;
    Index slot;
  };
  Place place(Index layer, std::size_t sequence, Index entry);
  // The keys a query at `entry` sees in `layer`.
  KeyRange visible(Index layer, std::size_t sequence, Index entry) const;

  // Each sequence `times` times in a row.
  std::unique_ptr<KvCache> repeat(std::size_t times) const;

 private:
  using Ring = std::vector<KvPage>;  // entry i is in page i / kPageEntries % size()
  struct Sequence {
    std::vector<Index> slots;  // of each entry, ascending
    Index next_slot = 0;
    Index written = 0;        // the most entries it has had: rings lost what lies too far before
    std::vector<Ring> rings;  // [owning layers]
  };

  static Index count(const std::vector<Index>& v) { return static_cast<Index>(v.size()); }
  KvCache(const KvCache& other, std::size_t times);
  Sequence copy(const Sequence& from) const;
  void reserve(Ring& ring, bool is_sliding, Index entries) const;
  static Index capacity(const Ring& ring) { return static_cast<Index>(ring.size()) * kPageEntries; }
  std::size_t ring_index(Index layer) const {
    return static_cast<std::size_t>(kv_layer_[static_cast<std::size_t>(layer)]);
  }

  KvLayout layout_;
  Index window_, fixed_slots_;
  std::vector<Index> kv_layer_;   // [L] the layer whose ring is read
  std::vector<bool> is_sliding_;  // [owning layers]
  std::vector<Sequence> sequences_;
};

}  // namespace gemma3n
