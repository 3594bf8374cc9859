#include "media/audio_format.h"

#include <algorithm>
#include <string_view>

#include "gemma3n/media.h"
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

// Bytes of the layer III frame that begins here; 0 if there is none, or one of a free bit rate.
// Ref: ISO/IEC 11172-3, 2.4.2.3; 13818-3 for the lower rates
std::size_t layer3_frame_bytes(Bytes file) {
  constexpr unsigned kKilobits[2][15] = {
      {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},       // versions 2 and 2.5
      {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}};  // version 1
  constexpr unsigned kRatesHz[] = {44100, 48000, 32000};                    // of version 1
  constexpr unsigned kVersion1 = 3, kVersion2 = 2, kLayer3 = 1;
  if (!is_mpeg_frame(file)) return 0;
  const unsigned version = byte_at(file, 1) >> 3 & 3u, layer = byte_at(file, 1) >> 1 & 3u;
  if (layer != kLayer3) return 0;
  const bool is_first = version == kVersion1;
  const unsigned kilobits = kKilobits[is_first ? 1 : 0][byte_at(file, 2) >> 4];
  if (kilobits == 0) return 0;
  const unsigned shift = is_first ? 0 : (version == kVersion2 ? 1 : 2);
  const unsigned rate_hz = kRatesHz[byte_at(file, 2) >> 2 & 3u] >> shift;
  const unsigned samples = is_first ? 1152 : 576, padding = byte_at(file, 2) >> 1 & 1u;
  return samples / 8 * kilobits * 1000 / rate_hz + padding;
}

// Frames of twelve bits of sync and a layer of 0.
bool is_adts_frame(Bytes file) {
  return file.size() >= 2 && byte_at(file, 0) == 0xFF && (byte_at(file, 1) & 0xF6u) == 0xF0u;
}

[[noreturn]] void refuse(std::string_view name) {
  fail(ErrorCode::kUnsupported, "expected WAV, FLAC, Ogg Vorbis, Opus or MP3, got ", name);
}

bool is_wav(Bytes file) { return has(file, 0, "RIFF") && has(file, 8, "WAVE"); }

AudioFormat format_of(Bytes file) {
  if (is_wav(file)) return AudioFormat::kWav;
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

std::string_view sound_format(Bytes bytes) {
  if (is_wav(bytes)) return "WAV";
  if (has(bytes, 0, "fLaC")) return "FLAC";
  if (has(bytes, 0, "OggS")) return "Ogg";
  if (has(bytes, 0, "ID3")) return "MP3";
  const std::size_t frame = layer3_frame_bytes(bytes);
  if (frame > 0 && frame < bytes.size() && layer3_frame_bytes(bytes.subspan(frame)) > 0) {
    return "MP3";
  }
  for (const KnownFormat& known : kRefused) {
    if (has(bytes, known.at, known.magic)) return known.name;
  }
  return {};
}

AudioParts audio_parts(Bytes file) {
  file = without_id3(file);
  const AudioFormat format = format_of(file);
  if (format == AudioFormat::kOgg) return {format, ogg_links(file)};
  return {format, {file}};
}

}  // namespace gemma3n
