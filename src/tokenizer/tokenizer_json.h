// tokenizer.json: everything in it is either understood or refused.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/vocabulary.h"

namespace gemma3n {

struct TokenizerJson {
  Vocabulary vocabulary;            // model.vocab and the added tokens
  std::size_t base_vocab_size = 0;  // of model.vocab alone
  std::vector<MergeRule> merges;    // in order of rank
  std::vector<AddedToken> added_tokens;
  std::vector<TokenId> prefix, suffix;  // what the post-processor puts around a text
};

// Accepts the normaliser, pre-tokeniser, decoder, post-processor and kind of model that Gemma has.
// Differs: "truncation" and "padding" are read over; transformers resets both on every call.
// Differs: an added token's id must be the one `tokenizers` gives it; that ignores the file's.
// Throws: kCorruptData if `json` is not what the format promises, kUnsupported if it asks for
// anything Gemma's tokenizer does not do. Messages begin with the field.
TokenizerJson parse_tokenizer_json(const std::string& json);

}  // namespace gemma3n
