// The chunks of a PNG file, walked before anything is decoded: cheap, and enough to know that the
// file is whole and which way up it wants to be shown.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "gemma3n/error.h"

namespace gemma3n {

struct PngChunks {
  std::string exif;  // of eXIf, or of the "Raw profile type exif" text of older writers; or empty
  std::string xmp;   // of the "XML:com.adobe.xmp" text, or empty
};

// Throws: kCorruptData if the file ends before its end chunk or a chunk needed for the pixels fails
// its checksum.   Ref: PNG specification, third edition, 5 and 11
PngChunks png_chunks(std::span<const std::byte> file);

}  // namespace gemma3n
