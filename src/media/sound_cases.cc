#include "media/sound_cases.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>

#include "media/measure.h"
#include "media/source.h"

// libsndfile 1.2.0 loses a few kilobytes of libvorbis when it refuses a damaged Ogg file, and of
// its encoder, which only tests use. All other leaks are still found.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libvorbis.so\nleak:libvorbisenc.so\n";
}

namespace gemma3n {

std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xFF));
  return out;
}

std::string big_endian(std::uint64_t value, int bytes) {
  const std::string out = little_endian(value, bytes);
  return {out.rbegin(), out.rend()};
}

std::string patched(std::string file, std::size_t at, const std::string& bytes) {
  return file.replace(at, bytes.size(), bytes);
}

std::string sound_fixture(const std::string& name) {
  std::ifstream file(std::filesystem::path(GEMMA3N_SOUNDS) / name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

namespace {

// libsndfile's view of a file in memory that it writes.
struct Written {
  std::string bytes;
  sf_count_t position = 0;

  static Written& of(void* self) { return *static_cast<Written*>(self); }
  static sf_count_t length(void* self) { return static_cast<sf_count_t>(of(self).bytes.size()); }
  static sf_count_t tell(void* self) { return of(self).position; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    const sf_count_t base =
        whence == SEEK_SET ? 0 : (whence == SEEK_CUR ? of(self).position : length(self));
    return of(self).position = base + offset;
  }
  static sf_count_t read(void* to, sf_count_t count, void* self) {
    count = std::min(count, length(self) - of(self).position);
    of(self).bytes.copy(static_cast<char*>(to), static_cast<std::size_t>(count),
                        static_cast<std::size_t>(of(self).position));
    of(self).position += count;
    return count;
  }
  static sf_count_t write(const void* from, sf_count_t count, void* self) {
    Written& w = of(self);
    const auto at = static_cast<std::size_t>(w.position), n = static_cast<std::size_t>(count);
    if (w.bytes.size() < at + n) w.bytes.resize(at + n);
    w.bytes.replace(at, n, static_cast<const char*>(from), n);
    w.position += count;
    return count;
  }
};

}  // namespace

std::string written_sound(int format, int rate_hz, int channels, std::size_t frames,
                          double compression) {
  Written out;
  SF_VIRTUAL_IO io = {Written::length, Written::seek, Written::read, Written::write, Written::tell};
  SF_INFO info = {};
  info.format = format;
  info.samplerate = rate_hz;
  info.channels = channels;
  SNDFILE* file = sf_open_virtual(&io, SFM_WRITE, &info, &out);
  if (file == nullptr) {
    ADD_FAILURE() << sf_strerror(nullptr);
    return {};
  }
  sf_command(file, SFC_SET_COMPRESSION_LEVEL, &compression, sizeof(compression));
  std::uint32_t noise = 1;
  std::vector<float> frame(static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < frames; ++i) {
    noise = noise * 1664525u + 1013904223u;
    const float tone = 0.3f * std::sin(0.1f * static_cast<float>(i % 10000));
    std::ranges::fill(frame, tone + static_cast<float>(noise >> 8) * 0x1p-29f);
    sf_writef_float(file, frame.data(), 1);
  }
  sf_close(file);
  return out.bytes;
}

// ---- WAV

std::string riff_chunk(const std::string& id, const std::string& body) {
  return id + little_endian(body.size(), 4) + body;
}

std::string wav_format(const WavHeader& h, const std::string& extension) {
  const unsigned frame = h.channels * ((h.bits + 7u) / 8u);
  return little_endian(h.format, 2) + little_endian(h.channels, 2) + little_endian(h.rate_hz, 4) +
         little_endian(std::uint64_t{h.rate_hz} * frame, 4) + little_endian(frame, 2) +
         little_endian(h.bits, 2) + extension;
}

std::string wav_of_chunks(const std::string& chunks) { return riff_chunk("RIFF", "WAVE" + chunks); }

std::string wav(const WavHeader& header, const std::string& data) {
  return wav_of_chunks(riff_chunk("fmt ", wav_format(header)) + riff_chunk("data", data));
}

std::string pcm16(const std::vector<int>& values) {
  std::string out;
  for (const int v : values) out += little_endian(static_cast<std::uint16_t>(v), 2);
  return out;
}

// ---- Ogg. Ref: RFC 3533, 6

namespace {

constexpr std::size_t kOggHeaderBytes = 27;

std::uint64_t number_at(const std::string& file, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(file[at + static_cast<std::size_t>(i)]);
  }
  return value;
}

std::size_t sum_of(const std::string& lacing) {
  std::size_t sum = 0;
  for (const char c : lacing) sum += static_cast<unsigned char>(c);
  return sum;
}

std::uint32_t ogg_checksum(const std::string& page) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> values{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i << 24;
      for (int bit = 0; bit < 8; ++bit) crc = crc << 1 ^ (crc >> 31) * 0x04C11DB7u;
      values[i] = crc;
    }
    return values;
  }();
  std::uint32_t crc = 0;
  for (const char c : page) crc = crc << 8 ^ table[crc >> 24 ^ static_cast<unsigned char>(c)];
  return crc;
}

}  // namespace

