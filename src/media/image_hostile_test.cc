// Hostile and damaged pictures: an Error that says what is wrong, within 300 ms of processor time
// and 64 MiB beyond the decoded size, or a picture; never anything else.
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <functional>
#include <map>
#include <random>

#include "gemma3n/media.h"
#include "media/measure.h"
#include "media/source.h"

namespace gemma3n {
namespace {

using namespace std::string_literals;

const std::filesystem::path kFolder = GEMMA3N_MEDIA_FIXTURES;

constexpr double kMaxRefusalMs = 300;
constexpr long kMaxExtraKiB = 64 << 10;

enum class Outcome { kPicture, kRefused, kEither };

// What the largest picture takes that is not refused for its size.
constexpr long kLargestKiB = 3 * 64'000'000 / 1024;

// Decodes, and checks what every outcome has to keep to. Returns the message of the error, if any.
//   decoded_kib: what a refused picture would have taken
std::string decode(const std::string& name, const std::string& bytes, Outcome expected,
                   long decoded_kib = 0) {
  std::string message;
  const Measurement measured;
  try {
    const Image image = decode_image(as_bytes(bytes));
    EXPECT_EQ(image.rgb.size(), static_cast<std::size_t>(image.width * image.height * 3)) << name;
    EXPECT_NE(expected, Outcome::kRefused) << name;
    decoded_kib = static_cast<long>(image.rgb.size() >> 10);
  } catch (const Error& error) {
    message = error.what();
    EXPECT_NE(error.code(), ErrorCode::kInternal) << name << ": " << message;
    EXPECT_NE(expected, Outcome::kPicture) << name << ": " << message;
    if (kIsMeasured) {
      EXPECT_LE(measured.elapsed_ms(), kMaxRefusalMs) << name << ": " << message;
    }
  }
  if (kIsMeasured) {
    EXPECT_LE(measured.peak_kib(), kMaxExtraKiB + decoded_kib) << name;
  }
  return message;
}

std::map<std::string, std::string> fixtures() {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".tsv") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}
std::string fixture(const std::string& name) { return fixtures().at(name); }

std::string big_endian(std::uint32_t value, int bytes = 4) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string little_endian(std::uint32_t value, int bytes = 4) {
  const std::string big = big_endian(value, bytes);
  return {big.rbegin(), big.rend()};
}
std::string patched(std::string file, std::size_t at, const std::string& bytes) {
  return file.replace(at, bytes.size(), bytes);
}

// ---- PNG

std::string chunk(const std::string& type, const std::string& body) {
  const std::string both = type + body;
  const auto crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(both.data()), static_cast<uInt>(both.size()));
  return big_endian(static_cast<std::uint32_t>(body.size())) + both +
         big_endian(static_cast<std::uint32_t>(crc));
}

std::string deflated(const std::string& text) {
  uLongf size = ::compressBound(text.size());
  std::string out(size, '\0');
  ::compress2(reinterpret_cast<Bytef*>(out.data()), &size,
              reinterpret_cast<const Bytef*>(text.data()), text.size(), 9);
  out.resize(size);
  return out;
}

std::string header_chunk(std::uint32_t width, std::uint32_t height, char depth = 8, char type = 2) {
  return chunk("IHDR", big_endian(width) + big_endian(height) + depth + type + "\0\0\0"s);
}

std::string png(std::uint32_t width, std::uint32_t height, const std::string& rows, char depth = 8,
                char type = 2, const std::string& extra = "") {
  return "\x89PNG\r\n\x1a\n" + header_chunk(width, height, depth, type) + extra +
         chunk("IDAT", deflated(rows)) + chunk("IEND", "");
}

std::string grey_png(std::uint32_t width, std::uint32_t height, const std::string& extra = "") {
  return png(width, height, std::string(std::size_t{height} * (width + 1), '\0'), 8, 0, extra);
}

// ---- JPEG

std::size_t frame_header(const std::string& jpeg) {
  const auto baseline = jpeg.find("\xff\xc0"s);
  return baseline != std::string::npos ? baseline : jpeg.find("\xff\xc2"s);
}
std::string jpeg_of_size(const std::string& jpeg, std::uint32_t width, std::uint32_t height) {
  return patched(jpeg, frame_header(jpeg) + 5, big_endian(height, 2) + big_endian(width, 2));
}
std::string with_scans(const std::string& progressive, int count) {
  const std::size_t first = progressive.find("\xff\xda"s);
  std::size_t next = first + 2;
  while (progressive[next] != '\xff' || progressive[next + 1] == '\0') ++next;
  std::string scans;
  for (int i = 0; i < count; ++i) scans += progressive.substr(first, next - first);
  return progressive.substr(0, first) + scans + progressive.substr(first);
}
std::string with_app1(const std::string& jpeg, const std::string& body) {
  return jpeg.substr(0, 2) + "\xff\xe1" +
         big_endian(static_cast<std::uint32_t>(body.size() + 2), 2) + body + jpeg.substr(2);
}

