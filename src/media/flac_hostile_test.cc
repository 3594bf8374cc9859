// Hostile and odd FLAC files, built from metadata blocks and frames. Ref: RFC 9639
#include <sndfile.h>

#include "media/sound_cases.h"

namespace gemma3n {
namespace {

using namespace std::string_literals;

struct StreamInfo {
  std::uint64_t min_block = 16, max_block = 65535;
  std::uint64_t rate_hz = 16000, channels = 1, bits = 16;
  std::uint64_t total_samples = 0;  // 0: not known
};

enum Block : unsigned char {
  kStreamInfo,
  kPadding,
  kApplication,
  kSeekTable,
  kComment,
  kCueSheet,
  kPicture
};

std::string metadata(unsigned char type, const std::string& body, bool is_last = false) {
  return static_cast<char>(type | (is_last ? 0x80 : 0)) + big_endian(body.size(), 3) + body;
}

std::string stream_info(const StreamInfo& s) {
  return big_endian(s.min_block, 2) + big_endian(s.max_block, 2) + std::string(6, '\0') +
         big_endian(s.rate_hz << 44 | (s.channels - 1) << 41 | (s.bits - 1) << 36 | s.total_samples,
                    8) +
         std::string(16, '\0');
}

unsigned checksum(const std::string& bytes, unsigned polynomial, int width) {
  unsigned crc = 0;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c) << (width - 8);
    for (int bit = 0; bit < 8; ++bit) {
      const bool is_high = (crc >> (width - 1) & 1u) != 0;
      crc = (crc << 1 ^ (is_high ? polynomial : 0)) & ((1u << width) - 1);
    }
  }
  return crc;
}

// Frame `number` (below 2^11) of `samples` equal 16-bit values in each channel.
std::string constant_frame(unsigned number, unsigned samples, unsigned channels, unsigned value) {
  std::string header = "\xFF\xF8"s + '\x70' + static_cast<char>((channels - 1) << 4);
  header += number < 0x80 ? std::string(1, static_cast<char>(number))
                          : std::string{static_cast<char>(0xC0 | number >> 6),
                                        static_cast<char>(0x80 | (number & 0x3F))};
  header += big_endian(samples - 1, 2);
  header += static_cast<char>(checksum(header, 0x07, 8));
  for (unsigned c = 0; c < channels; ++c) header += '\0' + big_endian(value, 2);
  return header + big_endian(checksum(header, 0x8005, 16), 2);
}

std::string flac(const StreamInfo& info, const std::string& frames, const std::string& more = "") {
  return "fLaC" + metadata(kStreamInfo, stream_info(info), more.empty()) + more + frames;
}

std::string constant_frames(unsigned count, unsigned samples, unsigned channels = 1) {
  std::string frames;
  for (unsigned i = 0; i < count; ++i) frames += constant_frame(i, samples, channels, 1000);
  return frames;
}

TEST_F(HostileSounds, FlacTotalsThatLie) {
  const std::string frames = constant_frames(5, 1000);
  for (const std::uint64_t total : {std::uint64_t{0}, std::uint64_t{5000}}) {
    expect_samples("total " + std::to_string(total), flac({.total_samples = total}, frames), 5000);
  }
  for (const std::uint64_t total : {1ull, 999ull, 4999ull, 5001ull, 1ull << 32, (1ull << 36) - 1}) {
    expect_samples("total " + std::to_string(total), flac({.total_samples = total}, frames), 5000);
  }
  EXPECT_EQ(files_, 8u);
}

TEST_F(HostileSounds, FlacSilenceThatExpands) {
  limits_.max_audio_seconds = 12.0 * 3600;
  const std::string silence = constant_frames(200, 65535);  // 2.6 KB for 13.1 million samples
  EXPECT_LT(silence.size(), 3000u);
  expect_samples("within the limit", flac({}, silence), 200 * 65535);
  limits_.max_audio_seconds = 60;
  for (const std::uint64_t channels : {1u, 2u, 8u}) {
    for (const std::uint64_t rate : {1000u, 16000u, 44100u, 655350u}) {
      const StreamInfo info = {.rate_hz = rate, .channels = channels};
      const auto frames = constant_frames(700, 65535, static_cast<unsigned>(channels));
      expect_refused(std::to_string(rate) + " Hz x " + std::to_string(channels), flac(info, frames),
                     ErrorCode::kInvalidArgument, "expected at most 960000 samples of sound");
    }
  }
  EXPECT_EQ(files_, 13u);
}

