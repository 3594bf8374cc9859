#include "media/audio_format.h"

#include <algorithm>
#include <string_view>

#include "media/ogg.h"

namespace gemma3n {
namespace {

using Bytes = std::span<const std::byte>;

unsigned byte_at(Bytes file, std::size_t i) { return std::to_integer<unsigned>(file[i]); }

bool has(Bytes file, std::size_t at, std::string_view magic) {
  return file.size() >= at + magic.size() &&
         std::ranges::equal(file.subspan(at, magic.size()), magic,
                            [](std::byte b, char c) { return b == static_cast<std::byte>(c); });
}

// Ref: ID3v2.4.0 structure, 3.1: 28 bits of size in four bytes, without the header of ten bytes.
Bytes without_id3(Bytes file) {
  while (has(file, 0, "ID3") && file.size() >= 10) {
    std::size_t size = 10;
    std::size_t body = 0;
    for (std::size_t i = 6; i < 10; ++i) body = body << 7 | (byte_at(file, i) & 0x7Fu);
    size += body;
    if ((byte_at(file, 5) & 0x10u) != 0) size += 10;  // a footer
    if (size >= file.size()) {
      fail(ErrorCode::kCorruptData, "ID3 tag: expected sound behind its ", size,
           " bytes, got a file of ", file.size());
    }
    file = file.subspan(size);
  }
  return file;
}

struct KnownFormat {
  std::size_t at;
  std::string_view magic, name;
};
constexpr KnownFormat kRefused[] = {
    {0, "FORM", "AIFF"},
    {0, ".snd", "AU"},
    {0, "caff", "CAF"},
    {0, "RF64", "RF64"},
    {0, "RIFX", "big-endian WAV"},
    {0, "riff", "Wave64"},
    {8, "AVI ", "AVI"},
    {4, "ftyp", "MP4 or M4A"},
    {0, "\x1A\x45\xDF\xA3", "WebM or Matroska"},
    {0, "#!AMR", "AMR"},
    {0, "MThd", "MIDI"},
    {0, "wvpk", "WavPack"},
    {0, "MAC ", "Monkey's Audio"},
    {0, "ADIF", "AAC"},
    {0, "FLV", "Flash video"},
    {0, "\x30\x26\xB2\x75", "WMA"},
};

// A frame's sync of eleven bits, and no reserved values.
bool is_mpeg_frame(Bytes file) {
  if (file.size() < 4 || byte_at(file, 0) != 0xFF || (byte_at(file, 1) & 0xE0u) != 0xE0u) {
    return false;
  }
  const unsigned version = byte_at(file, 1) >> 3 & 3u, layer = byte_at(file, 1) >> 1 & 3u;
  return version != 1 && layer != 0 && byte_at(file, 2) >> 4 != 15 &&
         (byte_at(file, 2) >> 2 & 3u) != 3;
}

// Frames of twelve bits of sync and a layer of 0.
bool is_adts_frame(Bytes file) {
  return file.size() >= 2 && byte_at(file, 0) == 0xFF && (byte_at(file, 1) & 0xF6u) == 0xF0u;
}

[[noreturn]] void refuse(std::string_view name) {
  fail(ErrorCode::kUnsupported, "expected WAV, FLAC, Ogg Vorbis, Opus or MP3, got ", name);
}

AudioFormat format_of(Bytes file) {
  if (has(file, 0, "RIFF") && has(file, 8, "WAVE")) return AudioFormat::kWav;
  if (has(file, 0, "fLaC")) return AudioFormat::kFlac;
  if (has(file, 0, "OggS")) return AudioFormat::kOgg;
  if (is_mpeg_frame(file)) return AudioFormat::kMp3;
  for (const KnownFormat& known : kRefused) {
    if (has(file, known.at, known.magic)) refuse(known.name);
  }
  if (is_adts_frame(file)) refuse("AAC");
  fail(ErrorCode::kCorruptData,
       "expected a WAV, FLAC, Ogg Vorbis, Opus or MP3 file, got unknown bytes");
}

}  // namespace

AudioParts split_audio(Bytes file) {
  file = without_id3(file);
  const AudioFormat format = format_of(file);
  if (format == AudioFormat::kOgg) return {format, ogg_links(file)};
  return {format, {file}};
}

}  // namespace gemma3n
