// Pictures of one format: any bytes behind its first ones give a picture whose pixels fit its size,
// or an Error.
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "gemma3n/media.h"

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kFormat = GEMMA3N_FUZZ_FORMAT;

void begin_as_format(std::string& file) {
  const auto put = [&](std::size_t at, std::string_view magic) {
    if (file.size() >= at + magic.size()) file.replace(at, magic.size(), magic);
  };
  if (kFormat == "jpeg") put(0, "\xFF\xD8\xFF");
  if (kFormat == "png") put(0, "\x89PNG\r\n\x1A\n");
  if (kFormat == "gif") put(0, "GIF8");
  if (kFormat == "bmp") put(0, "BM");
  if (kFormat == "webp") {
    put(0, "RIFF");
    put(8, "WEBP");
  }
}

// Otherwise every change would end at the checksum of a chunk.
void repair_png_checksums(std::string& file) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(file[at]); };
  for (std::size_t at = 8; at + 12 <= file.size();) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | byte(at + i);
    if (size > file.size() - at - 12) return;
    const auto* begin = reinterpret_cast<const Bytef*>(file.data()) + at + 4;
    const auto crc = ::crc32(0, begin, static_cast<uInt>(size + 4));
    for (std::size_t i = 0; i < 4; ++i) {
      file[at + 8 + size + i] = static_cast<char>(crc >> (24 - 8 * i) & 0xFF);
    }
    at += 12 + size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gemma3n::MediaLimits limits;
  limits.max_pixels = 1 << 20;  // the fuzzer's time goes into many inputs, not into large ones
  std::string file(reinterpret_cast<const char*>(data), size);
  begin_as_format(file);
  if (kFormat == "png") repair_png_checksums(file);
  try {
    const auto image = gemma3n::decode_image(std::as_bytes(std::span(file)), limits);
    if (image.rgb.size() != static_cast<std::size_t>(3 * image.width * image.height)) std::abort();
  } catch (const gemma3n::Error& error) {
    if (error.code() == gemma3n::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
