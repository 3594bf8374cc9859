// For tests: sound files built byte by byte, and what decoding them must come to.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gemma3n/media.h"

namespace gemma3n {

// `bytes` low bytes of a number.
std::string little_endian(std::uint64_t value, int bytes);
std::string big_endian(std::uint64_t value, int bytes);
std::string patched(std::string file, std::size_t at, const std::string& bytes);

std::string sound_fixture(const std::string& name);
// A tone with some noise, `frames` long, as libsndfile writes it.
//   format: SF_FORMAT_...   compression: 0 (the best sound) to 1 (the smallest file)
std::string written_sound(int format, int rate_hz, int channels, std::size_t frames,
                          double compression = 1.0);

// ---- WAV

struct WavHeader {
  std::uint16_t format = 1;  // 1: integers, 3: floats
  std::uint16_t channels = 1;
  std::uint32_t rate_hz = 16000;
  std::uint16_t bits = 16;
};
std::string riff_chunk(const std::string& id, const std::string& body);
std::string wav_format(const WavHeader& header, const std::string& extension = "");
std::string wav_of_chunks(const std::string& chunks);
std::string wav(const WavHeader& header, const std::string& data);
std::string pcm16(const std::vector<int>& values);

// ---- Ogg

struct OggPage {
  std::uint8_t flags = 0;  // 1: begins within a packet, 2: first of its stream, 4: last
  std::int64_t granule = 0;
  std::uint32_t serial = 1, sequence = 0;
  std::string lacing = {}, body = {};
};
inline constexpr std::uint8_t kOggFirst = 2, kOggLast = 4;
std::vector<OggPage> ogg_pages(const std::string& file);
std::vector<std::string> ogg_packets(const std::vector<OggPage>& pages);
void append_packet(OggPage& page, const std::string& packet);
std::string ogg_bytes(const OggPage& page);
std::string ogg_bytes(const std::vector<OggPage>& pages);
// The packets of one stream, one to a page.
std::vector<OggPage> ogg_of_packets(const std::vector<std::string>& packets,
                                    const std::vector<std::int64_t>& granules);

// ---- what comes of a file

// Each expectation decodes one file to 16 kHz and counts it. Whatever comes, it is an error of one
// line or finite samples, within 96 MiB beyond those.
class HostileSounds : public testing::Test {
 protected:
  void expect_samples(const std::string& name, const std::string& file, std::size_t samples);
  void expect_refused(const std::string& name, const std::string& file, ErrorCode code,
                      const std::string& part);
  void expect_either(const std::string& name, const std::string& file);

  std::size_t files_ = 0;
  MediaLimits limits_ = {.max_audio_seconds = 60};

 private:
  struct Result;
  Result decode(const std::string& name, const std::string& file);
};

}  // namespace gemma3n
