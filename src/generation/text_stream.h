// The text of one sequence while it grows: decoded, without special tokens, cut at a stop string.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "gemma3n/tokenizer.h"
#include "generation/stop_strings.h"

namespace gemma3n {

// The bytes a token stands for: its piece with a space for each U+2581, or the one byte of a
// byte-fallback token ("<0x0A>"). Empty for ids without a token.
std::string token_bytes(const Tokenizer& tokenizer, TokenId id);

// Tokens go in, text comes out as soon as it is certain. A token is decoded once none of its bytes
// can become part of a stop string any more.
// Ref: HF StopStringCriteria: stop strings are searched in the bytes of all tokens, special ones
// and the prompt included; the match must end in a new token.
class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, std::span<const std::string> stop_strings,
             std::span<const TokenId> prompt);

  // Returns the text that has become certain.
  std::string push(TokenId id);
  // True once a stop string is complete; the text ends before it.
  bool stopped() const { return stopped_; }
  // What is left, when no more tokens come.
  std::string finish();

 private:
  struct Held {
    TokenId id;
    std::size_t begin;  // of its bytes, counted from the first new token
    std::size_t end;
  };
  std::string release(std::size_t certain_bytes);
  std::string stop_at(std::size_t begin);

  Tokenizer tokenizer_;
  StreamingDecoder decoder_;
  StopStringMatcher matcher_;
  std::deque<Held> held_;
  std::size_t bytes_ = 0;  // of all new tokens
  bool stopped_ = false;
};

}  // namespace gemma3n
