#include "media/orientation.h"

#include <algorithm>
#include <optional>

namespace gemma3n {
namespace {

using namespace std::string_view_literals;

constexpr unsigned kOrientationTag = 0x0112;
constexpr unsigned kShort = 3, kLong = 4;  // field types
constexpr std::size_t kEntryBytes = 12;

// A TIFF header and what it points to. Reads outside give nothing.
struct Tiff {
  std::string_view bytes;
  bool is_big_endian = false;

  std::optional<unsigned> number(std::size_t at, std::size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return std::nullopt;
    unsigned value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const auto byte =
          static_cast<unsigned char>(bytes[is_big_endian ? at + i : at + size - 1 - i]);
      value = value << 8 | byte;
    }
    return value;
  }
};

std::optional<unsigned> exif_orientation(std::string_view exif) {
  while (exif.starts_with("Exif\0\0"sv)) exif.remove_prefix(6);
  const bool is_big = exif.starts_with("MM\0*"sv);
  if (!is_big && !exif.starts_with("II*\0"sv)) return std::nullopt;
  const Tiff tiff{exif, is_big};
  const std::size_t directory = tiff.number(4, 4).value_or(0);
  const unsigned count = tiff.number(directory, 2).value_or(0);
  std::optional<unsigned> orientation;
  for (unsigned i = 0; i < count; ++i) {
    const std::size_t entry = directory + 2 + kEntryBytes * i;
    const auto tag = tiff.number(entry, 2);
    if (!tag) break;
    if (*tag != kOrientationTag || tiff.number(entry + 4, 4) != 1u) continue;
    const auto type = tiff.number(entry + 2, 2);
    if (type == kShort) orientation = tiff.number(entry + 8, 2);
    if (type == kLong) orientation = tiff.number(entry + 8, 4);
  }
  return orientation;
}

// <... tiff:Orientation="6" ...> or <tiff:Orientation>6</tiff:Orientation>
std::optional<unsigned> xmp_orientation(std::string_view xmp) {
  constexpr auto kName = "tiff:Orientation"sv;
  for (auto at = xmp.find(kName); at != xmp.npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with('>')) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      return static_cast<unsigned>(rest[0] - '0');
    }
  }
  return std::nullopt;
}

std::uint8_t* pixel(Image& image, std::int64_t x, std::int64_t y) {
  return image.rgb.data() + 3 * (y * image.width + x);
}

void swap_pixels(std::uint8_t* a, std::uint8_t* b) { std::swap_ranges(a, a + 3, b); }

void mirror(Image& image) {
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width / 2; ++x) {
      swap_pixels(pixel(image, x, y), pixel(image, image.width - 1 - x, y));
    }
  }
}

void turn_upside_down(Image& image) {
  for (std::int64_t y = 0; y < image.height / 2; ++y) {
    std::swap_ranges(pixel(image, 0, y), pixel(image, 0, y) + 3 * image.width,
                     pixel(image, 0, image.height - 1 - y));
  }
}

Image transposed(const Image& image) {
  Image out{image.height, image.width, std::vector<std::uint8_t>(image.rgb.size())};
  // In tiles, so that neither side strides through all of memory.
  constexpr std::int64_t kTile = 32;
  for (std::int64_t y0 = 0; y0 < image.height; y0 += kTile) {
    for (std::int64_t x0 = 0; x0 < image.width; x0 += kTile) {
      for (std::int64_t y = y0; y < std::min(y0 + kTile, image.height); ++y) {
        const std::uint8_t* in = image.rgb.data() + 3 * (y * image.width + x0);
        for (std::int64_t x = x0; x < std::min(x0 + kTile, image.width); ++x, in += 3) {
          std::copy(in, in + 3, pixel(out, y, x));
        }
      }
    }
  }
  return out;
}

}  // namespace

int orientation_of(std::string_view exif, std::string_view xmp) {
  auto orientation = exif_orientation(exif);
  if (!orientation) orientation = xmp_orientation(xmp);
  return orientation && *orientation >= 1 && *orientation <= 8 ? static_cast<int>(*orientation) : 1;
}

Image turned_upright(Image image, int orientation) {
  if (orientation >= 5) image = transposed(image);
  if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7) mirror(image);
  if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) {
    turn_upside_down(image);
  }
  return image;
}

}  // namespace gemma3n
