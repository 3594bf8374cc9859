// The frame of Ogg files, checked before a decoder sees them: decoders pass over damaged and lost
// pages in silence, and believe what Vorbis headers say of sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

inline constexpr std::size_t kMaxOggLinks = 1024;
inline constexpr std::size_t kMaxOggPacketBytes = 16u << 20;

// The links of chained Ogg, each a whole file: streams one after the other, of which decoders see
// the first.
// Throws: kCorruptData for pages that are damaged, missing or out of order, more than kMaxOggLinks
// links, larger packets, Vorbis codebooks as in vorbis_setup.h; kUnsupported naming the codec if it
// is a known one that is not decoded (Speex, Theora, ...). A last page that is cut off is left out.
// Ref: RFC 3533, 6.
// Differs: libogg skips what is damaged.
std::vector<std::span<const std::byte>> ogg_links(std::span<const std::byte> file);

// What a whole page must hold in its checksum field.
std::uint32_t ogg_checksum(std::string_view page);

}  // namespace gemma3n
