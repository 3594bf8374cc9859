#include "media/image_format.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace gemma3n {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  const char* name;
};

// Formats people hand over by mistake.
constexpr Signature kNotDecoded[] = {
    {0, "II*\0"sv, "TIFF"},
    {0, "MM\0*"sv, "TIFF"},
    {0, "II+\0"sv, "BigTIFF"},
    {0, "MM\0+"sv, "BigTIFF"},
    {0, "II\xbc"sv, "JPEG XR"},
    {0, "%!PS"sv, "PostScript or EPS"},
    {0, "\xc5\xd0\xd3\xc6"sv, "EPS"},
    {0, "%PDF"sv, "PDF"},
    {0, "\0\0\0\x0cjP  \r\n\x87\n"sv, "JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    {0, "\xff\x0a"sv, "JPEG XL"},
    {0, "\0\0\0\x0cJXL \r\n\x87\n"sv, "JPEG XL"},
    {0, "\0\0\1\0"sv, "ICO"},
    {0, "\0\0\2\0"sv, "CUR"},
    {0, "8BPS"sv, "Photoshop (PSD)"},
    {0, "icns"sv, "ICNS"},
    {0, "qoif"sv, "QOI"},
    {0, "DDS "sv, "DDS"},
    {0, "\x76\x2f\x31\x01"sv, "OpenEXR"},
    {0, "#?RADIANCE"sv, "Radiance HDR"},
    {0, "\xab\x4b\x54\x58"sv, "KTX"},
    {0, "FLIF"sv, "FLIF"},
    {0, "BPG\xfb"sv, "BPG"},
    {0, "gimp xcf"sv, "GIMP (XCF)"},
    {0, "\xd7\xcd\xc6\x9a"sv, "WMF"},
    {40, " EMF"sv, "EMF"},
    {0, "\x01\xda"sv, "SGI"},
    {0, "\x59\xa6\x6a\x95"sv, "Sun raster"},
    {0, "SIMPLE  ="sv, "FITS"},
    {0, "/* XPM"sv, "XPM"},
    {0, "\x8aMNG\r\n\x1a\n"sv, "MNG"},
    {0, "\x8bJNG\r\n\x1a\n"sv, "JNG"},
    {0, "\x1a\x45\xdf\xa3"sv, "Matroska or WebM video"},
    {0, "\x1f\x8b"sv, "gzip"},
    {0, "PK\3\4"sv, "ZIP"},
};

// The "ftyp" brands of ISO base media files that hold pictures; other brands are video.
constexpr std::pair<std::string_view, const char*> kBrands[] = {
    {"avif", "AVIF"},
    {"avis", "AVIF"},
    {"heic", "HEIC"},
    {"heix", "HEIC"},
    {"hevc", "HEIC"},
    {"hevx", "HEIC"},
    {"heim", "HEIC"},
    {"heis", "HEIC"},
    {"mif1", "HEIF"},
    {"msf1", "HEIF"},
    {"crx ", "Canon raw (CR3)"},
};

bool has(std::string_view text, std::size_t offset, std::string_view part) {
  return text.size() >= offset && text.substr(offset).starts_with(part);
}

bool is_portable_anymap(std::string_view text) {
  return text.size() > 2 && text[0] == 'P' && text[1] >= '1' && text[1] <= '7' &&
         std::isspace(static_cast<unsigned char>(text[2]));
}

// Text formats may begin with a byte order mark, white space, an XML declaration, comments.
const char* text_format(std::string_view text) {
  std::string head(text.substr(0, 1024));
  std::ranges::transform(head, head.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t start = head.find_first_not_of("\xef\xbb\xbf \t\r\n");
  if (start == std::string::npos || head[start] != '<') return nullptr;
  if (head.find("<svg") != std::string::npos) return "SVG";
  if (head.find("<!doctype html") != std::string::npos || head.find("<html") != std::string::npos) {
    return "HTML";
  }
  return "XML";
}

const char* name_of_undecoded(std::string_view text) {
  for (const Signature& signature : kNotDecoded) {
    if (has(text, signature.offset, signature.bytes)) return signature.name;
  }
  if (has(text, 4, "ftyp")) {
    for (const auto& [brand, name] : kBrands) {
      if (has(text, 8, brand)) return name;
    }
    return "MP4 or QuickTime video";
  }
  if (is_portable_anymap(text)) return "PNM";
  return text_format(text);
}

}  // namespace

ImageFormat sniff_image_format(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.empty()) fail(ErrorCode::kCorruptData, "expected a picture, got an empty file");
  if (has(text, 0, "\xff\xd8\xff"sv)) return ImageFormat::kJpeg;
  if (has(text, 0, "\x89PNG\r\n\x1a\n"sv)) return ImageFormat::kPng;
  if (has(text, 0, "RIFF") && has(text, 8, "WEBP")) return ImageFormat::kWebp;
  if (has(text, 0, "GIF87a") || has(text, 0, "GIF89a")) return ImageFormat::kGif;
  if (has(text, 0, "BM")) return ImageFormat::kBmp;
  if (const char* name = name_of_undecoded(text)) {
    fail(ErrorCode::kUnsupported, "expected a JPEG, PNG, WebP, GIF or BMP picture, got ", name,
         "; convert it first");
  }
  fail(ErrorCode::kCorruptData,
       "expected a JPEG, PNG, WebP, GIF or BMP picture, got bytes of no known picture format");
}

}  // namespace gemma3n
