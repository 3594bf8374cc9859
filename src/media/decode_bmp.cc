// BMP (Windows and OS/2 bitmaps), by our own reader: 1, 4 and 8 bits with a palette, plain or run
// length encoded; 16, 24 and 32 bits. Alpha is dropped.
#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "media/image_decoders.h"

namespace gemma3n {
namespace {

using Bytes = std::span<const std::byte>;
using Rgb = std::array<std::uint8_t, 3>;
using Palette = std::array<Rgb, 256>;

enum Compression : std::uint32_t { kNone = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

constexpr std::size_t kFileHeaderBytes = 14;
constexpr std::uint32_t kCoreHeaderBytes = 12;  // OS/2: 16-bit sizes, three bytes per colour

struct Header {
  std::uint32_t size = 0;  // of the header behind the file header, bytes
  std::int64_t width = 0, height = 0;
  bool is_bottom_up = true;
  int bits = 0;  // per pixel
  std::uint32_t compression = kNone;
  std::uint32_t colours = 0;             // in the palette
  std::array<std::uint32_t, 3> masks{};  // red, green, blue
  std::size_t palette_at = 0;            // offset in the file
  std::size_t pixels_at = 0;
};

[[noreturn]] void fail_cut_off() {
  fail(ErrorCode::kCorruptData, "bmp: the file is damaged or cut off");
}

std::uint8_t byte_at(Bytes file, std::size_t at) {
  if (at >= file.size()) fail_cut_off();
  return std::to_integer<std::uint8_t>(file[at]);
}
std::uint32_t u16(Bytes file, std::size_t at) {
  return byte_at(file, at) | static_cast<std::uint32_t>(byte_at(file, at + 1)) << 8;
}
std::uint32_t u32(Bytes file, std::size_t at) { return u16(file, at) | u16(file, at + 2) << 16; }

void read_masks(Bytes file, Header& header) {
  if (header.compression != kBitFields) {
    if (header.bits == 16) header.masks = {0x7c00, 0x03e0, 0x001f};
    if (header.bits == 32) header.masks = {0xff0000, 0x00ff00, 0x0000ff};
    return;
  }
  // Behind a 40-byte header, or at the same place inside a longer one.
  for (std::size_t i = 0; i < 3; ++i) header.masks[i] = u32(file, kFileHeaderBytes + 40 + 4 * i);
  if (header.size == 40) header.palette_at += 12;
  if (header.bits == 32 && header.masks == std::array<std::uint32_t, 3>{}) {
    header.masks = {0xff0000, 0x00ff00, 0x0000ff};
  }
}

void read_size(Bytes file, Header& header) {
  constexpr std::size_t at = kFileHeaderBytes;
  const bool is_core = header.size == kCoreHeaderBytes;
  if (is_core) {
    header.width = u16(file, at + 4);
    header.height = u16(file, at + 6);
    header.bits = static_cast<int>(u16(file, at + 10));
    return;
  }
  header.width = std::bit_cast<std::int32_t>(u32(file, at + 4));
  header.height = std::bit_cast<std::int32_t>(u32(file, at + 8));
  header.is_bottom_up = header.height > 0;
  header.height = header.is_bottom_up ? header.height : -header.height;
  header.bits = static_cast<int>(u16(file, at + 14));
  header.compression = u32(file, at + 16);
  header.colours = u32(file, at + 32);
}

Header read_header(Bytes file) {
  Header header;
  header.size = u32(file, kFileHeaderBytes);
  constexpr std::uint32_t kKnownSizes[] = {kCoreHeaderBytes, 40, 52, 56, 64, 108, 124};
  if (std::ranges::find(kKnownSizes, header.size) == std::end(kKnownSizes)) {
    fail(ErrorCode::kUnsupported,
         "bmp: expected a header of 12, 40, 52, 56, 64, 108 or 124 bytes, "
         "got one of ",
         header.size);
  }
  header.palette_at = kFileHeaderBytes + header.size;
  read_size(file, header);
  read_masks(file, header);

  if (header.colours == 0 && header.bits <= 8) header.colours = 1u << header.bits;
  header.pixels_at = u32(file, 10);
  const std::size_t palette_bytes =
      header.bits <= 8 ? std::size_t{header.colours} * (header.size == kCoreHeaderBytes ? 3 : 4)
                       : 0;
  // Some writers leave the offset empty, or forget that a palette comes first.
  const std::size_t behind_header = kFileHeaderBytes + header.size;
  if (header.pixels_at == 0 || (header.pixels_at == behind_header && header.bits <= 8)) {
    header.pixels_at = header.palette_at + palette_bytes;
  }
  return header;
}

void expect_supported(const Header& header) {
  const int bits = header.bits;
  const bool is_plain = header.compression == kNone && (bits == 1 || bits == 4 || bits == 8 ||
                                                        bits == 16 || bits == 24 || bits == 32);
  const bool is_rle =
      (header.compression == kRle8 && bits == 8) || (header.compression == kRle4 && bits == 4);
  const bool has_masks = header.compression == kBitFields && (bits == 16 || bits == 32);
  if (!is_plain && !is_rle && !has_masks) {
    fail(ErrorCode::kUnsupported, "bmp: ", bits, " bits per pixel with compression ",
         header.compression, " are not decoded");
  }
  if (bits <= 8 && header.colours > 65536) {
    fail(ErrorCode::kCorruptData, "bmp: expected at most 65536 colours, got ", header.colours);
  }
}

// Indices beyond the palette are black.
Palette read_palette(Bytes file, const Header& header) {
  Palette palette{};
  const std::size_t entry_bytes = header.size == kCoreHeaderBytes ? 3 : 4;
  for (std::size_t i = 0; i < std::min<std::size_t>(header.colours, 256); ++i) {
    const std::size_t at = header.palette_at + i * entry_bytes;
    palette[i] = {byte_at(file, at + 2), byte_at(file, at + 1), byte_at(file, at)};
  }
  return palette;
}

std::size_t row_bytes(const Header& header) {
  return static_cast<std::size_t>((header.width * header.bits + 31) / 32 * 4);
}

// row: one row as stored.   out: [width, 3]
void unpack_indices(const std::byte* row, const Header& header, const Palette& palette,
                    std::uint8_t* out) {
  const int bits = header.bits;
  for (std::int64_t x = 0; x < header.width; ++x) {
    const int shift = 8 - bits - static_cast<int>(x * bits % 8);
    const int value = std::to_integer<int>(row[x * bits / 8]) >> shift;
    out = std::ranges::copy(palette[static_cast<std::size_t>(value & ((1 << bits) - 1))], out).out;
  }
}

void unpack_24(const std::byte* row, const Header& header, std::uint8_t* out) {
  for (std::int64_t x = 0; x < header.width; ++x) {
    for (int c = 0; c < 3; ++c) *out++ = std::to_integer<std::uint8_t>(row[3 * x + 2 - c]);
  }
}

// A channel as the bits under a mask, stretched to 0..255.
struct Channel {
  int shift = 0;
  std::uint32_t max = 0;
};

std::array<Channel, 3> channels(const Header& header) {
  std::array<Channel, 3> out;
  for (std::size_t c = 0; c < 3; ++c) {
    const std::uint32_t mask = header.masks[c];
    const int shift = mask == 0 ? 0 : std::countr_zero(mask);
    const std::uint32_t max = mask >> shift;
    if (max == 0 || max > 255 || !std::has_single_bit(max + 1)) {
      fail(ErrorCode::kUnsupported, "bmp: expected colour masks of 1 to 8 adjacent bits");
    }
    out[c] = {shift, max};
  }
  return out;
}

void unpack_masked(Bytes row, const Header& header, std::uint8_t* out) {
  const auto table = channels(header);
  const std::size_t bytes = static_cast<std::size_t>(header.bits / 8);
  for (std::size_t x = 0; x < static_cast<std::size_t>(header.width); ++x) {
    const std::uint32_t pixel = bytes == 2 ? u16(row, 2 * x) : u32(row, 4 * x);
    for (const Channel& c : table) {
      *out++ = static_cast<std::uint8_t>(((pixel >> c.shift) & c.max) * 255 / c.max);
    }
  }
}

std::uint8_t* row_of(Image& image, const Header& header, std::int64_t stored_row) {
  const std::int64_t y = header.is_bottom_up ? image.height - 1 - stored_row : stored_row;
  return image.rgb.data() + 3 * image.width * y;
}

void read_plain(Bytes file, const Header& header, const Palette& palette, Image& image) {
  const std::size_t stride = row_bytes(header);
  for (std::int64_t y = 0; y < image.height; ++y) {
    const Bytes row = file.subspan(header.pixels_at + stride * static_cast<std::size_t>(y), stride);
    std::uint8_t* out = row_of(image, header, y);
    if (header.bits <= 8) {
      unpack_indices(row.data(), header, palette, out);
    } else if (header.bits == 24) {
      unpack_24(row.data(), header, out);
    } else {
      unpack_masked(row, header, out);
    }
  }
}

// Writes indices one after the other; what lies beyond the picture is lost.
struct RunWriter {
  Image& image;
  const Header& header;
  const Palette& palette;
  std::int64_t x = 0, y = 0;