// ---- the tests

TEST(HostileImages, EveryTruncationIsRefused) {
  int files = 0;
  for (const auto& [name, bytes] : fixtures()) {
    if (name == "trailing.jpg") continue;  // what is cut off first does not belong to the picture
    // A GIF's first frame, and runs of a BMP, may be complete before the end of the file.
    const bool may_be_whole = name.ends_with(".gif") || name.ends_with(".bmp");
    for (const double part : {0.1, 0.5, 0.9}) {
      const auto size = static_cast<std::size_t>(part * static_cast<double>(bytes.size()));
      decode(name + " cut", bytes.substr(0, size),
             may_be_whole ? Outcome::kEither : Outcome::kRefused);
      ++files;
    }
    decode(name + " less one", bytes.substr(0, bytes.size() - 1),
           may_be_whole ? Outcome::kEither : Outcome::kRefused);
    ++files;
  }
  EXPECT_GE(files, 1000);
}

TEST(HostileImages, FlippedBitsAndBytesGivePicturesOrErrors) {
  std::mt19937 rng(7);
  int files = 0;
  for (const auto& [name, bytes] : fixtures()) {
    for (int i = 0; i < 12; ++i, ++files) {
      std::string changed = bytes;
      for (int k = 0; k <= i % 3; ++k) {
        // Half of the changes go to the first bytes, where the headers are.
        const std::size_t range =
            i % 2 == 0 ? std::min<std::size_t>(64, bytes.size()) : bytes.size();
        const std::size_t at = rng() % range;
        changed[at] = i % 4 < 2 ? static_cast<char>(changed[at] ^ (1 << (rng() % 8)))
                                : static_cast<char>(rng());
      }
      decode(name + " changed", changed, Outcome::kEither, kLargestKiB);
    }
  }
  EXPECT_GE(files, 3000);
}

