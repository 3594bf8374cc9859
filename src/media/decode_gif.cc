// GIF through giflib: the first frame on a canvas of the screen's size. Later frames are not read.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "media/image_decoders.h"

namespace gemma3n {
namespace {

using Rgb = std::array<std::uint8_t, 3>;

struct Input {
  std::span<const std::byte> left;
};

int feed(GifFileType* gif, GifByteType* target, int size) {
  auto& input = *static_cast<Input*>(gif->UserData);
  const std::size_t count = std::min(static_cast<std::size_t>(size), input.left.size());
  if (count > 0) std::memcpy(target, input.left.data(), count);
  input.left = input.left.subspan(count);
  return static_cast<int>(count);
}

struct GifClose {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, GifClose>;

[[noreturn]] void fail_damaged(int code) {
  const char* text = GifErrorString(code);
  fail(ErrorCode::kCorruptData,
       "gif: the file is damaged or cut off: ", text != nullptr ? text : "unknown error");
}

void expect_ok(const Gif& gif, int status) {
  if (status != GIF_OK) fail_damaged(gif->Error);
}

// Returns the transparent colour's index if this is a graphic control extension with one.
int read_extension(const Gif& gif, int transparent) {
  int code = 0;
  GifByteType* block = nullptr;
  expect_ok(gif, DGifGetExtension(gif.get(), &code, &block));
  if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] == 4) {
    GraphicsControlBlock control;
    if (DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK &&
        control.TransparentColor != NO_TRANSPARENT_COLOR) {
      transparent = control.TransparentColor;
    }
  }
  while (block != nullptr) expect_ok(gif, DGifGetExtensionNext(gif.get(), &block));
  return transparent;
}

// Goes to the pixels of the first frame. Returns the transparent colour's index, or -1.
int find_first_frame(const Gif& gif) {
  int transparent = NO_TRANSPARENT_COLOR;
  while (true) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    expect_ok(gif, DGifGetRecordType(gif.get(), &type));
    if (type == IMAGE_DESC_RECORD_TYPE) break;
    if (type != EXTENSION_RECORD_TYPE) {
      fail(ErrorCode::kCorruptData, "gif: there is no picture in it");
    }
    transparent = read_extension(gif, transparent);
  }
  expect_ok(gif, DGifGetImageDesc(gif.get()));
  return transparent;
}

// Colours that are the grey values of their own indices count as no palette at all.
bool is_grey_ramp(const ColorMapObject& map) {
  for (int i = 0; i < map.ColorCount; ++i) {
    const GifColorType& c = map.Colors[i];
    if (c.Red != i || c.Green != i || c.Blue != i) return false;
  }
  return true;
}

// Without a palette an index is a grey value; an index beyond the palette is black.
// Differs: Pillow colours a frame whose own palette is such a ramp with the palette of the file.
std::array<Rgb, 256> colours(const Gif& gif) {
  std::array<Rgb, 256> table{};
  const ColorMapObject* map = gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
  if (map == nullptr || is_grey_ramp(*map)) {
    for (std::size_t i = 0; i < 256; ++i) table[i].fill(static_cast<std::uint8_t>(i));
    return table;
  }
  for (int i = 0; i < map->ColorCount && i < 256; ++i) {
    const GifColorType& c = map->Colors[i];
    table[static_cast<std::size_t>(i)] = {c.Red, c.Green, c.Blue};
  }
  return table;
}

// Row numbers in the order in which an interlaced frame stores them.
std::vector<std::int64_t> row_order(std::int64_t height, bool is_interlaced) {
  std::vector<std::int64_t> rows;
  rows.reserve(static_cast<std::size_t>(height));
  constexpr std::pair<int, int> kPasses[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  constexpr std::pair<int, int> kOnePass[] = {{0, 1}};
  const std::span<const std::pair<int, int>> passes =
      is_interlaced ? std::span<const std::pair<int, int>>(kPasses) : kOnePass;
  for (const auto& [start, step] : passes) {
    for (std::int64_t y = start; y < height; y += step) rows.push_back(y);
  }
  return rows;
}

void read_frame(const Gif& gif, const std::array<Rgb, 256>& table, Image& image) {
  const GifImageDesc& frame = gif->Image;
  std::vector<GifPixelType> indices(static_cast<std::size_t>(frame.Width));
  for (const std::int64_t y : row_order(frame.Height, frame.Interlace)) {
    expect_ok(gif, DGifGetLine(gif.get(), indices.data(), frame.Width));
    std::uint8_t* out = image.rgb.data() + 3 * ((frame.Top + y) * image.width + frame.Left);
    for (const GifPixelType index : indices) out = std::ranges::copy(table[index], out).out;
  }
}

}  // namespace

StoredPicture decode_gif(std::span<const std::byte> file, const MediaLimits& limits) {
  Input input{file};
  int code = 0;
  const Gif gif(DGifOpen(&input, feed, &code));
  if (!gif) fail_damaged(code);
  const int transparent = find_first_frame(gif);
  const GifImageDesc& frame = gif->Image;
  if (frame.Width <= 0 || frame.Height <= 0) {
    fail(ErrorCode::kCorruptData, "gif: expected a frame of at least one pixel, got ", frame.Width,
         " x ", frame.Height);
  }
  StoredPicture picture;
  Image& image = picture.image;
  image = new_image("gif", std::max(gif->SWidth, frame.Left + frame.Width),
                    std::max(gif->SHeight, frame.Top + frame.Height), limits);
  const auto table = colours(gif);
  const Rgb background = table[transparent >= 0 ? static_cast<std::size_t>(transparent) : 0];
  const bool is_covered = frame.Width == image.width && frame.Height == image.height;
  if (!is_covered) fill(image, background);
  read_frame(gif, table, image);
  return picture;
}

}  // namespace gemma3n
