// Byte-pair encoding: the merges of a tokenizer and the loop that applies them.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/flat_map.h"
#include "tokenizer/vocabulary.h"

namespace gemma3n {

// `left` followed by `right` becomes `result`, whose piece is the two pieces in a row.
struct MergeRule {
  TokenId left, right, result;
};

// A character that has a piece starts as that piece, any other as the byte pieces <0x00> to <0xFF>
// of its UTF-8 form. Then, as long as any two neighbours have a merge, the merge that stands first
// in the list is applied, leftmost first.
// Ref: tokenizers 0.23 BPE::merge_word, Word::merge_all.
//
// Gemma does not split text into words first: a whole document is one word. What keeps that fast
// is that no merge can reach across most places of a text. A merge of `left` and `right` joins the
// last character of `left` with the first of `right`; where two characters stand that no merge in
// the list joins, the text can be cut, and both halves encoded alone give the same tokens.
class Bpe {
 public:
  // Throws: kUnsupported if one of the 256 byte pieces is missing (so there is no unknown text).
  Bpe(const Vocabulary& vocabulary, std::span<const MergeRule> merges);

 private:
  friend class BpeEncoder;

  struct Merge {
    std::uint32_t rank = 0;
    TokenId result = kNoToken;
  };

  void note_joint(const Vocabulary& vocabulary, const MergeRule& rule);
  bool may_join(char32_t left, char32_t right) const;
  std::size_t segment_end(std::string_view text, std::size_t begin) const;
  TokenId symbol(char32_t code_point) const;
  void set_symbol(char32_t code_point, TokenId id);
  const Merge* find_merge(TokenId left, TokenId right) const;

  // Code points below 128 and U+2581 have a row of their own in `common_joints_`.
  static constexpr std::size_t kCommon = 129;
  static constexpr char32_t kNotCommon = 0xFFFFFFFF;
  static char32_t common_index(char32_t code_point) {
    return code_point < 128 ? code_point : code_point == 0x2581 ? 128 : kNotCommon;
  }

  FlatMap<Merge> merges_;                         // (left, right) -> rank, result
  std::array<TokenId, 256> byte_tokens_;          // <0x00> ... <0xFF>
  std::vector<std::uint16_t> symbol_pages_;       // code point / 256 -> page of symbols_
  std::vector<TokenId> symbols_;                  // pages of 256 characters; page 0 is empty
  std::bitset<kCommon * kCommon> common_joints_;  // joined characters, both of them common
  FlatMap<char> rare_joints_;                     // the other joined characters
  bool bytes_merge_ = false;                      // some merge takes a byte piece
};

// Encodes the pieces of one text, one after the other. Not thread-safe; the Bpe may be shared.
class BpeEncoder {
 public:
  // Tokens are appended to `out`. `text_bytes`: about how long all pieces are together.
  BpeEncoder(const Bpe& bpe, std::vector<TokenId>& out, std::size_t text_bytes);

  // `text` must be valid UTF-8, at most 4 GiB, and outlive the encoder: it remembers words in
  // place.
  void encode(std::string_view text);

 private:
  // A token of the segment at work. Tokens are never moved: a merge grows the left one and unlinks
  // the right one.
  struct Node {
    TokenId id;
    TokenId merged;            // what this token and the next one become
    std::uint32_t rank;        // of that merge, or kNoMerge
    std::uint32_t prev, next;  // kNone at the ends
    std::uint32_t bytes;       // of the text it stands for
  };
  // A segment that was encoded before: its text, and where its tokens stand in `out_`.
  struct Known {
    const char* text = nullptr;
    std::uint32_t length = 0, count = 0;
    std::size_t first = 0;
  };
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::uint32_t kNoMerge = 0xFFFFFFFF;

  void encode_segment(std::string_view segment);
  void encode_long_segment(std::string_view segment);
  std::size_t restart_before(std::string_view segment, std::size_t tokens) const;
  void start(std::string_view segment);
  void merge_all();
  void look_up_merge(std::uint32_t left);
  void push(std::uint32_t left);
  std::uint64_t pop();

  const Bpe& bpe_;
  std::vector<TokenId>& out_;
  std::vector<Known> known_;  // by hash of the text; a newer segment replaces an older one
  std::vector<Node> nodes_;
  std::vector<std::uint64_t> queue_;  // heap of rank << 32 | node, smallest first
  std::vector<std::size_t> ends_;     // of a long segment: where each token's text ends
  std::uint64_t seed_;
};

}  // namespace gemma3n
