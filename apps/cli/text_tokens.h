// A file of text as tokens.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gemma3n/tokenizer.h"

namespace gemma3n::cli {

struct TextTokens {
  std::size_t bytes = 0;        // of the text
  std::vector<TokenId> tokens;  // without <bos>
};

// Throws: kInvalidArgument if there is no text in it; as read_file with kMaxTextBytes, and as
// Tokenizer::encode, naming the file.
TextTokens read_text_tokens(const std::string& file, const Tokenizer& tokenizer);

}  // namespace gemma3n::cli
