#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <random>

#include "base/utf8.h"
#include "tokenizer/flat_map.h"

namespace gemma3n {
namespace {

std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

}  // namespace

std::uint64_t hash_seed() {
  static const std::uint64_t seed = [] {
    std::random_device random;
    return (std::uint64_t{random()} << 32) | random();
  }();
  return seed;
}

std::string quoted_text(std::string_view text) {
  constexpr std::size_t kMaxBytes = 100;
  const bool is_long = text.size() > kMaxBytes;
  std::string shown(text.substr(0, kMaxBytes));
  if (is_long) shown.resize(valid_utf8_prefix(shown));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = ' ';
  }
  return "\"" + shown + (is_long ? "...\"" : "\"");
}

Vocabulary::Vocabulary(std::size_t expected_tokens) : seed_(hash_seed()) {
  const std::size_t tokens = std::min<std::size_t>(expected_tokens, kMaxTokens);
  spans_.reserve(tokens);
  resize_slots(std::bit_ceil(tokens * 2 + 2));
}

// The slot that holds `piece`, or the empty one where it belongs.
std::size_t Vocabulary::slot_of(std::string_view piece, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = static_cast<std::size_t>(hash) & mask;
  while (slots_[i].id != kNoToken &&
         !(slots_[i].tag == tag_of(hash) && text(slots_[i].span) == piece)) {
    i = (i + 1) & mask;
  }
  return i;
}

void Vocabulary::resize_slots(std::size_t count) {
  slots_.assign(count, Slot{});
  for (std::size_t id = 0; id < spans_.size(); ++id) {
    if (spans_[id].length == 0) continue;
    const auto token = static_cast<TokenId>(id);
    const std::uint64_t hash = hash_bytes(piece(token), seed_);
    slots_[slot_of(piece(token), hash)] = {tag_of(hash), token, spans_[id]};
  }
}

void Vocabulary::add(std::string_view text, std::uint64_t id) {
  if (id >= kMaxTokens) {
    fail(ErrorCode::kUnsupported, "token ", quoted_text(text), " has id ", id,
         ", supported are ids below ", kMaxTokens);
  }
  if (text.empty()) fail(ErrorCode::kCorruptData, "token ", id, " is empty");
  if (text.size() + bytes_.size() > std::numeric_limits<std::uint32_t>::max()) {
    fail(ErrorCode::kUnsupported, "the tokens are longer than 4 GiB together");
  }
  const auto token = static_cast<TokenId>(id);
  if (!piece(token).empty()) {
    fail(ErrorCode::kCorruptData, "id ", id, " belongs to two tokens, ", quoted_text(piece(token)),
         " and ", quoted_text(text));
  }
  if ((size_ + 1) * 2 > slots_.size()) resize_slots(slots_.size() * 2);
  const std::uint64_t hash = hash_bytes(text, seed_);
  Slot& slot = slots_[slot_of(text, hash)];
  if (slot.id != kNoToken) {
    fail(ErrorCode::kCorruptData, "token ", quoted_text(text), " has two ids, ", slot.id, " and ",
         id);
  }
  if (id >= spans_.size()) spans_.resize(id + 1);
  spans_[id] = {static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(text.size())};
  bytes_.append(text);
  slot = {tag_of(hash), token, spans_[id]};
  ++size_;
}

TokenId Vocabulary::find(std::string_view text) const {
  return slots_[slot_of(text, hash_bytes(text, seed_))].id;
}

}  // namespace gemma3n
