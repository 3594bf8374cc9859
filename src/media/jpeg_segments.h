// The segments of a JPEG file, walked before anything is decoded: cheap, and enough to know that
// the file is whole and how much work it asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "gemma3n/error.h"

namespace gemma3n {

struct JpegSegments {
  std::int64_t scans = 0;
  std::string exif;  // behind "Exif\0\0", or empty
  std::string xmp;   // an XML document, or empty
};

// Throws: kCorruptData if the file ends before its end marker.   Ref: ITU-T T.81, B.1.1
JpegSegments jpeg_segments(std::span<const std::byte> file);

}  // namespace gemma3n