TEST_F(HostileSounds, FlacStreamInfoOfEveryKind) {
  const std::string frames = constant_frames(5, 1000);
  for (const std::uint64_t rate : {0u, 1u, 999u, 768001u, 1048575u}) {
    expect_refused("rate " + std::to_string(rate), flac({.rate_hz = rate}, frames),
                   rate == 0 ? ErrorCode::kCorruptData : ErrorCode::kInvalidArgument,
                   rate == 0 ? "its data contradicts its header" : "sample rate");
  }
  for (std::uint64_t bits = 1; bits <= 32; ++bits) {
    expect_either("bits " + std::to_string(bits), flac({.bits = bits}, frames));
  }
  for (std::uint64_t channels = 2; channels <= 8; ++channels) {
    expect_either("channels " + std::to_string(channels), flac({.channels = channels}, frames));
  }
  for (const auto& [least, most] : {std::pair{0, 0},
                                    {0, 65535},
                                    {15, 15},
                                    {16, 16},
                                    {1000, 1000},
                                    {999, 999},
                                    {65535, 16},
                                    {65535, 65535}}) {
    const StreamInfo info = {.min_block = static_cast<std::uint64_t>(least),
                             .max_block = static_cast<std::uint64_t>(most)};
    expect_either("blocks of " + std::to_string(least) + " to " + std::to_string(most),
                  flac(info, frames));
  }
  EXPECT_EQ(files_, 52u);
}

