// What sounds become, and what is refused. Hostile files: *_hostile_test.cc. Files of other
// encoders, and equality with the reference: tests/golden/audio.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "base/expect_error.h"
#include "media/resampler.h"
#include "media/sound_cases.h"
#include "media/sound_file.h"
#include "media/source.h"

namespace gemma3n {
namespace {

AudioClip decode(const std::string& file, int rate_hz = 16000, const MediaLimits& limits = {}) {
  return decode_audio(as_bytes(file), rate_hz, limits);
}

void expect_refusal(const std::string& file, const std::string& part,
                    const MediaLimits& limits = {}) {
  expect_error(ErrorCode::kInvalidArgument, part, [&] { decode(file, 16000, limits); });
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

TEST(DecodeAudio, AllLinksOfChainedOggAreHeard) {
  const std::string vorbis = sound_fixture("vorbis.ogg"), opus = sound_fixture("opus.ogg");
  const auto one = decode(vorbis).samples, other = decode(opus).samples;
  const auto chained = decode(vorbis + opus + vorbis).samples;
  ASSERT_EQ(chained.size(), 2 * one.size() + other.size());
  EXPECT_TRUE(std::equal(one.begin(), one.end(), chained.begin()));
  EXPECT_TRUE(
      std::equal(other.begin(), other.end(), chained.begin() + static_cast<long>(one.size())));
  // The same rate: one sound, without a seam.
  EXPECT_EQ(decode(vorbis + vorbis).samples.size(), (2 * 4410 * 16000 + 44099) / 44100u);
}

TEST(LoadAudio, TakesPathsAndDataUrlsAndNamesThem) {
  const std::string path = std::string(GEMMA3N_SOUNDS) + "/mono.flac";
  EXPECT_EQ(load_audio(path).samples, decode(sound_fixture("mono.flac")).samples);
  expect_error(ErrorCode::kNotFound, "sound.wav", [] { load_audio("/no/such/sound.wav"); });
  expect_error(ErrorCode::kCorruptData, "data:audio/wav;base64: expected a WAV",
               [] { load_audio("data:audio/wav;base64,UklGRg=="); });
}

// ---- what is refused ----------------------------------------------------------------------------

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

TEST(SoundFormat, KnowsFilesAndTakesRawSamplesForNone) {
  const std::pair<const char*, const char*> files[] = {{"mono.flac", "FLAC"},
                                                       {"opus.ogg", "Ogg"},
                                                       {"vorbis.ogg", "Ogg"},
                                                       {"wide.wav", "WAV"},
                                                       {"layer_3.mp3", "MP3"}};
  for (const auto& [name, format] : files) {
    const std::string file = read_source(std::string(GEMMA3N_SOUNDS "/") + name, {});
    EXPECT_EQ(sound_format(as_bytes(file)), format) << name;
  }
  EXPECT_EQ(sound_format(as_bytes("FORM....AIFF")), "AIFF");

  // A frame of layer III alone, and samples whose bytes look like one.
  for (const std::string& raw :
       {std::string(), std::string("\xff"), std::string(4000, '\xff'), std::string(4000, '\0'),
        "\xff\xfb\x90\x64" + std::string(4000, '\0'), std::string("\xff\xfb\x90\x64"),
        "\xff\xff" + std::string(4000, '\0')}) {
    EXPECT_EQ(sound_format(as_bytes(raw)), "") << raw.size();
  }
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
  const auto refuse = [](const AudioClip& clip, int rate_hz, const std::string& part) {
    expect_error(ErrorCode::kInvalidArgument, part, [&] { resample(clip, rate_hz); });
  };
  refuse({0, {0.5f}}, 16000, "sample rate: expected 1000 to 768000 Hz, got 0");
  refuse({16000, {0.5f}}, -1, "sample rate: expected 1000 to 768000 Hz, got -1");
  refuse({8000, {0.5f, std::nanf("")}}, 16000, "sample 1: expected a finite number, got nan");
  std::vector<float> square;
  for (int i = 0; i < 4000; ++i) square.push_back(i / 50 % 2 == 0 ? 3e38f : -3e38f);
  refuse({44100, square}, 16000, "after resampling: expected a finite number, got ");
}

}  // namespace
}  // namespace gemma3n
