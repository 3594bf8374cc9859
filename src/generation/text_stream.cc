#include "generation/text_stream.h"

#include <algorithm>

namespace gemma3n {
namespace {

constexpr std::string_view kSpacePiece = "\xE2\x96\x81";  // U+2581

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte of "<0xNN>", or -1.
int fallback_byte(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

}  // namespace

std::string token_bytes(const Tokenizer& tokenizer, TokenId id) {
  std::string piece = tokenizer.id_to_token(id).value_or("");
  if (const int byte = fallback_byte(piece); byte >= 0) return {static_cast<char>(byte)};
  for (auto at = piece.find(kSpacePiece); at != piece.npos; at = piece.find(kSpacePiece, at + 1)) {
    piece.replace(at, kSpacePiece.size(), " ");
  }
  return piece;
}

TextStream::TextStream(const Tokenizer& tokenizer, std::span<const std::string> stop_strings,
                       std::span<const TokenId> prompt)
    : tokenizer_(tokenizer), decoder_(tokenizer), matcher_(stop_strings) {
  // Each token of interest has at least one byte, so this many tokens are enough.
  for (const TokenId id : prompt.last(std::min(prompt.size(), matcher_.longest()))) {
    matcher_.skip(token_bytes(tokenizer_, id));
  }
}

std::string TextStream::push(TokenId id) {
  const std::string bytes = token_bytes(tokenizer_, id);
  held_.push_back({id, bytes_, bytes_ + bytes.size()});
  bytes_ += bytes.size();
  if (const auto begin = matcher_.push(bytes)) return stop_at(*begin);
  return release(bytes_ - matcher_.held_bytes());
}

std::string TextStream::finish() {
  if (stopped_) return {};
  std::string text = release(bytes_);
  return text + decoder_.finish();
}

std::string TextStream::release(std::size_t certain_bytes) {
  std::string text;
  for (; !held_.empty() && held_.front().end <= certain_bytes; held_.pop_front()) {
    text += decoder_.push(held_.front().id);
  }
  return text;
}

std::string TextStream::stop_at(std::size_t begin) {
  stopped_ = true;
  std::string text = release(begin) + decoder_.finish();
  // A stop string may begin inside a token. Byte-fallback tokens have one byte and are never split.
  if (!held_.empty() && held_.front().begin < begin && !tokenizer_.is_special(held_.front().id)) {
    const Held& split = held_.front();
    text += token_bytes(tokenizer_, split.id).substr(0, begin - split.begin);
  }
  return text;
}

}  // namespace gemma3n
