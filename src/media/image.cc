#include <algorithm>

#include "gemma3n/media.h"
#include "media/image_decoders.h"
#include "media/image_format.h"
#include "media/orientation.h"
#include "media/source.h"

namespace gemma3n {
namespace {

// No picture has longer sides; resizing one would need more memory for its taps than for pixels.
constexpr std::int64_t kMaxSide = 1'000'000;

StoredPicture decode(std::span<const std::byte> bytes, const MediaLimits& limits) {
  switch (sniff_image_format(bytes)) {
    case ImageFormat::kJpeg:
      return decode_jpeg(bytes, limits);
    case ImageFormat::kPng:
      return decode_png(bytes, limits);
    case ImageFormat::kWebp:
      return decode_webp(bytes, limits);
    case ImageFormat::kGif:
      return decode_gif(bytes, limits);
    case ImageFormat::kBmp:
      return decode_bmp(bytes, limits);
  }
  check(false, "every picture format has a decoder");
  return {};
}

// (colour * alpha + 255 * (255 - alpha)) / 255, rounded.
std::uint8_t over_white(unsigned colour, unsigned alpha) {
  return static_cast<std::uint8_t>((2 * (colour * alpha + 255 * (255 - alpha)) + 255) / 510);
}

}  // namespace

void expect_decodable(const char* format, std::int64_t width, std::int64_t height,
                      const MediaLimits& limits) {
  if (width <= 0 || height <= 0) {
    fail(ErrorCode::kCorruptData, format, ": expected a picture of at least one pixel, got ", width,
         " x ", height);
  }
  if (width > limits.max_pixels / height) {
    fail(ErrorCode::kInvalidArgument, format, ": expected at most ", limits.max_pixels,
         " pixels, got ", width, " x ", height, "; scale the picture down first");
  }
  if (std::max(width, height) > kMaxSide) {
    fail(ErrorCode::kInvalidArgument, format, ": expected sides of at most ", kMaxSide,
         " pixels, got ", width, " x ", height);
  }
}

Image new_image(const char* format, std::int64_t width, std::int64_t height,
                const MediaLimits& limits) {
  expect_decodable(format, width, height, limits);
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
}

void fill(Image& image, const std::array<std::uint8_t, 3>& colour) {
  const auto row_bytes = static_cast<std::ptrdiff_t>(3 * image.width);
  const auto first = image.rgb.begin();
  for (auto out = first; out != first + row_bytes;) out = std::ranges::copy(colour, out).out;
  for (auto out = first + row_bytes; out != image.rgb.end();) {
    out = std::copy(first, first + row_bytes, out);
  }
}

Image decode_image(std::span<const std::byte> bytes, const MediaLimits& limits) {
  if (bytes.size() > limits.max_file_bytes) {
    fail(ErrorCode::kInvalidArgument, "expected at most ", limits.max_file_bytes, " bytes, got ",
         bytes.size());
  }
  StoredPicture stored = decode(bytes, limits);
  return turned_upright(std::move(stored.image), orientation_of(stored.exif, stored.xmp));
}

Image load_image(const std::string& source, const MediaLimits& limits) {
  const std::string bytes = read_source(source, limits);
  return naming_source(source, [&] { return decode_image(as_bytes(bytes), limits); });
}

Image blend_over_white(std::span<const std::uint8_t> rgba, std::int64_t width,
                       std::int64_t height) {
  const bool is_size = width > 0 && height > 0 && width <= INT64_MAX / 4 / height &&
                       rgba.size() == static_cast<std::size_t>(4 * width * height);
  if (!is_size) {
    fail(ErrorCode::kInvalidArgument, "rgba picture: expected ", width, " x ", height,
         " x 4 bytes, got ", rgba.size());
  }
  Image image{width, height, std::vector<std::uint8_t>(rgba.size() / 4 * 3)};
  std::uint8_t* out = image.rgb.data();
  for (std::size_t i = 0; i < rgba.size(); i += 4) {
    for (std::size_t c = 0; c < 3; ++c) *out++ = over_white(rgba[i + c], rgba[i + 3]);
  }
  return image;
}

}  // namespace gemma3n