std::map<std::string, std::string> bombs() {
  const std::string jpeg = fixture("quality_100.jpg");
  const std::string progressive = fixture("rgb_33x18_420_progressive.jpg");
  const std::string gif = fixture("no_palette.gif");
  const std::string bmp = fixture("bits24_7x5.bmp"), rle = fixture("rle8.bmp");
  const auto webp_canvas = [](std::uint32_t w, std::uint32_t h) {
    const std::string body = "VP8X"s + little_endian(10) + little_endian(0) +
                             little_endian(w - 1, 3) + little_endian(h - 1, 3);
    return "RIFF" + little_endian(static_cast<std::uint32_t>(body.size() + 4)) + "WEBP" + body;
  };
  const std::string lossless = fixture("lossless_rgb_7x5.webp");
  const std::string lossy = fixture("lossy10_rgb_7x5.webp");
  return {
      {"png 65535 squared", grey_png(1, 1).replace(8, 25, header_chunk(65535, 65535))},
      {"png 2^31-1 wide", grey_png(1, 1).replace(8, 25, header_chunk(0x7fffffff, 1))},
      {"png 2^31-1 squared", grey_png(1, 1).replace(8, 25, header_chunk(0x7fffffff, 0x7fffffff))},
      {"png 2^32-1 wide", grey_png(1, 1).replace(8, 25, header_chunk(0xffffffff, 1))},
      {"png 2,000,000 wide", grey_png(1, 1).replace(8, 25, header_chunk(2'000'000, 1))},
      {"png of no width", grey_png(1, 1).replace(8, 25, header_chunk(0, 1))},
      {"png of no height", grey_png(1, 1).replace(8, 25, header_chunk(1, 0))},
      {"png 8000 squared without rows", png(8000, 8000, "")},
      {"png depth 3", png(1, 1, std::string(4, '\0'), 3)},
      {"png type 5", png(1, 1, std::string(4, '\0'), 8, 5)},
      {"png palette without palette", png(1, 1, "\0\0"s, 8, 3)},
      {"png filter 9", png(1, 1, "\x09\0\0\0"s)},
      {"png rows missing", png(9, 9, std::string(28, '\0'))},
      {"png chunk longer than the file", patched(grey_png(1, 1), 33, "\x7f\xff\xff\xff")},
      {"png bad checksum", patched(grey_png(1, 1), 45, "\x55")},
      {"png no IDAT", "\x89PNG\r\n\x1a\n" + header_chunk(1, 1) + chunk("IEND", "")},
      {"png only signature", "\x89PNG\r\n\x1a\n"},
      {"png IEND first", "\x89PNG\r\n\x1a\n" + chunk("IEND", "")},
      {"jpeg 65535 squared", jpeg_of_size(jpeg, 65535, 65535)},
      {"jpeg 65500 squared", jpeg_of_size(jpeg, 65500, 65500)},
      {"jpeg progressive 65500 squared", jpeg_of_size(progressive, 65500, 65500)},
      {"jpeg 8000 squared without data", jpeg_of_size(jpeg, 8000, 8000)},
      {"jpeg of no width", jpeg_of_size(jpeg, 0, 5)},
      {"jpeg of no height", jpeg_of_size(jpeg, 5, 0)},
      {"jpeg 300 scans", with_scans(progressive, 300)},
      {"jpeg 100,000 scans", with_scans(progressive, 100'000)},
      {"jpeg 7000 squared in 40 scans", with_scans(jpeg_of_size(progressive, 7000, 7000), 40)},
      {"jpeg 12 bits", patched(jpeg, frame_header(jpeg) + 4, "\x0c")},
      {"jpeg lossless", patched(jpeg, frame_header(jpeg) + 1, "\xc3")},
      {"jpeg only start", "\xff\xd8\xff"},
      {"jpeg start and end", "\xff\xd8\xff\xd9"},
      {"jpeg segment of length 0", "\xff\xd8\xff\xe1\0\0\xff\xd9"s},
      {"gif screen 65535 squared", patched(gif, 6, "\xff\xff\xff\xff")},
      {"gif frame 65535 squared", patched(gif, 18, "\xff\xff\xff\xff")},
      {"gif frame far outside", patched(gif, 14, "\xff\xff\xff\xff")},
      {"gif frame of no width", patched(gif, 18, "\0\0"s)},
      {"gif screen 8000 squared, frame damaged",
       patched(gif, 6, little_endian(8000, 2) + little_endian(8000, 2)).substr(0, gif.size() - 4)},
      {"gif frame 8000 squared without data",
       patched(patched(gif, 6, little_endian(8000, 2) + little_endian(8000, 2)), 18,
               little_endian(8000, 2) + little_endian(8000, 2))},
      {"gif without picture", gif.substr(0, 13) + ";"},
      {"gif 1,000,000 comments",
       [&] {
         std::string file = gif.substr(0, 13);
         for (int i = 0; i < 1'000'000; ++i) file += "\x21\xfe\1x\0"s;
         return file;
       }()},
      {"webp canvas 16383 squared", webp_canvas(16383, 16383)},
      {"webp canvas 2^24 squared", webp_canvas(1 << 24, 1 << 24)},
      {"webp lossless 16384 squared", patched(lossless, 21, "\xff\xff\xff\x0f")},
      {"webp lossless 8000 squared", patched(lossless, 21, "\x3f\xdf\xcf\x07")},
      {"webp lossy 16383 squared", patched(lossy, 26, "\xff\x3f\xff\x3f")},
      {"webp riff size 0", patched(lossless, 4, little_endian(0))},
      {"webp riff size 2^32-1", patched(lossless, 4, little_endian(0xffffffff))},
      {"webp chunk size 2^32-1", patched(lossless, 16, little_endian(0xffffffff))},
      {"webp without chunks", "RIFF" + little_endian(4) + "WEBP"},
      {"bmp 65535 squared", patched(bmp, 18, little_endian(65535) + little_endian(65535))},
      {"bmp rle 65535 squared", patched(rle, 18, little_endian(65535) + little_endian(65535))},
      {"bmp 8000 squared without data",
       patched(bmp, 18, little_endian(8000) + little_endian(8000))},
      {"bmp rle 8000 squared without data",
       patched(rle, 18, little_endian(8000) + little_endian(8000)).substr(0, rle.size() - 20)},
      {"bmp 2^31-1 squared",
       patched(bmp, 18, little_endian(0x7fffffff) + little_endian(0x7fffffff))},
      {"bmp height -2^31", patched(bmp, 22, little_endian(0x80000000))},
      {"bmp width -1", patched(bmp, 18, little_endian(0xffffffff))},
      {"bmp of no height", patched(bmp, 22, little_endian(0))},
      {"bmp pixels behind the end", patched(bmp, 10, little_endian(0xfffffff0))},
      {"bmp header of 41 bytes", patched(bmp, 14, little_endian(41))},
      {"bmp 3 bits", patched(bmp, 28, "\3")},
      {"bmp compression 9", patched(bmp, 30, "\x09")},
      {"bmp 2^32-1 colours", patched(rle, 46, little_endian(0xffffffff))},
      {"bmp only magic", "BM"},
      {"empty", ""},
      {"text", "this is no picture at all"},
      {"zeros", std::string(5000, '\0')},
  };
}

TEST(HostileImages, BombsAreRefused) {
  const auto files = bombs();
  EXPECT_GE(files.size(), 60u);
  for (const auto& [name, bytes] : files) {
    const bool is_within_limit = name.find("8000 squared") != std::string::npos;
    decode(name, bytes, Outcome::kRefused, is_within_limit ? kLargestKiB : 0);
  }
}

TEST(HostileImages, TooManyPixelsAreCountedBeforeMemoryIsTaken) {
  for (const auto& [name, bytes] : bombs()) {
    if (name.find("squared") == std::string::npos ||
        name.find("000 squared") != std::string::npos ||
        name.find("webp canvas") != std::string::npos) {
      continue;  // refused for another reason before
    }
    const std::string message = decode(name, bytes, Outcome::kRefused);
    EXPECT_NE(message.find("pixels"), std::string::npos) << name << ": " << message;
  }
}

TEST(HostileImages, StrangeButLegalPicturesAreDecoded) {
  const std::string jpeg = fixture("quality_100.jpg");
  const std::string zeros(50 << 20, '\0');
  std::string frames = fixture("no_palette.gif");
  frames.pop_back();
  const std::string frame = frames.substr(13);
  for (int i = 0; i < 100'000; ++i) frames += frame;
  const std::string loop = "II*\0\x08\0\0\0\xff\xff"s + std::string(65535, '\x12');
  const std::map<std::string, std::string> files = {
      {"png 52800 x 44", grey_png(52800, 44)},
      {"png 1 x 65535", grey_png(1, 65535)},
      {"png 65535 x 1", grey_png(65535, 1)},
      {"png iCCP of 50 MiB", grey_png(3, 3, chunk("iCCP", "x\0\0"s + deflated(zeros)))},
      {"png zTXt of 50 MiB",
       grey_png(3, 3, chunk("zTXt", "Raw profile type exif\0\0"s + deflated(zeros)))},
      {"png iTXt of 50 MiB",
       grey_png(3, 3, chunk("iTXt", "XML:com.adobe.xmp\0\1\0\0\0"s + deflated(zeros)))},
      {"jpeg exif out of bounds", with_app1(jpeg, "Exif\0\0II*\0\xf0\xff\xff\xff"s)},
      {"jpeg exif of 65535 entries", with_app1(jpeg, "Exif\0\0"s + loop.substr(0, 60000))},
      {"jpeg exif empty", with_app1(jpeg, "Exif\0\0"s)},
      {"jpeg 16 MB of ICC profiles",
       [&] {
         const std::string part =
             "\xff\xe2\xff\xff" + ("ICC_PROFILE\0\1\xff"s + std::string(65519, 'x'));
         std::string file = jpeg.substr(0, 2);
         for (int i = 0; i < 255; ++i) file += part;
         return file + jpeg.substr(2);
       }()},
      {"jpeg 40 scans", with_scans(fixture("rgb_33x18_420_progressive.jpg"), 40)},
      {"gif of 100,000 frames", frames},
  };
  for (const auto& [name, bytes] : files) decode(name, bytes, Outcome::kPicture);
}

TEST(HostileImages, OtherFormatsAreRefusedByName) {
  const std::pair<std::string, std::string> formats[] = {
      {"TIFF", "II*\0\x08\0\0\0"s},
      {"TIFF", "MM\0*\0\0\0\x08"s},
      {"BigTIFF", "II+\0\x08\0\0\0"s},
      {"SVG", "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"},
      {"SVG", "\xef\xbb\xbf  <svg/>"},
      {"HTML", "<!DOCTYPE html><html></html>"},
      {"EPS", "%!PS-Adobe-3.0 EPSF-3.0\n"},
      {"PDF", "%PDF-1.7"},
      {"JPEG 2000", "\0\0\0\x0cjP  \r\n\x87\n"s},
      {"JPEG 2000", "\xff\x4f\xff\x51"},
      {"JPEG XL", "\xff\x0a"},
      {"AVIF",
       "\0\0\0\x1c"
       "ftypavif"s},
      {"HEIC",
       "\0\0\0\x1c"
       "ftypheic"s},
      {"MP4",
       "\0\0\0\x1c"
       "ftypisom"s},
      {"ICO", "\0\0\1\0\1\0"s},
      {"PSD", "8BPS\0\1"s},
      {"QOI", "qoif\0\0\0\1"s},
      {"PNM", "P6\n1 1\n255\n"},
      {"OpenEXR", "\x76\x2f\x31\x01"},
      {"DDS", "DDS |"},
      {"ZIP", "PK\3\4"},
      {"gzip", "\x1f\x8b\x08"},
      {"WMF", "\xd7\xcd\xc6\x9a"},
  };
  for (const auto& [name, bytes] : formats) {
    try {
      decode_image(as_bytes(bytes));
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace gemma3n
