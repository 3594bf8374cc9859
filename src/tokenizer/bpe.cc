#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/utf8.h"

namespace gemma3n {
namespace {

constexpr std::size_t kPageSize = 256;
constexpr std::size_t kCodePoints = 0x110000;
// Longer segments are seldom words that come again.
constexpr std::size_t kMaxKnownBytes = 64;
constexpr std::size_t kMinKnown = 32, kMaxKnown = 16384;
// A longer segment is encoded block by block, so that the work stays in the processor's cache.
constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kOverlapTokens = 4;
constexpr std::size_t kMaxOverlapBytes = 4 * kBlockBytes;

std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) {
  return (std::uint64_t{left} << 32) | right;
}

std::uint64_t pair_key(TokenId left, TokenId right) {
  return pair_key(static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(right));
}

std::string byte_piece(std::size_t byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

char32_t first_code_point(std::string_view piece) {
  std::size_t pos = 0;
  return next_code_point(piece, pos);
}

char32_t last_code_point(std::string_view piece) {
  std::size_t pos = piece.size() - 1;
  while (!begins_character(piece[pos])) --pos;
  return next_code_point(piece, pos);
}

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, std::span<const MergeRule> merges)
    : merges_(merges.size()),
      symbol_pages_(kCodePoints / kPageSize),
      symbols_(kPageSize, kNoToken) {
  std::vector<bool> is_byte(vocabulary.id_limit());
  for (std::size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    byte_tokens_[byte] = vocabulary.find(byte_piece(byte));
    if (byte_tokens_[byte] == kNoToken) {
      fail(ErrorCode::kUnsupported, "model.vocab: the byte token ", byte_piece(byte),
           " is missing, expected all of <0x00> to <0xFF>");
    }
    is_byte[static_cast<std::size_t>(byte_tokens_[byte])] = true;
  }
  for (std::size_t id = 0; id < vocabulary.id_limit(); ++id) {
    const auto token = static_cast<TokenId>(id);
    const std::string_view piece = vocabulary.piece(token);
    if (!piece.empty() && piece.size() == utf8_length(piece[0])) {
      set_symbol(first_code_point(piece), token);
    }
  }
  std::uint32_t rank = 0;
  for (const MergeRule& rule : merges) {
    merges_.assign(pair_key(rule.left, rule.right), {rank++, rule.result});
    note_joint(vocabulary, rule);
    bytes_merge_ = bytes_merge_ || is_byte[static_cast<std::size_t>(rule.left)] ||
                   is_byte[static_cast<std::size_t>(rule.right)];
  }
}

void Bpe::note_joint(const Vocabulary& vocabulary, const MergeRule& rule) {
  const char32_t left = last_code_point(vocabulary.piece(rule.left));
  const char32_t right = first_code_point(vocabulary.piece(rule.right));
  const char32_t row = common_index(left), column = common_index(right);
  if (row != kNotCommon && column != kNotCommon) {
    common_joints_.set(row * kCommon + column);
  } else if (rare_joints_.find(pair_key(left, right)) == nullptr) {
    rare_joints_.assign(pair_key(left, right), 1);
  }
}

bool Bpe::may_join(char32_t left, char32_t right) const {
  // The ends of byte pieces are not the characters they stand for.
  if (bytes_merge_ && (symbol(left) == kNoToken || symbol(right) == kNoToken)) return true;
  const char32_t row = common_index(left), column = common_index(right);
  if (row != kNotCommon && column != kNotCommon) return common_joints_[row * kCommon + column];
  return rare_joints_.find(pair_key(left, right)) != nullptr;
}

// The first place behind `begin` that no merge can reach across.
std::size_t Bpe::segment_end(std::string_view text, std::size_t begin) const {
  std::size_t pos = begin;
  char32_t left = next_code_point(text, pos);
  while (pos < text.size()) {
    std::size_t after = pos;
    const char32_t right = next_code_point(text, after);
    if (!may_join(left, right)) break;
    left = right;
    pos = after;
  }
  return pos;
}

TokenId Bpe::symbol(char32_t code_point) const {
  return symbols_[symbol_pages_[code_point / kPageSize] * kPageSize + code_point % kPageSize];
}

void Bpe::set_symbol(char32_t code_point, TokenId id) {
  std::uint16_t& page = symbol_pages_[code_point / kPageSize];
  if (page == 0) {
    page = static_cast<std::uint16_t>(symbols_.size() / kPageSize);
    symbols_.resize(symbols_.size() + kPageSize, kNoToken);
  }
  symbols_[page * kPageSize + code_point % kPageSize] = id;
}

const Bpe::Merge* Bpe::find_merge(TokenId left, TokenId right) const {
  return merges_.find(pair_key(left, right));
}

BpeEncoder::BpeEncoder(const Bpe& bpe, std::vector<TokenId>& out, std::size_t text_bytes)
    : bpe_(bpe),
      out_(out),
      known_(std::bit_ceil(std::clamp(text_bytes / 16, kMinKnown, kMaxKnown))),
      seed_(hash_seed()) {}

void BpeEncoder::encode(std::string_view text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = bpe_.segment_end(text, begin);
    encode_segment(text.substr(begin, end - begin));
    begin = end;
  }
}

