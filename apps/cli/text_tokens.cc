#include "text_tokens.h"

#include "file.h"
#include "gemma3n/error.h"
#include "input.h"

namespace gemma3n::cli {

TextTokens read_text_tokens(const std::string& file, const Tokenizer& tokenizer) {
  const std::string text = read_file(file, kMaxTextBytes);
  if (text.empty()) fail(ErrorCode::kInvalidArgument, file, ": there is no text in it");
  try {
    return {text.size(), tokenizer.encode(text, false)};
  } catch (const Error& error) {
    fail(error.code(), file, ": ", error.what());
  }
}

}  // namespace gemma3n::cli
