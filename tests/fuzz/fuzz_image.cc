// Pictures: any bytes give a picture whose pixels fit its size, or an Error.
#include <cstdint>
#include <cstdlib>

#include "gemma3n/media.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gemma3n::MediaLimits limits;
  limits.max_pixels = 1 << 20;  // the fuzzer's time goes into many inputs, not into large ones
  try {
    const auto image = gemma3n::decode_image(std::as_bytes(std::span(data, size)), limits);
    if (image.rgb.size() != static_cast<std::size_t>(3 * image.width * image.height)) std::abort();
  } catch (const gemma3n::Error& error) {
    if (error.code() == gemma3n::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