std::vector<OggPage> ogg_pages(const std::string& file) {
  std::vector<OggPage> pages;
  for (std::size_t at = 0; at < file.size();) {
    const auto segments = static_cast<std::size_t>(number_at(file, at + 26, 1));
    OggPage page;
    page.flags = static_cast<std::uint8_t>(file[at + 5]);
    page.granule = static_cast<std::int64_t>(number_at(file, at + 6, 8));
    page.serial = static_cast<std::uint32_t>(number_at(file, at + 14, 4));
    page.sequence = static_cast<std::uint32_t>(number_at(file, at + 18, 4));
    page.lacing = file.substr(at + kOggHeaderBytes, segments);
    page.body = file.substr(at + kOggHeaderBytes + segments, sum_of(page.lacing));
    at += kOggHeaderBytes + segments + page.body.size();
    pages.push_back(std::move(page));
  }
  return pages;
}

std::vector<std::string> ogg_packets(const std::vector<OggPage>& pages) {
  std::vector<std::string> packets;
  std::string packet;
  for (const OggPage& page : pages) {
    std::size_t at = 0;
    for (const char c : page.lacing) {
      const std::size_t size = static_cast<unsigned char>(c);
      packet += page.body.substr(at, size);
      at += size;
      if (size < 255) packets.push_back(std::exchange(packet, {}));
    }
  }
  return packets;
}

void append_packet(OggPage& page, const std::string& packet) {
  page.lacing += std::string(packet.size() / 255, '\xFF') + static_cast<char>(packet.size() % 255);
  page.body += packet;
}

std::string ogg_bytes(const OggPage& page) {
  std::string out = "OggS" + std::string(1, '\0') + static_cast<char>(page.flags) +
                    little_endian(static_cast<std::uint64_t>(page.granule), 8) +
                    little_endian(page.serial, 4) + little_endian(page.sequence, 4) +
                    std::string(4, '\0') + static_cast<char>(page.lacing.size()) + page.lacing +
                    page.body;
  return out.replace(22, 4, little_endian(ogg_checksum(out), 4));
}

std::string ogg_bytes(const std::vector<OggPage>& pages) {
  std::string out;
  for (const OggPage& page : pages) out += ogg_bytes(page);
  return out;
}

std::vector<OggPage> ogg_of_packets(const std::vector<std::string>& packets,
                                    const std::vector<std::int64_t>& granules) {
  std::vector<OggPage> pages;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    OggPage page{.granule = granules[i], .sequence = static_cast<std::uint32_t>(i)};
    if (i == 0) page.flags = kOggFirst;
    if (i + 1 == packets.size()) page.flags = kOggLast;
    append_packet(page, packets[i]);
    pages.push_back(std::move(page));
  }
  return pages;
}

// ---- what comes of a file

struct HostileSounds::Result {
  std::optional<ErrorCode> code;
  std::string message;
  std::size_t samples = 0;
};

HostileSounds::Result HostileSounds::decode(const std::string& name, const std::string& file) {
  constexpr long kMaxExtraKiB = 96 << 10;
  ++files_;
  Result result;
  const Measurement measured;
  try {
    const AudioClip clip = decode_audio(as_bytes(file), 16000, limits_);
    result.samples = clip.samples.size();
    EXPECT_GT(result.samples, 0u) << name;
    EXPECT_TRUE(std::ranges::all_of(clip.samples, [](float x) { return std::isfinite(x); }))
        << name;
  } catch (const Error& error) {
    result.code = error.code();
    result.message = error.what();
    EXPECT_NE(error.code(), ErrorCode::kInternal) << name << ": " << error.what();
    EXPECT_TRUE(
        std::ranges::all_of(result.message, [](unsigned char c) { return c >= 0x20 && c <= 0x7E; }))
        << name << ": " << result.message;
  }
  if (kIsMeasured) {
    const auto kept_kib = static_cast<long>(result.samples * sizeof(float) >> 10);
    EXPECT_LE(measured.peak_kib(), kMaxExtraKiB + kept_kib) << name;
  }
  return result;
}

void HostileSounds::expect_samples(const std::string& name, const std::string& file,
                                   std::size_t samples) {
  const Result result = decode(name, file);
  EXPECT_FALSE(result.code) << name << ": " << result.message;
  EXPECT_EQ(result.samples, samples) << name;
}

void HostileSounds::expect_refused(const std::string& name, const std::string& file, ErrorCode code,
                                   const std::string& part) {
  const Result result = decode(name, file);
  ASSERT_TRUE(result.code) << name << ": decoded to " << result.samples << " samples";
  EXPECT_EQ(*result.code, code) << name << ": " << result.message;
  EXPECT_NE(result.message.find(part), std::string::npos) << name << ": " << result.message;
}

void HostileSounds::expect_either(const std::string& name, const std::string& file) {
  decode(name, file);
}

}  // namespace gemma3n
