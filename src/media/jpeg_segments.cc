#include "media/jpeg_segments.h"

#include <cstring>
#include <string_view>

namespace gemma3n {
namespace {

using namespace std::string_view_literals;

constexpr std::uint8_t kStartOfImage = 0xd8, kEndOfImage = 0xd9, kStartOfScan = 0xda;
constexpr std::uint8_t kTemporary = 0x01, kApp1 = 0xe1;
constexpr auto kExifId = "Exif\0\0"sv;
constexpr auto kXmpId = "http://ns.adobe.com/xap/1.0/\0"sv;

bool has_no_length(std::uint8_t marker) {
  const bool is_restart = marker >= 0xd0 && marker <= 0xd7;
  return is_restart || marker == kStartOfImage || marker == kTemporary;
}

void note_app1(std::span<const std::byte> body, JpegSegments& segments) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  if (text.starts_with(kExifId) && segments.exif.empty()) {
    segments.exif = text.substr(kExifId.size());
  } else if (text.starts_with(kXmpId)) {
    segments.xmp = text.substr(kXmpId.size());
  }
}

}  // namespace

JpegSegments jpeg_segments(std::span<const std::byte> file) {
  JpegSegments segments;
  std::size_t at = 0;
  while (true) {
    // The next 0xff; what lies before it is entropy-coded data or padding.
    const void* found =
        at < file.size() ? std::memchr(file.data() + at, 0xff, file.size() - at) : nullptr;
    if (found == nullptr) break;
    at = static_cast<std::size_t>(static_cast<const std::byte*>(found) - file.data()) + 1;
    if (at >= file.size()) break;
    const auto marker = std::to_integer<std::uint8_t>(file[at]);
    if (marker == 0xff) continue;  // fill byte: the marker may follow
    ++at;
    if (marker == kEndOfImage) return segments;
    if (marker == 0 || has_no_length(marker)) continue;
    if (file.size() - at < 2) break;
    const std::size_t length =
        std::to_integer<std::size_t>(file[at]) * 256 + std::to_integer<std::size_t>(file[at + 1]);
    if (length < 2 || length > file.size() - at) break;
    if (marker == kApp1 && segments.scans == 0) {
      note_app1(file.subspan(at + 2, length - 2), segments);
    }
    if (marker == kStartOfScan) ++segments.scans;
    at += length;
  }
  fail(ErrorCode::kCorruptData, "jpeg: the file is cut off: its end marker is missing");
}

}  // namespace gemma3n
