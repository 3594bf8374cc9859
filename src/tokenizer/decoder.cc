#include "tokenizer/decoder.h"

#include "base/utf8.h"
#include "tokenizer/normalizer.h"

namespace gemma3n {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<char> byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return std::nullopt;
  // `tokenizers` reads the digits with Rust's from_str_radix, which also takes a plus sign.
  const int high = piece[3] == '+' ? 0 : hex_digit(piece[3]);
  const int low = hex_digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

void decode_piece(std::string_view piece, std::string& bytes, std::string& out) {
  if (const auto byte = byte_of_piece(piece)) {
    bytes.push_back(*byte);
    return;
  }
  end_byte_row(bytes, out);
  append_denormalized(piece, out);
}

void end_byte_row(std::string& bytes, std::string& out) {
  if (is_valid_utf8(bytes)) {
    out += bytes;
  } else {
    for (std::size_t i = 0; i < bytes.size(); ++i) out += kReplacementCharacter;
  }
  bytes.clear();
}

}  // namespace gemma3n