TEST_F(HostileSounds, FlacMetadataOfEveryKind) {
  const std::string frames = constant_frames(5, 1000);
  const auto with = [&](const std::string& blocks) { return flac({}, frames, blocks); };
  const std::string end = metadata(kPadding, "", true);
  const std::string empty_comment = little_endian(0, 4) + little_endian(0, 4);
  const std::string seek_points(18 * 100'000, '\xFF');
  for (const auto& [name, blocks] : std::initializer_list<std::pair<const char*, std::string>>{
           {"padding of 10 MB", metadata(kPadding, std::string(10 << 20, '\0'), true)},
           {"application of 10 MB", metadata(kApplication, std::string(10 << 20, 'x'), true)},
           {"100,000 seek points", metadata(kSeekTable, seek_points, true)},
           {"comment", metadata(kComment, empty_comment, true)},
           {"picture of 10 MB",
            metadata(kPicture,
                     big_endian(3, 4) + big_endian(9, 4) + "image/png" + std::string(20, '\0') +
                         big_endian(10 << 20, 4) + std::string(10 << 20, 'x'),
                     true)},
           {"an unknown block", metadata(99, "what is this", true)}}) {
    expect_samples(name, with(blocks), 5000);
  }
  const auto large = [](unsigned char type, std::uint32_t size) {
    return static_cast<char>(type | 0x80) + big_endian(size, 3);
  };
  for (unsigned char type = kStreamInfo; type <= kPicture; ++type) {
    const std::string name = "block " + std::to_string(type);
    expect_either(name + " beyond the end", with(large(type, 0xFFFFFF)));
    expect_either(name + " of nothing", with(metadata(type, "", true)));
    expect_either(name + " of one byte", with(metadata(type, "x", true)));
    expect_either(name + " of ones", with(metadata(type, std::string(1000, '\xFF'), true)));
    expect_either(name + " twice", with(metadata(type, stream_info({}), false) +
                                        metadata(type, stream_info({}), true)));
  }
  for (const auto& [name, blocks] : std::initializer_list<std::pair<const char*, std::string>>{
           {"2^32-1 comments",
            metadata(kComment, little_endian(0, 4) + little_endian(~0u, 4), true)},
           {"vendor of 2^32-1", metadata(kComment, little_endian(~0u, 4) + "x", true)},
           {"comment of 2^31",
            metadata(kComment,
                     little_endian(0, 4) + little_endian(1, 4) + little_endian(1u << 31, 4), true)},
           {"picture of 2^32-1",
            metadata(kPicture, big_endian(3, 4) + std::string(24, '\0') + big_endian(~0u, 4),
                     true)},
           {"type 127", metadata(127, "", true)},
           {"no last block", metadata(kPadding, "")}}) {
    expect_either(name, with(blocks));
  }
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += metadata(kPadding, "");
  expect_samples("100,000 blocks", with(many + end), 5000);
  expect_either("frames before STREAMINFO", "fLaC" + metadata(kPadding, "", true) + frames);
  expect_either("no block", "fLaC" + frames);
  EXPECT_EQ(files_, 50u);
}

TEST_F(HostileSounds, FlacFramesThatAreDamaged) {
  const std::string a = constant_frame(0, 1000, 1, 1), b = constant_frame(1, 1000, 1, 2),
                    c = constant_frame(2, 1000, 1, 3);
  std::string bad_crc = b, bad_header_crc = b;
  bad_crc.back() ^= 1;
  bad_header_crc[7] ^= 1;
  for (const auto& [name, frames] : std::initializer_list<std::pair<const char*, std::string>>{
           {"a checksum", a + bad_crc + c},
           {"a checksum of a header", a + bad_header_crc + c},
           {"garbage before", std::string(1000, 'x') + a + b},
           {"garbage between", a + std::string(1000, 'x') + b},
           {"zeros between", a + std::string(1000, '\0') + b},
           {"syncs between", a + std::string(1000, '\xFF') + b},
           {"another number of channels", a + constant_frame(1, 1000, 2, 2) + c},
           {"eight channels", a + constant_frame(1, 1000, 8, 2) + c},
           {"twelve channels", a + constant_frame(1, 1000, 12, 2) + c}}) {
    expect_refused(name, flac({}, frames), ErrorCode::kCorruptData,
                   "sound is damaged behind sample ");
  }
  const std::string tag = "TAG" + std::string(125, ' ');  // ID3v1
  expect_samples("a tag behind", flac({.total_samples = 2000}, a + b + tag), 2000);
  expect_refused("a tag behind too little", flac({.total_samples = 2001}, a + b + tag),
                 ErrorCode::kCorruptData, "sound is damaged behind sample 2000");
  expect_samples("blocks of all sizes",
                 flac({}, a + constant_frame(1, 65535, 1, 2) + constant_frame(2, 1, 1, 2)), 66536);
  expect_samples("one sample", flac({}, constant_frame(0, 1, 1, 5)), 1);
  expect_refused("no frame", flac({}, ""), ErrorCode::kCorruptData, "at least one sample");
  expect_either("a frame is missing", flac({}, a + c));
  expect_either("a frame twice", flac({}, a + a + b));
  expect_either("the last first", flac({}, c + b + a));
  EXPECT_EQ(files_, 17u);
}

TEST_F(HostileSounds, FlacCutOff) {
  const std::string seed = written_sound(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, 16000);
  for (std::size_t size = 0; size <= 60; ++size) {
    expect_refused("cut at " + std::to_string(size), seed.substr(0, size), ErrorCode::kCorruptData,
                   "");
  }
  for (int part = 1; part < 20; ++part) {
    expect_either("cut at " + std::to_string(part) + " of 20",
                  seed.substr(0, seed.size() * static_cast<std::size_t>(part) / 20));
  }
  for (const std::size_t frames : {0u, 1u, 2u, 15u, 16u, 4095u, 4096u, 4097u}) {
    const auto file = written_sound(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 2, frames);
    const std::string name = std::to_string(frames) + " frames";
    if (frames == 0) {
      expect_refused(name, file, ErrorCode::kCorruptData, "");
    } else {
      expect_samples(name, file, frames);
    }
  }
  EXPECT_EQ(files_, 88u);
}

}  // namespace
}  // namespace gemma3n
