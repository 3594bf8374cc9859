#include "media/png_chunks.h"

#include <zlib.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace gemma3n {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kChunkOverhead = 12;          // length, type, checksum
constexpr std::size_t kMaxChunks = 1'000'000;       // real files: tens of thousands at most
constexpr std::size_t kMaxMetadataBytes = 1 << 20;  // of one inflated text

std::uint32_t big_endian(std::string_view text) {
  std::uint32_t value = 0;
  for (const char c : text.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// The text up to the next NUL, which is skipped; nothing if there is none.
std::optional<std::string_view> take_string(std::string_view& text) {
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(end + 1);
  return head;
}

// Metadata is a hint: what cannot be inflated within the limit counts as absent.
std::string inflate_text(std::string_view compressed) {
  std::string text(kMaxMetadataBytes, '\0');
  uLongf size = text.size();
  const int code =
      ::uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                   reinterpret_cast<const Bytef*>(compressed.data()), compressed.size());
  text.resize(code == Z_OK ? size : 0);
  return text;
}

// "\nexif\n      42\n" and hexadecimal digits, as ImageMagick writes it.
std::string bytes_of_raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    constexpr auto kDigits = "0123456789abcdef"sv;
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) continue;
    if (high < 0) {
      high = static_cast<int>(digit);
    } else {
      bytes += static_cast<char>(high * 16 + static_cast<int>(digit));
      high = -1;
    }
  }
  return bytes;
}

void note_text(std::string_view type, std::string_view body, PngChunks& chunks) {
  constexpr auto kRawExif = "Raw profile type exif"sv;
  const auto keyword = take_string(body);
  if (!keyword) return;
  if (type == "tEXt" && *keyword == kRawExif && chunks.exif.empty()) {
    chunks.exif = bytes_of_raw_profile(body);
  } else if (type == "zTXt" && *keyword == kRawExif && chunks.exif.empty() && !body.empty()) {
    chunks.exif = bytes_of_raw_profile(inflate_text(body.substr(1)));
  } else if (type == "iTXt" && *keyword == "XML:com.adobe.xmp" && body.size() > 2) {
    const bool is_compressed = body[0] != 0;
    body.remove_prefix(2);
    if (!take_string(body) || !take_string(body)) return;  // language, translated keyword
    chunks.xmp = is_compressed ? inflate_text(body) : std::string(body);
  }
}

bool is_critical(std::string_view type) { return type[0] >= 'A' && type[0] <= 'Z'; }

void check_checksum(std::string_view type_and_body, std::uint32_t expected) {
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(type_and_body.data()),
                           static_cast<uInt>(type_and_body.size()));
  if (crc != expected) {
    fail(ErrorCode::kCorruptData, "png: a chunk that is needed fails its checksum");
  }
}

}  // namespace

PngChunks png_chunks(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  PngChunks chunks;
  std::string exif_chunk;
  std::size_t at = kSignatureBytes;
  for (std::size_t count = 0; count < kMaxChunks; ++count) {
    if (text.size() < at + kChunkOverhead) break;
    const std::size_t length = big_endian(text.substr(at));
    if (length > text.size() - at - kChunkOverhead) break;
    const std::string_view type = text.substr(at + 4, 4);
    const std::string_view body = text.substr(at + 8, length);
    if (is_critical(type)) {
      check_checksum(text.substr(at + 4, 4 + length), big_endian(text.substr(at + 8 + length)));
    }
    if (type == "IEND") {
      if (!exif_chunk.empty()) chunks.exif = std::move(exif_chunk);
      return chunks;
    }
    if (type == "eXIf") exif_chunk = body;
    if (type.ends_with("TXt") || type == "tEXt") note_text(type, body, chunks);
    at += kChunkOverhead + length;
  }
  fail(ErrorCode::kCorruptData, "png: the file is cut off: its end chunk is missing");
}

}  // namespace gemma3n