void BpeEncoder::encode_segment(std::string_view segment) {
  if (segment.size() > kBlockBytes) return encode_long_segment(segment);
  const bool is_short = segment.size() <= kMaxKnownBytes;
  Known* known = nullptr;
  if (is_short) {
    known = &known_[hash_bytes(segment, seed_) & (known_.size() - 1)];
    if (std::string_view(known->text, known->length) == segment) {
      for (std::size_t i = 0; i < known->count; ++i) out_.push_back(out_[known->first + i]);
      return;
    }
  }
  const std::size_t first = out_.size();
  start(segment);
  merge_all();
  for (std::uint32_t i = 0; i != kNone; i = nodes_[i].next) out_.push_back(nodes_[i].id);
  if (is_short) {
    *known = {segment.data(), static_cast<std::uint32_t>(segment.size()),
              static_cast<std::uint32_t>(out_.size() - first), first};
  }
}

// Tokens are the encoding of their text exactly if each two neighbours are the encoding of theirs:
// as long as no merge has crossed a border, both sides of it go through the steps they would go
// through alone, so the first merge across a border would also come if the two tokens were the
// whole text. Hence the encoding of a prefix is extended by taking its last few tokens back and
// encoding their text together with the next block; if that begins with the first token taken back,
// it fits what stands before. If not, more are taken back.
void BpeEncoder::encode_long_segment(std::string_view segment) {
  const std::size_t first = out_.size();
  ends_.clear();
  for (std::size_t done = 0; done < segment.size();) {
    std::size_t end = std::min(done + kBlockBytes, segment.size());
    while (end < segment.size() && !begins_character(segment[end])) ++end;
    for (std::size_t overlap = kOverlapTokens;; overlap *= 2) {
      std::size_t kept = restart_before(segment, overlap);
      std::size_t begin = kept == 0 ? 0 : ends_[kept - 1];
      if (done - begin > kMaxOverlapBytes) {  // a rare vocabulary: then all at once
        kept = begin = 0;
        end = segment.size();
      }
      start(segment.substr(begin, end - begin));
      merge_all();
      if (kept != 0 && nodes_[0].id != out_[first + kept]) continue;

      out_.resize(first + kept);
      ends_.resize(kept);
      for (std::uint32_t i = 0; i != kNone; i = nodes_[i].next) {
        begin += nodes_[i].bytes;
        out_.push_back(nodes_[i].id);
        ends_.push_back(begin);
      }
      done = end;
      break;
    }
  }
}

// How many tokens to keep if at least the last `tokens` are to go: a character must not be torn.
std::size_t BpeEncoder::restart_before(std::string_view segment, std::size_t tokens) const {
  std::size_t kept = ends_.size() - std::min(tokens, ends_.size());
  while (kept > 0 && !begins_character(segment[ends_[kept - 1]])) --kept;
  return kept;
}

// One node for each character, or for each byte of a character that has no piece.
void BpeEncoder::start(std::string_view segment) {
  nodes_.clear();
  const auto add = [&](TokenId id, std::size_t bytes) {
    const auto i = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back(
        {id, kNoToken, kNoMerge, i == 0 ? kNone : i - 1, i + 1, static_cast<std::uint32_t>(bytes)});
  };
  for (std::size_t pos = 0; pos < segment.size();) {
    const std::size_t begin = pos;
    const TokenId id = bpe_.symbol(next_code_point(segment, pos));
    if (id != kNoToken) {
      add(id, pos - begin);
    } else {
      for (const char byte : segment.substr(begin, pos - begin)) {
        add(bpe_.byte_tokens_[static_cast<unsigned char>(byte)], 1);
      }
    }
  }
  nodes_.back().next = kNone;
}

void BpeEncoder::merge_all() {
  queue_.clear();
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    look_up_merge(i);
    if (nodes_[i].rank != kNoMerge) queue_.push_back(pair_key(nodes_[i].rank, i));
  }
  std::make_heap(queue_.begin(), queue_.end(), std::greater<>());

  while (!queue_.empty()) {
    const std::uint64_t top = pop();
    const auto left = static_cast<std::uint32_t>(top);
    Node& node = nodes_[left];
    if (node.rank != static_cast<std::uint32_t>(top >> 32)) continue;  // its neighbour has changed

    Node& right = nodes_[node.next];
    right.rank = kNoMerge;
    node.id = node.merged;
    node.next = right.next;
    node.bytes += right.bytes;
    if (node.next != kNone) nodes_[node.next].prev = left;
    push(left);
    if (node.prev != kNone) push(node.prev);
  }
}

void BpeEncoder::look_up_merge(std::uint32_t left) {
  Node& node = nodes_[left];
  const Bpe::Merge* merge =
      node.next == kNone ? nullptr : bpe_.find_merge(node.id, nodes_[node.next].id);
  node.rank = merge != nullptr ? merge->rank : kNoMerge;
  node.merged = merge != nullptr ? merge->result : kNoToken;
}

void BpeEncoder::push(std::uint32_t left) {
  look_up_merge(left);
  if (nodes_[left].rank == kNoMerge) return;
  queue_.push_back(pair_key(nodes_[left].rank, left));
  std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
}

std::uint64_t BpeEncoder::pop() {
  std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
  const std::uint64_t top = queue_.back();
  queue_.pop_back();
  return top;
}

}  // namespace gemma3n
