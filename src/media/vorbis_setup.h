// What a Vorbis setup header makes a decoder allocate.
#pragma once

#include <cstddef>
#include <string_view>

#include "gemma3n/error.h"

namespace gemma3n {

// Codewords are stored as run lengths: 12 bytes may stand for a codebook of 2^23, and a header may
// hold 256 of them. Encoders in use have at most 6561 words in a codebook, of 8 values each.
inline constexpr std::size_t kMaxVorbisWords = 1u << 14;   // of one codebook
inline constexpr std::size_t kMaxVorbisValues = 1u << 21;  // of all: words x (dimensions + 8)

// `packet`: the third of a stream.
// Throws: kCorruptData if codebooks exceed these limits or cannot be read.
// Ref: Vorbis I specification, 3.2.1
void expect_small_codebooks(std::string_view packet);

}  // namespace gemma3n
