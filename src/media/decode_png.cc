// PNG through libpng. Its errors leave by longjmp, so every function that calls setjmp here owns
// nothing: memory belongs to the caller, C++ objects are never jumped over.
#include <png.h>

#include <array>
#include <csetjmp>
#include <cstring>
#include <string>

#include "media/image_decoders.h"
#include "media/png_chunks.h"

namespace gemma3n {
namespace {

// Everything but IHDR, PLTE, IDAT and IEND is skipped unread: profiles, texts and times cannot cost
// memory, and neither gamma nor transparency changes a pixel (Pillow drops alpha, so do we).
constexpr png_byte kSkipped[] =
    "tRNS\0gAMA\0cHRM\0sRGB\0iCCP\0sBIT\0bKGD\0hIST\0pHYs\0sPLT\0tIME\0oFFs\0pCAL\0sCAL\0sTER\0"
    "tEXt\0zTXt\0iTXt\0eXIf\0cICP\0mDCV\0cLLI\0acTL\0fcTL\0fdAT";
constexpr int kSkippedCount = sizeof(kSkipped) / 5;

struct Reader {
  png_structp png;
  png_infop info;
  const png_byte* next;
  std::size_t left;
  std::jmp_buf jump;
  char message[200];
};

[[noreturn]] void leave(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(reader->message, message, sizeof(reader->message) - 1);
  std::longjmp(reader->jump, 1);
}
void ignore(png_structp, png_const_charp) {}

void feed(png_structp png, png_bytep target, std::size_t size) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (size > reader->left) png_error(png, "the data ends too early");
  std::memcpy(target, reader->next, size);
  reader->next += size;
  reader->left -= size;
}

bool read_header(Reader& reader) {
  if (setjmp(reader.jump) != 0) return false;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, leave, ignore);
  if (reader.png == nullptr) return false;
  reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) png_error(reader.png, "out of memory");
  png_set_read_fn(reader.png, &reader, feed);
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, kSkipped, kSkippedCount);
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // new_image() has the limit
  png_read_info(reader.png, reader.info);
  return true;
}

// Asks for one of the four row forms that widen_row() knows.
void set_transforms(Reader& reader) {
  const int type = png_get_color_type(reader.png, reader.info);
  const int depth = png_get_bit_depth(reader.png, reader.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_packing(reader.png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(reader.png);
  if (type != PNG_COLOR_TYPE_GRAY && depth == 16) png_set_strip_16(reader.png);
  if ((type & PNG_COLOR_MASK_ALPHA) != 0) png_set_strip_alpha(reader.png);
}

// Reads all rows, each into the beginning of its row of `rgb`: [height, width, 3].
bool read_rows(Reader& reader, std::uint8_t* rgb, std::size_t stride, std::int64_t height) {
  if (setjmp(reader.jump) != 0) return false;
  set_transforms(reader);
  const int passes = png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  if (png_get_rowbytes(reader.png, reader.info) > stride) png_error(reader.png, "row too long");
  for (int pass = 0; pass < passes; ++pass) {
    for (std::int64_t y = 0; y < height; ++y) {
      png_read_row(reader.png, rgb + stride * static_cast<std::size_t>(y), nullptr);
    }
  }
  png_read_end(reader.png, nullptr);
  return true;
}

enum class RowForm { kIndex, kGrey8, kGrey16, kRgb };

RowForm row_form(int color_type, int bit_depth) {
  if (color_type == PNG_COLOR_TYPE_PALETTE) return RowForm::kIndex;
  if ((color_type & PNG_COLOR_MASK_COLOR) != 0) return RowForm::kRgb;
  const bool is_wide = color_type == PNG_COLOR_TYPE_GRAY && bit_depth == 16;
  return is_wide ? RowForm::kGrey16 : RowForm::kGrey8;
}

// Pillow opens 16-bit grey as mode I;16, whose conversion to RGB clips instead of scaling.
std::uint8_t clipped(std::uint8_t high, std::uint8_t low) { return high != 0 ? 255 : low; }

// In place, from the right: the narrow pixels lie at the beginning of the row.
void widen_row(std::uint8_t* row, std::int64_t width, RowForm form,
               const std::array<png_color, 256>& palette) {
  for (std::int64_t x = width - 1; x >= 0; --x) {
    png_color color{};
    if (form == RowForm::kIndex) {
      color = palette[row[x]];
    } else {
      const std::uint8_t grey =
          form == RowForm::kGrey8 ? row[x] : clipped(row[2 * x], row[2 * x + 1]);
      color = {grey, grey, grey};
    }
    row[3 * x] = color.red;
    row[3 * x + 1] = color.green;
    row[3 * x + 2] = color.blue;
  }
}

// Indices beyond the palette are black, as in Pillow.
std::array<png_color, 256> full_palette(const Reader& reader) {
  std::array<png_color, 256> palette{};
  png_colorp stored = nullptr;
  int count = 0;
  if (png_get_PLTE(reader.png, reader.info, &stored, &count) != 0) {
    for (int i = 0; i < count && i < 256; ++i) palette[static_cast<std::size_t>(i)] = stored[i];
  }
  return palette;
}

struct Destroy {
  Reader* reader;
  ~Destroy() { png_destroy_read_struct(&reader->png, &reader->info, nullptr); }
};

[[noreturn]] void fail_damaged(const Reader& reader) {
  fail(ErrorCode::kCorruptData,
       "png: ", reader.message[0] ? reader.message : "libpng cannot start");
}

}  // namespace

StoredPicture decode_png(std::span<const std::byte> file, const MediaLimits& limits) {
  PngChunks chunks = png_chunks(file);
  Reader reader{};
  reader.next = reinterpret_cast<const png_byte*>(file.data());
  reader.left = file.size();
  const Destroy destroy{&reader};
  if (!read_header(reader)) fail_damaged(reader);

  const RowForm form = row_form(png_get_color_type(reader.png, reader.info),
                                png_get_bit_depth(reader.png, reader.info));
  Image image = new_image("png", png_get_image_width(reader.png, reader.info),
                          png_get_image_height(reader.png, reader.info), limits);
  const auto stride = static_cast<std::size_t>(3 * image.width);
  if (!read_rows(reader, image.rgb.data(), stride, image.height)) fail_damaged(reader);
  if (form != RowForm::kRgb) {
    const auto palette = full_palette(reader);
    for (std::int64_t y = 0; y < image.height; ++y) {
      widen_row(image.rgb.data() + stride * static_cast<std::size_t>(y), image.width, form,
                palette);
    }
  }
  return {std::move(image), std::move(chunks.exif), std::move(chunks.xmp)};
}

}  // namespace gemma3n
