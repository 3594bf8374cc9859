// JPEG through libjpeg-turbo. Its errors leave by longjmp, so every function that calls setjmp here
// owns nothing: memory belongs to the caller, C++ objects are never jumped over.

// clang-format off
#include <cstdio>  // jpeglib.h needs FILE and size_t, jerror.h needs jpeglib.h
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <cctype>
#include <csetjmp>
#include <string>
#include <vector>

#include "media/image_decoders.h"
#include "media/jpeg_segments.h"

namespace gemma3n {
namespace {

// Every scan of a multi-scan picture visits all blocks, however few bytes it has: a file of 200 kB
// can ask for minutes of work. Real encoders write about ten scans.
constexpr std::int64_t kMaxScans = 200;
constexpr std::int64_t kMaxScannedPixels = 1'000'000'000;

struct Reader {
  jpeg_error_mgr errors;  // first: libjpeg hands back a pointer to it
  jpeg_decompress_struct info;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* reader = reinterpret_cast<Reader*>(info->err);
  reader->errors.format_message(info, reader->message);
  std::longjmp(reader->jump, 1);
}

// libjpeg goes on after these with invented pixels; here they are errors.
bool is_damage(int code) {
  constexpr int kDamage[] = {JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_JPEG_EOF, JWRN_MUST_RESYNC,
                             JWRN_ARITH_BAD_CODE};
  return std::ranges::find(kDamage, code) != std::end(kDamage);
}

void note(j_common_ptr info, int level) {
  if (level < 0 && is_damage(info->err->msg_code)) leave(info);
}
void print_nothing(j_common_ptr) {}

bool read_header(Reader& reader, const unsigned char* data, unsigned long size) {
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = leave;
  reader.errors.emit_message = note;
  reader.errors.output_message = print_nothing;
  if (setjmp(reader.jump) != 0) return false;
  jpeg_create_decompress(&reader.info);
  jpeg_mem_src(&reader.info, data, size);
  jpeg_read_header(&reader.info, TRUE);
  return true;
}

std::uint8_t times_over_255(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return static_cast<std::uint8_t>((product + (product >> 8)) >> 8);
}

// Adobe writes CMYK inverted (255 = no ink), and every other writer followed.
void cmyk_row_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb, unsigned width) {
  for (unsigned x = 0; x < width; ++x) {
    const unsigned light = cmyk[4 * x + 3];
    for (unsigned c = 0; c < 3; ++c) {
      rgb[3 * x + c] =
          static_cast<std::uint8_t>(light - times_over_255(255u - cmyk[4 * x + c], light));
    }
  }
}

// rgb: [height, width, 3].   cmyk_row: [width, 4], used for CMYK pictures only.
bool read_pixels(Reader& reader, std::uint8_t* rgb, std::uint8_t* cmyk_row) {
  if (setjmp(reader.jump) != 0) return false;
  auto& info = reader.info;
  info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  const std::size_t stride = std::size_t{3} * info.output_width;
  while (info.output_scanline < info.output_height) {
    std::uint8_t* row = rgb + stride * info.output_scanline;
    JSAMPROW target = info.out_color_space == JCS_CMYK ? cmyk_row : row;
    jpeg_read_scanlines(&info, &target, 1);
    if (info.out_color_space == JCS_CMYK) cmyk_row_to_rgb(cmyk_row, row, info.output_width);
  }
  return true;
}

[[noreturn]] void fail_damaged(const Reader& reader) {
  std::string message = reader.message;
  if (!message.empty()) {
    message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  }
  const int code = reader.errors.msg_code;
  const bool is_variant = code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION ||
                          code == JERR_NOT_COMPILED || code == JERR_ARITH_NOTIMPL;
  fail(is_variant ? ErrorCode::kUnsupported : ErrorCode::kCorruptData, "jpeg: ", message);
}

struct Destroy {
  jpeg_decompress_struct* info;
  ~Destroy() { jpeg_destroy_decompress(info); }
};

}  // namespace

StoredPicture decode_jpeg(std::span<const std::byte> file, const MediaLimits& limits) {
  const JpegSegments segments = jpeg_segments(file);
  Reader reader{};
  const Destroy destroy{&reader.info};
  if (!read_header(reader, reinterpret_cast<const unsigned char*>(file.data()),
                   static_cast<unsigned long>(file.size()))) {
    fail_damaged(reader);
  }
  const auto& info = reader.info;
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4) {
    fail(ErrorCode::kUnsupported, "jpeg: expected 1, 3 or 4 components, got ", info.num_components);
  }
  const std::int64_t pixels = std::int64_t{info.image_width} * info.image_height;
  if (segments.scans > kMaxScans || segments.scans * pixels > kMaxScannedPixels) {
    fail(ErrorCode::kInvalidArgument, "jpeg: ", info.image_width, " x ", info.image_height,
         " pixels in ", segments.scans, " scans: more than ", kMaxScans, " scans or ",
         kMaxScannedPixels, " pixels in all scans together");
  }
  Image image = new_image("jpeg", info.image_width, info.image_height, limits);
  std::vector<std::uint8_t> cmyk_row(info.num_components == 4 ? std::size_t{4} * info.image_width
                                                              : 0);
  if (!read_pixels(reader, image.rgb.data(), cmyk_row.data())) fail_damaged(reader);
  return {std::move(image), segments.exif, segments.xmp};
}

}  // namespace gemma3n
