// Sounds of one format: any bytes behind its first ones give finite samples within the limit, or an
// Error.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "gemma3n/media.h"
#include "media/ogg.h"

// libsndfile 1.2.0 loses a few kilobytes of libvorbis when it refuses a damaged Ogg file. All other
// leaks are still found.
extern "C" const char* __lsan_default_suppressions() { return "leak:libvorbis.so\n"; }

namespace {

constexpr std::string_view kFormat = GEMMA3N_FUZZ_FORMAT;
constexpr bool kIsOgg = kFormat == "vorbis" || kFormat == "opus";

void begin_as_format(std::string& file) {
  const auto put = [&](std::size_t at, std::string_view magic) {
    if (file.size() >= at + magic.size()) file.replace(at, magic.size(), magic);
  };
  if (kFormat == "flac") put(0, "fLaC");
  if (kFormat == "mp3") put(0, "\xFF\xFB");
  if (kIsOgg) put(0, "OggS");
  if (kFormat == "wav") {
    put(0, "RIFF");
    put(8, "WAVE");
  }
}

// Otherwise every change would end at the checksum of a page.
void repair_ogg_checksums(std::string& file) {
  constexpr std::size_t kHeader = 27, kChecksumAt = 22;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(file[at]); };
  for (std::size_t at = 0; at + kHeader <= file.size();) {
    std::size_t size = kHeader + byte(at + 26);
    if (at + size > file.size()) return;
    for (std::size_t i = kHeader, end = size; i < end; ++i) size += byte(at + i);
    if (at + size > file.size()) return;
    const std::uint32_t crc = gemma3n::ogg_checksum(std::string_view(file).substr(at, size));
    for (std::size_t i = 0; i < 4; ++i) {
      file[at + kChecksumAt + i] = static_cast<char>(crc >> 8 * i & 0xFF);
    }
    at += size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gemma3n::MediaLimits limits;
  limits.max_audio_seconds = 20;
  std::string file(reinterpret_cast<const char*>(data), size);
  begin_as_format(file);
  if (kIsOgg) repair_ogg_checksums(file);
  try {
    const auto clip = gemma3n::decode_audio(std::as_bytes(std::span(file)), 16000, limits);
    if (clip.samples.empty() || clip.samples.size() > 20 * 16000) std::abort();
    for (const float x : clip.samples) {
      if (!std::isfinite(x)) std::abort();
    }
  } catch (const gemma3n::Error& error) {
    if (error.code() == gemma3n::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
