// Added tokens: strings that become a token wherever they stand in a text, before any merging.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/flat_map.h"
#include "tokenizer/vocabulary.h"

namespace gemma3n {

// Refuses what this library does not do with a token. `where` begins the message.
// Throws: kCorruptData if the content is empty; kUnsupported for `single_word`, for a content that
// is too long, and for one that normalisation would change.
void expect_supported(const AddedToken& token, bool single_word, const std::string& where);

// A trie of the contents. Longest match, leftmost first, as Aho-Corasick "leftmost longest".
class AddedTokenFinder {
 public:
  // A part of a text: an added token, or what stands between two (id = kNoToken, never empty).
  struct Split {
    TokenId id;
    std::string_view text;
  };

  AddedTokenFinder();

  void add(const AddedToken& token);

  // Cuts `text` (valid UTF-8) into splits, in order. Ref: tokenizers 0.23
  // AddedVocabulary::find_matches.
  void split(std::string_view text, const std::function<void(const Split&)>& visit) const;

 private:
  struct Strip {
    TokenId id = kNoToken;
    bool left = false, right = false;
  };
  struct Match {
    Strip token;
    std::size_t length = 0;
  };
  Match longest_match(std::string_view text, std::size_t begin) const;

  std::array<bool, 256> starts_{};  // first bytes of contents
  FlatMap<std::uint32_t> edges_;    // node << 8 | byte -> node; the root is node 0
  std::vector<Strip> ends_;         // by node: the token that ends here
};

}  // namespace gemma3n
