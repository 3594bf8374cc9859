// Sound files built byte by byte, honest and hostile. Files of real encoders, and equality with the
// reference: tests/golden/audio.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "gemma3n/media.h"
#include "media/resampler.h"
#include "media/sound_file.h"
#include "media/source.h"

// libsndfile 1.2.0 loses a few kilobytes of libvorbis when it refuses a damaged Ogg file. All other
// leaks are still found.
extern "C" const char* __lsan_default_suppressions() { return "leak:libvorbis.so\n"; }

namespace gemma3n {
namespace {

// ---- building files -----------------------------------------------------------------------------

template <typename T>
void put(std::string& out, T value) {  // little endian
  const auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out.push_back(static_cast<char>(bits >> 8 * i & 0xFF));
}

struct WavHeader {
  std::uint16_t format = 1;  // 1: integers, 3: floats
  std::uint16_t channels = 1;
  std::uint32_t rate_hz = 16000;
  std::uint16_t bits = 16;
  std::uint32_t riff_size = 0, data_size = 0;  // 0: as they are
};

std::string wav(const WavHeader& h, const std::string& data) {
  std::string out = "RIFF";
  const auto size = static_cast<std::uint32_t>(data.size());
  put(out, h.riff_size != 0 ? h.riff_size : 36 + size);
  out += "WAVEfmt ";
  put<std::uint32_t>(out, 16);
  put(out, h.format);
  put(out, h.channels);
  put(out, h.rate_hz);
  const unsigned frame = h.channels * static_cast<unsigned>(h.bits / 8);
  put(out, static_cast<std::uint32_t>(h.rate_hz * frame));
  put(out, static_cast<std::uint16_t>(frame));
  put(out, h.bits);
  out += "data";
  put(out, h.data_size != 0 ? h.data_size : size);
  return out + data;
}

std::string pcm16(const std::vector<int>& values) {
  std::string out;
  for (const int v : values) put(out, static_cast<std::uint16_t>(v));
  return out;
}

std::string floats(const std::vector<float>& values) {
  std::string out(4 * values.size(), '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

std::string sound_file(const std::string& name) {
  std::ifstream file(std::filesystem::path(GEMMA3N_SOUNDS) / name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

AudioClip decode(const std::string& file, int rate_hz = 16000, const MediaLimits& limits = {}) {
  return decode_audio(as_bytes(file), rate_hz, limits);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void expect_refusal(const std::string& file, const std::string& part,
                    const MediaLimits& limits = {}) {
  const std::string message = message_of([&] { decode(file, 16000, limits); });
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

// An ID3v2 tag of `size` bytes behind its header.
std::string id3(std::size_t size, std::size_t said) {
  std::string out = "ID3\x04";
  out += std::string(2, '\0');
  for (int shift = 21; shift >= 0; shift -= 7)
    out.push_back(static_cast<char>(said >> shift & 0x7F));
  return out + std::string(size, '\0');
}

// ---- what files give ----------------------------------------------------------------------------

TEST(DecodeAudio, GivesTheSamplesOfAWav) {
  const AudioClip clip = decode(wav({}, pcm16({0, 16384, -32768, 32767})));
  EXPECT_EQ(clip.sample_rate_hz, 16000);
  EXPECT_EQ(clip.samples, (std::vector<float>{0.0f, 0.5f, -1.0f, 32767.0f / 32768.0f}));
}

TEST(DecodeAudio, AveragesChannels) {
  const auto clip = decode(wav({.channels = 2}, pcm16({16384, 0, -16384, -32768})));
  EXPECT_EQ(clip.samples, (std::vector<float>{0.25f, -0.75f}));
}

TEST(DecodeAudio, AveragesEightChannelsAsNumpyDoes) {
  // Pairs first: 1e8 and -1e8 stand in one pair, so the small values survive.
  const std::vector<float> frame = {1e8f, -1e8f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
  EXPECT_EQ(mean_of_channels(frame), 21.0f / 8.0f);
  EXPECT_EQ(mean_of_channels(std::vector<float>{1.0f, 2.0f, 6.0f}), 3.0f);
  EXPECT_EQ(mean_of_channels(std::vector<float>{7.0f}), 7.0f);
}

TEST(DecodeAudio, ResamplesToTheRateAskedFor) {
  std::vector<int> tone;
  for (int i = 0; i < 4800; ++i) tone.push_back(static_cast<int>(10000 * std::sin(i * 0.05)));
  const AudioClip clip = decode(wav({.rate_hz = 48000}, pcm16(tone)));
  ASSERT_EQ(clip.samples.size(), 1600u);
  for (std::size_t i = 200; i < 1400; ++i) {  // away from the ends the tone is the tone
    EXPECT_NEAR(clip.samples[i], 10000.0 / 32768 * std::sin(static_cast<double>(3 * i) * 0.05),
                1e-4);
  }
  EXPECT_EQ(decode(wav({.rate_hz = 48000}, pcm16(tone)), 48000).samples.size(), 4800u);
}

TEST(DecodeAudio, SizesInAWavHeaderAreNotBelieved) {
  const std::string data = pcm16(std::vector<int>(100, 1000));
  const auto frames = [&](const WavHeader& h) { return decode(wav(h, data)).samples.size(); };
  EXPECT_EQ(frames({.riff_size = 1, .data_size = 200}), 100u);
  EXPECT_EQ(frames({.riff_size = 0xFFFFFFFF, .data_size = 0xFFFFFFFF}), 100u);
  EXPECT_EQ(frames({.riff_size = 0x7FFFFFFF, .data_size = 0x7FFFFFFE}), 100u);
  EXPECT_EQ(frames({.data_size = 20}), 10u);
}

TEST(DecodeAudio, AllLinksOfChainedOggAreHeard) {
  const std::string vorbis = sound_file("vorbis.ogg"), opus = sound_file("opus.ogg");
  const auto one = decode(vorbis).samples, other = decode(opus).samples;
  const auto chained = decode(vorbis + opus + vorbis).samples;
  ASSERT_EQ(chained.size(), 2 * one.size() + other.size());
  EXPECT_TRUE(std::equal(one.begin(), one.end(), chained.begin()));
  EXPECT_TRUE(
      std::equal(other.begin(), other.end(), chained.begin() + static_cast<long>(one.size())));
  // The same rate: one sound, without a seam.
  EXPECT_EQ(decode(vorbis + vorbis).samples.size(), (2 * 4410 * 16000 + 44099) / 44100u);
}

TEST(DecodeAudio, TenMegabytesOfId3AreSkipped) {
  const std::string mp3 = sound_file("layer_3.mp3");
  const auto plain = decode(mp3).samples;
  EXPECT_EQ(decode(id3(10 << 20, 10 << 20) + mp3).samples, plain);
  EXPECT_EQ(decode(id3(5, 5) + id3(7, 7) + mp3).samples, plain);
  expect_refusal(id3(5, 10 << 20), "ID3 tag: expected sound behind its");
}

TEST(DecodeAudio, AFlacTotalThatLiesChangesNothing) {
  std::string flac = sound_file("mono.flac");
  const auto honest = decode(flac).samples;
  flac[21] = static_cast<char>(flac[21] | 0x0F);  // 36 bits of total in STREAMINFO
  for (std::size_t i = 22; i < 26; ++i) flac[i] = '\xFF';
  const std::string message = message_of([&] { EXPECT_EQ(decode(flac).samples, honest); });
  EXPECT_TRUE(message == "no error" || message.find("damaged") != std::string::npos) << message;
}

TEST(LoadAudio, TakesPathsAndDataUrlsAndNamesThem) {
  const std::string path = std::string(GEMMA3N_SOUNDS) + "/mono.flac";
  EXPECT_EQ(load_audio(path).samples, decode(sound_file("mono.flac")).samples);
  EXPECT_NE(message_of([&] { load_audio("/no/such/sound.wav"); }).find("sound.wav"),
            std::string::npos);
  EXPECT_NE(message_of([&] { load_audio("data:audio/wav;base64,UklGRg=="); }).find("unknown bytes"),
            std::string::npos);
}

// ---- what is refused ----------------------------------------------------------------------------

TEST(DecodeAudio, OtherFormatsAreRefusedByName) {
  expect_refusal(std::string("FORM\0\0\0\0AIFF", 12), "got AIFF");
  expect_refusal(std::string("\0\0\0\x20"
                             "ftypM4A ",
                             12),
                 "got MP4 or M4A");
  expect_refusal("\x1A\x45\xDF\xA3 and so on", "got WebM or Matroska");
  expect_refusal(".snd and so on", "got AU");
  expect_refusal("", "unknown bytes");
  expect_refusal("<html>", "unknown bytes");
}

TEST(DecodeAudio, SamplesThatAreNotFiniteAreRefused) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    expect_refusal(wav({.format = 3, .bits = 32}, floats({0.0f, 0.5f, bad})),
                   "sample 2: expected a finite number");
  }
}

TEST(DecodeAudio, RatesAndChannelsHaveLimits) {
  const std::string data = pcm16(std::vector<int>(640, 0));
  expect_refusal(wav({.rate_hz = 999}, data), "sample rate: expected 1000 to 768000 Hz, got 999");
  expect_refusal(wav({.rate_hz = 1000000}, data), "sample rate");
  expect_refusal(wav({.channels = 33}, data), "channels: expected 1 to 32, got 33");
  EXPECT_EQ(decode(wav({.channels = 8, .rate_hz = 655350}, data)).samples.size(), 2u);
  EXPECT_THROW(decode(wav({}, data), 10), Error);
  EXPECT_THROW(decode(wav({}, data), 1000000), Error);
}

TEST(DecodeAudio, SoundHasALimitAndFilesHave) {
  const std::string file = wav({}, pcm16(std::vector<int>(16001, 5)));
  MediaLimits limits;
  limits.max_audio_seconds = 1;
  expect_refusal(file, "expected at most 16000 samples of sound, got more", limits);
  limits.max_audio_seconds = -1;
  expect_refusal(file, "expected at most 0 samples of sound, got more", limits);
  limits.max_audio_seconds = std::nan("");
  expect_refusal(file, "expected at most 0 samples", limits);
  limits = {};
  limits.max_file_bytes = 100;
  expect_refusal(file, "expected at most 100 bytes, got 32046", limits);
}

TEST(DecodeAudio, NoSoundIsAnError) {
  expect_refusal(wav({}, ""), "sound");
  expect_refusal(wav({.channels = 2}, "ab"), "sound");
}

TEST(DecodeAudio, TooManyLinksAreRefused) {
  // Empty first pages, each behind a page that is none.
  std::string first = "OggS", other = "OggS";
  first += std::string("\0\2", 2) + std::string(21, '\0');
  other += std::string("\0\0", 2) + std::string(21, '\0');
  std::string file;
  for (std::size_t i = 0; i < 1100; ++i) file += first + other;
  expect_refusal(file, "expected at most 1024 streams");
}

// ---- hostile files ------------------------------------------------------------------------------

// Every file gives an Error of one line, or finite sound within the limit.
void expect_error_or_sound(const std::string& file, std::size_t& sounds) {
  MediaLimits limits;
  limits.max_audio_seconds = 60;
  try {
    const AudioClip clip = decode(file, 16000, limits);
    EXPECT_FALSE(clip.samples.empty());
    EXPECT_LE(clip.samples.size(), 60u * 16000u);
    EXPECT_TRUE(std::ranges::all_of(clip.samples, [](float x) { return std::isfinite(x); }));
    ++sounds;
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    EXPECT_NE(error.code(), ErrorCode::kInternal) << what;
  }
}

TEST(HostileAudio, DamagedFilesOfEveryFormat) {
  std::size_t files = 0, sounds = 0;
  std::uint32_t random = 1;
  const auto next = [&] {
    random = random * 1664525u + 1013904223u;
    return random >> 8;
  };
  for (const char* name : {"rate_8000.wav", "eight_channels.wav", "a_law.wav", "stereo.flac",
                           "mono.flac", "vorbis.ogg", "opus.ogg", "layer_3.mp3"}) {
    const std::string seed = sound_file(name);
    for (std::size_t i = 0; i < 16; ++i) {
      expect_error_or_sound(seed.substr(0, seed.size() * i / 16), sounds);
      expect_error_or_sound(seed.substr(0, 3 * i + 1), sounds);
    }
    for (std::size_t i = 0; i < 40; ++i) {  // half of them in headers
      std::string file = seed;
      const std::size_t reach = i % 2 == 0 ? std::min<std::size_t>(100, file.size()) : file.size();
      for (std::size_t k = 0; k <= i % 4; ++k) {
        char& byte = file[next() % reach];
        byte =
            static_cast<char>(i % 3 == 0 ? static_cast<int>(next() % 256) : byte ^ 1 << next() % 8);
      }
      expect_error_or_sound(file, sounds);
    }
    for (std::size_t i = 0; i < 8; ++i) {  // pieces twice, and pieces left out
      const std::size_t a = next() % seed.size(), b = a + next() % (seed.size() - a);
      expect_error_or_sound(seed.substr(0, b) + seed.substr(a), sounds);
      expect_error_or_sound(seed.substr(0, a) + seed.substr(b), sounds);
    }
    files += 32 + 40 + 16;
  }
  EXPECT_GE(files, 700u);
  EXPECT_GT(sounds, 100u);          // damage in the middle leaves sound
  EXPECT_LT(sounds, files - 100u);  // and in headers it does not
}

TEST(HostileAudio, WavHeadersOfEveryKind) {
  const std::string data = pcm16(std::vector<int>(500, 77));
  const std::uint32_t rates[] = {0, 1, 999, 8000, 655350, 768000, 0x7FFFFFFF, 0xFFFFFFFF};
  const std::uint16_t channel_counts[] = {0, 1, 2, 8, 33, 255, 256, 1024, 65535};
  const std::uint16_t bit_counts[] = {0, 1, 7, 8, 12, 16, 24, 32, 64, 65535};
  const std::uint16_t formats[] = {0, 1, 2, 3, 6, 17, 49, 65534};
  std::size_t sounds = 0, files = 0;
  for (const auto rate : rates) {
    for (const auto channels : channel_counts) {
      for (const auto bits : bit_counts) {
        for (const auto format : formats) {
          if ((rate + channels + bits + format) % 5 != 0) continue;  // a fifth is enough
          expect_error_or_sound(wav({format, channels, rate, bits}, data), sounds);
          ++files;
        }
      }
    }
  }
  EXPECT_GE(files, 250u);
  EXPECT_GT(sounds, 0u);
}

// ---- resampling ---------------------------------------------------------------------------------

std::vector<float> noise(std::size_t count) {
  std::vector<float> values(count);
  std::uint32_t x = 1;
  for (float& v : values) {
    x = x * 1664525u + 1013904223u;
    v = static_cast<float>(x >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

TEST(Resample, BlocksOfAnySizeGiveTheSameBits) {
  const auto sound = noise(10007);
  for (const auto& [from, to] :
       {std::pair{44100, 16000}, {8000, 16000}, {11025, 16000}, {96000, 16000}, {16000, 44100}}) {
    const auto whole = resample({from, sound}, to).samples;
    EXPECT_EQ(whole.size(),
              (sound.size() * static_cast<std::size_t>(to) + static_cast<std::size_t>(from) - 1) /
                  static_cast<std::size_t>(from));
    for (const std::size_t block : {1u, 97u, 4096u, 10006u}) {
      Resampler resampler(from, to);
      std::vector<float> parts;
      const auto keep = [&](std::span<const float> part) {
        parts.insert(parts.end(), part.begin(), part.end());
      };
      for (std::size_t i = 0; i < sound.size(); i += block) {
        keep(resampler.add(std::span(sound).subspan(i, std::min(block, sound.size() - i))));
      }
      keep(resampler.finish());
      EXPECT_EQ(parts, whole) << from << " to " << to << " in blocks of " << block;
    }
  }
}

TEST(Resample, EqualRatesCopyAndShortSoundsWork) {
  EXPECT_EQ(resample({16000, {0.5f, -0.5f}}, 16000).samples, (std::vector<float>{0.5f, -0.5f}));
  EXPECT_EQ(resample({48000, {0.5f}}, 16000).samples.size(), 1u);
  EXPECT_EQ(resample({8000, {0.5f}}, 16000).samples.size(), 2u);
  EXPECT_TRUE(resample({8000, {}}, 16000).samples.empty());
}

TEST(Resample, RefusesRatesAndSamplesItCannotUse) {
  EXPECT_EQ(message_of([] {
              resample({0, {0.5f}}, 16000);
            }),
            "sample rate: expected 1000 to 768000 Hz, got 0");
  EXPECT_EQ(message_of([] {
              resample({16000, {0.5f}}, -1);
            }),
            "sample rate: expected 1000 to 768000 Hz, got -1");
  EXPECT_EQ(message_of([] {
              resample({8000, {0.5f, std::nanf("")}}, 16000);
            }),
            "sample 1: expected a finite number, got nan");
}

}  // namespace
}  // namespace gemma3n
