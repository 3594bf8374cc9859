// The pieces of a tokenizer and their ids, both ways.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/tokenizer.h"

namespace gemma3n {

inline constexpr TokenId kNoToken = -1;

// Text for a message: in quotes, cut off after 100 bytes, on one line whatever it holds.
std::string quoted_text(std::string_view text);

// Ids may have gaps. All pieces lie in one string, so 262,144 of them are a handful of allocations.
class Vocabulary {
 public:
  // Ids at or above this are refused: tables are indexed by id, and a file must not choose their
  // size freely. Gemma 3n uses 262,274.
  static constexpr std::uint64_t kMaxTokens = std::uint64_t{1} << 20;

  explicit Vocabulary(std::size_t expected_tokens = 0);

  // Throws: kCorruptData if the piece is empty or has an id already, or the id has a piece;
  // kUnsupported if the id is not below kMaxTokens.
  void add(std::string_view piece, std::uint64_t id);

  TokenId find(std::string_view piece) const;  // kNoToken if there is none

  // The piece of a token; empty if the id has none (no piece is empty). Valid until the next add().
  std::string_view piece(TokenId id) const {
    const auto i = static_cast<std::size_t>(id);  // a negative id becomes a huge one
    if (i >= spans_.size()) return {};
    return text(spans_[i]);
  }

  std::size_t size() const { return size_; }              // tokens
  std::size_t id_limit() const { return spans_.size(); }  // all ids are below

 private:
  struct Span {
    std::uint32_t begin = 0, length = 0;
  };
  struct Slot {
    std::uint32_t tag = 0;  // upper half of the hash, so that most misses never touch the bytes
    TokenId id = kNoToken;
    Span span;  // a second copy: looking it up by id would be one more cache miss
  };

  std::string_view text(Span span) const {
    return std::string_view(bytes_).substr(span.begin, span.length);
  }
  std::size_t slot_of(std::string_view piece, std::uint64_t hash) const;
  void resize_slots(std::size_t count);

  std::string bytes_;
  std::vector<Span> spans_;  // by id
  std::vector<Slot> slots_;  // open addressing, at most half full
  std::size_t size_ = 0;
  std::uint64_t seed_;
};

}  // namespace gemma3n
