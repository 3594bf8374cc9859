// From pieces back to text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma3n {

// The byte that a piece like "<0x0A>" stands for.
std::optional<char> byte_of_piece(std::string_view piece);

// "▁" is a space. Byte pieces in a row are one string of bytes; if that is not valid UTF-8 as a
// whole, each of its bytes becomes U+FFFD. So the text of a byte is known only when its row ends.
// Ref: tokenizers 0.23 decoders Replace, ByteFallback, Fuse.
//   bytes: the row so far, kept by the caller from piece to piece.   out: text is appended.
void decode_piece(std::string_view piece, std::string& bytes, std::string& out);
void end_byte_row(std::string& bytes, std::string& out);

}  // namespace gemma3n
