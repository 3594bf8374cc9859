// Hostile and odd WAV files.
#include <bit>
#include <limits>

#include "media/sound_cases.h"

namespace gemma3n {
namespace {

using namespace std::string_literals;

using Words = std::vector<std::uint16_t>;

constexpr std::uint16_t kFloat = 3, kExtensible = 0xFFFE;

std::string floats(const std::vector<float>& values) {
  std::string out;
  for (const float v : values) out += little_endian(std::bit_cast<std::uint32_t>(v), 4);
  return out;
}

std::string doubles(const std::vector<double>& values) {
  std::string out;
  for (const double v : values) out += little_endian(std::bit_cast<std::uint64_t>(v), 8);
  return out;
}

const std::string kHundred = pcm16(std::vector<int>(100, 1000));  // of mono 16 bits: 200 bytes

TEST_F(HostileSounds, WavSizesThatLie) {
  const std::string honest = wav({}, kHundred);
  for (const std::uint32_t riff : {0u, 1u, 7u, 235u, 237u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
    const std::string file = patched(honest, 4, little_endian(riff, 4));
    const std::string name = "riff " + std::to_string(riff) + " data ";
    for (const auto& [size, samples] : {std::pair{20u, 10u},
                                        {199u, 99u},
                                        {200u, 100u},
                                        {201u, 100u},
                                        {0x7FFFFFFFu, 100u},
                                        {0x80000000u, 100u},
                                        {0xFFFFFFFEu, 100u},
                                        {0xFFFFFFFFu, 100u}}) {
      expect_samples(name + std::to_string(size), patched(file, 40, little_endian(size, 4)),
                     samples);
    }
  }
  EXPECT_EQ(files_, 64u);
}

TEST_F(HostileSounds, WavRates) {
  for (const std::uint32_t rate : {0u, 0x80000000u, 0xFFFFFFFFu}) {
    expect_refused(std::to_string(rate), wav({.rate_hz = rate}, kHundred), ErrorCode::kCorruptData,
                   "its data contradicts its header");
  }
  for (const std::uint32_t rate : {1u, 999u, 768001u, 1000000u, 0x7FFFFFFFu}) {
    expect_refused(std::to_string(rate), wav({.rate_hz = rate}, kHundred),
                   ErrorCode::kInvalidArgument, "sample rate: expected 1000 to 768000 Hz, got ");
  }
  for (const std::uint32_t rate :
       {1000u, 1001u, 7999u, 15999u, 16001u, 192000u, 655350u, 768000u}) {
    expect_samples(std::to_string(rate), wav({.rate_hz = rate}, kHundred),
                   (1'600'000u + rate - 1) / rate);
  }
  expect_samples("655350 Hz x 8", wav({.channels = 8, .rate_hz = 655350}, kHundred), 1);
  EXPECT_EQ(files_, 17u);
}

TEST_F(HostileSounds, WavChannels) {
  const auto refuse = [&](std::uint16_t channels, ErrorCode code, const std::string& part) {
    expect_refused(std::to_string(channels),
                   wav({.channels = channels}, std::string(2u * channels + 2u, 'x')), code, part);
  };
  refuse(0, ErrorCode::kCorruptData, "Channel count is zero");
  for (const std::uint16_t channels : Words{33, 255, 256, 1023, 1024}) {
    refuse(channels, ErrorCode::kInvalidArgument, "channels: expected 1 to 32, got ");
  }
  for (const std::uint16_t channels : Words{1025, 32768, 65535}) {
    refuse(channels, ErrorCode::kCorruptData, "Too many channels");
  }
  for (const std::uint16_t channels : Words{1, 2, 3, 7, 8, 9, 31, 32}) {
    expect_samples(std::to_string(channels),
                   wav({.channels = channels}, std::string(2u * 10u * channels, 'x')), 10);
  }
  EXPECT_EQ(files_, 17u);
}

TEST_F(HostileSounds, WavOfOneToSixtyFourBits) {
  for (std::uint16_t bits = 0; bits <= 64; ++bits) {
    expect_either("integers of " + std::to_string(bits), wav({.bits = bits}, std::string(64, 'x')));
  }
  for (const std::uint16_t bits : Words{8, 16, 24, 31, 33, 128, 65535}) {
    expect_either("floats of " + std::to_string(bits),
                  wav({.format = kFloat, .bits = bits}, std::string(64, '\0')));
  }
  EXPECT_EQ(files_, 72u);
}

TEST_F(HostileSounds, WavOfOtherCodecs) {
  for (const std::uint16_t format : Words{
           0,    2,    6,    7,     8,     0x0A,  0x11,   0x14,   0x31,   0x40,   0x50,   0x55,
           0x61, 0x64, 0xFF, 0x160, 0x161, 0x162, 0x1610, 0x2000, 0x2001, 0x674F, 0xF1AC, 0xFFFF}) {
    for (const std::uint16_t bits : Words{4, 8, 16}) {
      expect_either("format " + std::to_string(format) + " bits " + std::to_string(bits),
                    wav({.format = format, .bits = bits}, std::string(4096, '\x11')));
    }
  }
  EXPECT_EQ(files_, 72u);
}

// WAVE_FORMAT_EXTENSIBLE: valid bits, mask of speakers, and the format as a GUID.
std::string extensible(const std::string& guid, unsigned valid_bits = 16, std::uint32_t mask = 0,
                       std::uint16_t size = 22) {
  const std::string extension =
      little_endian(size, 2) + little_endian(valid_bits, 2) + little_endian(mask, 4) + guid;
  return wav_of_chunks(riff_chunk("fmt ", wav_format({.format = kExtensible}, extension)) +
                       riff_chunk("data", kHundred));
}

TEST_F(HostileSounds, WavOfExtensibleFormats) {
  const std::string pcm = "\1\0\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71"s;
  expect_samples("whole", extensible(pcm), 100);
  for (std::size_t i = 0; i < pcm.size(); ++i) {  // each byte of the GUID once
    expect_either("guid byte " + std::to_string(i),
                  extensible(patched(pcm, i, std::string(1, static_cast<char>(pcm[i] ^ 0x40)))));
  }
  expect_either("guid of zeros", extensible(std::string(16, '\0')));
  expect_either("guid of ones", extensible(std::string(16, '\xFF')));
  for (const unsigned bits : {0u, 1u, 15u, 17u, 255u, 65535u}) {
    expect_either("valid bits " + std::to_string(bits), extensible(pcm, bits));
  }
  for (const std::uint32_t mask : {1u, 0x3Fu, 0x80000000u, 0xFFFFFFFFu}) {
    expect_either("mask " + std::to_string(mask), extensible(pcm, 16, mask));
  }
  for (const std::uint16_t size : Words{0, 2, 21, 23, 65535}) {
    expect_either("extension of " + std::to_string(size), extensible(pcm, 16, 0, size));
  }
  for (std::size_t size = 0; size < pcm.size(); size += 3) {
    expect_either("guid of " + std::to_string(size) + " bytes", extensible(pcm.substr(0, size)));
  }
  EXPECT_EQ(files_, 40u);
}

TEST_F(HostileSounds, WavSamplesThatAreNotFinite) {
  const auto refuse = [&](const std::string& name, const WavHeader& header, const std::string& data,
                          const std::string& where) {
    expect_refused(name, wav(header, data), ErrorCode::kCorruptData,
                   "sample " + where + ": expected a finite number, got ");
  };
  const WavHeader single = {.format = kFloat, .bits = 32}, wide = {.format = kFloat, .bits = 64};
  const WavHeader stereo = {.format = kFloat, .channels = 2, .bits = 32};
  const WavHeader fast = {.format = kFloat, .rate_hz = 44100, .bits = 32};
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float signalling = std::numeric_limits<float>::signaling_NaN();
  for (const float bad : {inf, -inf, nan, -nan, signalling}) {
    const std::string name = std::to_string(bad);
    refuse(name + " first", single, floats({bad, 0, 0}), "0");
    refuse(name + " last", single, floats({0, 0, bad}), "2");
    refuse(name + " as double", wide, doubles({0, bad}), "1");
    refuse(name + " on the left", stereo, floats({0, 0, bad, 0}), "1");
    refuse(name + " on the right", stereo, floats({0, 0, 0, bad}), "1");
    refuse(name + " before resampling", fast, floats({0, bad, 0}), "1");
  }
  refuse("+Inf and -Inf", stereo, floats({inf, -inf}), "0");
  refuse("a double no float holds", wide, doubles({0, 1e300}), "1");
  refuse("channels whose sum no float holds", stereo, floats({0, 0, 3e38f, 3e38f}), "1");
  std::vector<float> late(100'000, 0.25f);
  late[77'777] = nan;
  refuse("late", single, floats(late), "77777");

  const float most = std::numeric_limits<float>::max();
  expect_samples("the largest floats", wav(single, floats({most, -most})), 2);
  expect_samples("the smallest floats", wav(single, floats({1e-45f, -1e-45f, -0.0f})), 3);
  std::vector<float> square;
  for (int i = 0; i < 4000; ++i) square.push_back(i / 50 % 2 == 0 ? most : -most);
  expect_refused("the largest floats resampled", wav(fast, floats(square)),
                 ErrorCode::kInvalidArgument, "after resampling: expected a finite number, got ");
  EXPECT_EQ(files_, 37u);
}

TEST_F(HostileSounds, WavOfFewSamples) {
  for (const std::uint16_t channels : Words{1, 2, 8}) {
    for (const std::uint32_t rate : {8000u, 16000u, 44100u, 768000u}) {
      const WavHeader header = {.channels = channels, .rate_hz = rate};
      const std::string name = std::to_string(channels) + " x " + std::to_string(rate) + " Hz";
      expect_refused(name + " no frame", wav(header, ""), ErrorCode::kCorruptData,
                     "at least one sample");
      expect_samples(name + " one frame", wav(header, std::string(2u * channels, 'x')),
                     rate == 8000 ? 2 : 1);
    }
  }
  EXPECT_EQ(files_, 24u);
}

TEST_F(HostileSounds, WavCutOff) {
  const std::string file = wav({}, kHundred);
  for (std::size_t size = 0; size <= 44; ++size) {  // the whole header
    expect_refused("cut at " + std::to_string(size), file.substr(0, size), ErrorCode::kCorruptData,
                   "");
  }
  for (const std::size_t bytes : {2u, 3u, 100u, 101u, 199u}) {  // data that ends early is kept
    expect_samples("cut in the data at " + std::to_string(bytes), file.substr(0, 44 + bytes),
                   bytes / 2);
  }
  EXPECT_EQ(files_, 50u);
}

TEST_F(HostileSounds, WavChunksInDisorder) {
  const std::string format = riff_chunk("fmt ", wav_format({})),
                    data = riff_chunk("data", kHundred);
  const auto large = [](const std::string& id, std::uint32_t size) {
    return id + little_endian(size, 4);
  };
  expect_samples("unknown chunks",
                 wav_of_chunks(riff_chunk("LIST", "INFOIART") + format +
                               riff_chunk("fact", "\x64\0\0\0"s) + data),
                 100);
  const std::pair<const char*, std::string> cases[] = {
      {"data first", data + format},
      {"no format", data},
      {"no data", format},
      {"two formats", format + riff_chunk("fmt ", wav_format({.channels = 2})) + data},
      {"two data", format + data + data},
      {"format of 2 bytes", riff_chunk("fmt ", "\1\0"s) + data},
      {"format of 2^32-1", large("fmt ", 0xFFFFFFFF) + data},
      {"format of 0", large("fmt ", 0) + data},
      {"list of 2^32-1", format + large("LIST", 0xFFFFFFFF) + data},
      {"list of 2^31", format + large("LIST", 0x80000000) + data},
      {"odd chunk without padding", format + riff_chunk("note", "x") + data},
      {"fact that lies", format + riff_chunk("fact", "\xFF\xFF\xFF\xFF") + data},
      {"2^32-1 cue points", format + riff_chunk("cue ", "\xFF\xFF\xFF\xFF") + data},
      {"2^31-1 loops", format + riff_chunk("smpl", std::string(36, '\x7F')) + data},
      {"peak of 65536 channels", format + riff_chunk("PEAK", std::string(524'296, '\1')) + data},
      {"broadcast text of 1 MiB", format + riff_chunk("bext", std::string(1 << 20, 'x')) + data},
      {"cart of 1 MiB", format + riff_chunk("cart", std::string(1 << 20, 'x')) + data},
      {"info of 1 MiB",
       format + riff_chunk("LIST", "INFO" + riff_chunk("ICMT", std::string(1 << 20, 'x'))) + data},
      {"exif", format + riff_chunk("LIST", "exif" + large("emnt", 0xFFFFFFFF)) + data},
      {"labels", format + riff_chunk("LIST", "adtl" + large("labl", 0x7FFFFFFF)) + data},
      {"id3 inside", format + riff_chunk("id3 ", std::string(1 << 20, 'x')) + data},
      {"chunk of zeros", format + std::string(1000, '\0') + data},
      {"pad of 2^31", format + large("PAD ", 0x7FFFFFFF) + data},
  };
  for (const auto& [name, chunks] : cases) expect_either(name, wav_of_chunks(chunks));
  std::string many = format;
  for (int i = 0; i < 100'000; ++i) many += riff_chunk("note", "");
  expect_either("100,000 chunks", wav_of_chunks(many + data));
  for (const unsigned align : {0u, 1u, 3u, 65535u}) {
    expect_either("frames of " + std::to_string(align),
                  patched(wav({}, kHundred), 32, little_endian(align, 2)));
  }
  for (const std::uint32_t rate : {0u, 1u, 0xFFFFFFFFu}) {
    expect_samples("bytes per second " + std::to_string(rate),
                   patched(wav({}, kHundred), 28, little_endian(rate, 4)), 100);
  }
  EXPECT_EQ(files_, 32u);
}

}  // namespace
}  // namespace gemma3n