  void put(int index) {
    if (x < image.width && y < image.height) {
      std::ranges::copy(palette[static_cast<std::size_t>(index)], row_of(image, header, y) + 3 * x);
    }
    ++x;
  }
};

// Ref: Windows GDI, "Bitmap compression"
void read_runs(Bytes file, const Header& header, RunWriter& writer) {
  const bool is_4 = header.compression == kRle4;
  std::size_t at = header.pixels_at;
  const auto put_packed = [&](int i, std::uint8_t value) {
    writer.put(!is_4 ? value : i % 2 == 0 ? value >> 4 : value & 15);
  };
  while (writer.y < writer.image.height) {
    const int count = byte_at(file, at);
    const std::uint8_t value = byte_at(file, at + 1);
    at += 2;
    if (count > 0) {
      for (int i = 0; i < count; ++i) put_packed(i, value);
    } else if (value == 0) {  // end of line
      writer.x = 0;
      ++writer.y;
    } else if (value == 1) {  // end of picture
      return;
    } else if (value == 2) {  // move
      writer.x += byte_at(file, at);
      writer.y += byte_at(file, at + 1);
      at += 2;
    } else {  // `value` pixels as they are, padded to an even number of bytes
      for (int i = 0; i < value; ++i) {
        put_packed(i, byte_at(file, at + static_cast<std::size_t>(is_4 ? i / 2 : i)));
      }
      const std::size_t bytes = is_4 ? (value + 1u) / 2 : value;
      at += bytes + bytes % 2;
    }
  }
}

}  // namespace

StoredPicture decode_bmp(std::span<const std::byte> file, const MediaLimits& limits) {
  const Header header = read_header(file);
  expect_supported(header);
  expect_decodable("bmp", header.width, header.height, limits);
  const Palette palette = header.bits <= 8 ? read_palette(file, header) : Palette{};
  const bool is_rle = header.compression == kRle8 || header.compression == kRle4;
  if (!is_rle) {
    const std::size_t there = file.size() - std::min(file.size(), header.pixels_at);
    if (there / row_bytes(header) < static_cast<std::size_t>(header.height)) fail_cut_off();
  }
  StoredPicture picture;
  picture.image = new_image("bmp", header.width, header.height, limits);
  if (is_rle) {
    fill(picture.image, palette[0]);  // pixels that no run names
    RunWriter writer{picture.image, header, palette};
    read_runs(file, header, writer);
  } else {
    read_plain(file, header, palette, picture.image);
  }
  return picture;
}

}  // namespace gemma3n
