// Hostile and odd MP3 files, and files of other formats.
#include <sndfile.h>

#include "media/sound_cases.h"

namespace gemma3n {
namespace {

using namespace std::string_literals;

std::string mp3_seed(int rate_hz = 16000, int channels = 1, std::size_t frames = 16000) {
  return written_sound(SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, rate_hz, channels, frames);
}

// The frames of a file of layer III. Ref: ISO 11172-3, 2.4.2.3; ISO 13818-3 for the lower rates
std::vector<std::string> mp3_frames(const std::string& file) {
  constexpr std::size_t kRates1[] = {0,   32,  40,  48,  56,  64,  80, 96,
                                     112, 128, 160, 192, 224, 256, 320};
  constexpr std::size_t kRates2[] = {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
  constexpr std::size_t kHz[] = {44100, 48000, 32000};
  std::vector<std::string> frames;
  for (std::size_t at = 0; at + 4 <= file.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(file[at + i]); };
    const unsigned version = byte(1) >> 3 & 3u;  // 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    const std::size_t rate = byte(2) >> 4;
    const std::size_t kbps = version == 3 ? kRates1[rate] : kRates2[rate];
    const std::size_t hz = kHz[byte(2) >> 2 & 3u] / (version == 3 ? 1 : (version == 2 ? 2 : 4));
    const std::size_t size = (version == 3 ? 144 : 72) * kbps * 1000 / hz + (byte(2) >> 1 & 1u);
    frames.push_back(file.substr(at, size));
    at += size;
  }
  return frames;
}

std::string joined(const std::vector<std::string>& frames, std::size_t begin = 0) {
  std::string file;
  for (std::size_t i = begin; i < frames.size(); ++i) file += frames[i];
  return file;
}

// A tag of `size` bytes behind its header, which says `said`.
std::string id3(std::size_t size, std::size_t said, const std::string& head = "ID3\4\0\0"s) {
  std::string out = head;
  for (int shift = 21; shift >= 0; shift -= 7) {
    out.push_back(static_cast<char>(said >> shift & 0x7F));
  }
  return out + std::string(size, '\0');
}

TEST_F(HostileSounds, Mp3BehindTags) {
  const std::string mp3 = mp3_seed();
  const std::size_t samples = 16000;
  expect_samples("no tag", mp3, samples);
  for (const std::size_t size : {0u, 1u, 100u, 70'000u, 10u << 20, 30u << 20}) {
    const std::string name = "tag of " + std::to_string(size);
    expect_samples(name, id3(size, size) + mp3, samples);
    expect_samples(name + " and another", id3(size, size) + id3(5, 5) + mp3, samples);
    if (size > 0) {
      expect_either(name + " that says less", id3(size, size - 1) + mp3);
      expect_either(name + " that says 0", id3(size, 0) + mp3);
    }
    expect_either(name + " that says more", id3(size, size + 100) + mp3);
    expect_refused(name + " that says all", id3(size, 0x0FFFFFFF) + mp3, ErrorCode::kCorruptData,
                   "ID3 tag: expected sound behind its");
  }
  expect_samples("with a footer", id3(20, 10, "ID3\4\0\x10"s) + mp3, samples);
  expect_either("of version 255", id3(10, 10, "ID3\xFF\xFF\xFF") + mp3);
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += id3(0, 0);
  expect_samples("100,000 tags", many + mp3, samples);
  for (const std::size_t size : {3u, 5u, 6u, 9u, 10u}) {
    expect_refused("only " + std::to_string(size) + " bytes of a tag", id3(0, 0).substr(0, size),
                   ErrorCode::kCorruptData, "");
  }
  EXPECT_EQ(files_, 43u);
}

TEST_F(HostileSounds, Mp3FramesThatAreDamaged) {
  const auto frames = mp3_frames(mp3_seed());
  ASSERT_GE(frames.size(), 20u);
  testing::internal::CaptureStderr();  // libmpg123 would tell of each
  const auto with = [&](std::size_t at, const std::string& between, std::size_t skipped = 0) {
    auto changed = frames;
    for (std::size_t i = 0; i < skipped; ++i) changed[at + i].clear();
    changed[at] = between + changed[at];
    return joined(changed);
  };
  for (const std::size_t at : {10u, 20u}) {  // what is no frame is passed over
    for (const std::size_t size : {1u, 3u, 100u, 2000u, 100'000u}) {
      expect_samples(std::to_string(size) + " bytes before frame " + std::to_string(at),
                     with(at, std::string(size, 'x')), 16000);
    }
  }
  for (const std::size_t at : {0u, 1u, 2u, 10u, 20u}) {
    const std::string name = "frame " + std::to_string(at) + ' ';
    for (const std::size_t size : {1u, 3u, 100u, 2000u, 100'000u}) {
      expect_either(name + "behind " + std::to_string(size) + " of text",
                    with(at, std::string(size, 'x')));
      expect_either(name + "behind " + std::to_string(size) + " of zeros",
                    with(at, std::string(size, '\0')));
      expect_either(name + "behind " + std::to_string(size) + " of ones",
                    with(at, std::string(size, '\xFF')));
    }
    expect_either(name + "missing", with(at, "", 1));
    expect_either(name + "twice", with(at, frames[at]));
    expect_either(name + "only its header", with(at, frames[at].substr(0, 4), 1));
    expect_either(
        name + "of ones",
        with(at, frames[at].substr(0, 4) + std::string(frames[at].size() - 4, '\xFF'), 1));
    expect_either(name + "of zeros",
                  with(at, frames[at].substr(0, 4) + std::string(frames[at].size() - 4, '\0'), 1));
    expect_either(name + "behind a tag", with(at, id3(100, 100)));
    expect_either(name + "behind a tag that lies", with(at, id3(0, 0x0FFFFFFF)));
    for (unsigned bit = 0; bit < 32; bit += 3) {
      auto changed = frames;
      char& byte = changed[at][bit / 8];
      byte = static_cast<char>(byte ^ 1 << bit % 8);
      expect_either(name + "bit " + std::to_string(bit), joined(changed));
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(files_, 10u + 5u * (15 + 7 + 11));
}

TEST_F(HostileSounds, Mp3BeforeTags) {
  for (const bool has_count : {true, false}) {
    const auto frames = mp3_frames(mp3_seed());
    const std::string mp3 = joined(frames, has_count ? 0 : 1);
    const std::size_t samples = has_count ? 16000 : 17280;  // without the encoder's own silence
    const std::string name = has_count ? "counted " : "not counted ";
    expect_samples(name + "ID3v1", mp3 + "TAG" + std::string(125, ' '), samples);
    expect_samples(name + "APEv2", mp3 + "APETAGEX" + std::string(300'000, 'x'), samples);
    expect_samples(name + "ID3v2", mp3 + id3(5000, 5000), samples);
    for (const std::size_t size : {1u, 4u, 100u, 5000u, 1u << 20}) {
      expect_samples(name + std::to_string(size) + " zeros", mp3 + std::string(size, '\0'),
                     samples);
      expect_samples(name + std::to_string(size) + " of text", mp3 + std::string(size, 'x'),
                     samples);
    }
  }
  EXPECT_EQ(files_, 26u);
}

TEST_F(HostileSounds, Mp3CutOff) {
  const std::string seed = mp3_seed();
  const auto frames = mp3_frames(seed);
  std::size_t at = 0;
  for (std::size_t i = 0; i < 12; ++i) {  // at the borders of frames and of their headers
    for (const std::size_t cut : {at, at + 1, at + 4, at + frames[i].size() / 2}) {
      expect_either("cut at " + std::to_string(cut), seed.substr(0, cut));
    }
    at += frames[i].size();
  }
  for (std::size_t i = 1; i < 12; ++i) {
    expect_either("from frame " + std::to_string(i), joined(frames, i));
  }
  EXPECT_EQ(files_, 59u);
}

TEST_F(HostileSounds, Mp3ThatChanges) {
  for (const auto& [rate, channels] :
       {std::pair{8000, 1}, {16000, 2}, {22050, 1}, {44100, 1}, {44100, 2}, {48000, 2}}) {
    const std::string name = std::to_string(rate) + " Hz x " + std::to_string(channels);
    const auto frames = mp3_frames(mp3_seed(rate, channels, static_cast<std::size_t>(rate)));
    expect_samples(name, joined(frames), 16000);
    for (const auto& file : {mp3_seed() + joined(frames), joined(frames) + mp3_seed()}) {
      expect_refused(name + " with 16 kHz x 1", file, ErrorCode::kCorruptData,
                     "its rate or its number of channels changes");
    }
  }
  EXPECT_EQ(files_, 18u);
}

TEST_F(HostileSounds, Mp3OfFewSamples) {
  for (const std::size_t samples : {1u, 2u, 575u, 576u, 577u, 1152u}) {
    expect_samples(std::to_string(samples), mp3_seed(16000, 1, samples), samples);
  }
  EXPECT_EQ(files_, 6u);
}

TEST_F(HostileSounds, OtherFormatsAreRefusedByName) {
  const std::string behind(200, '\0');
  for (const auto& [magic, name] : std::initializer_list<std::pair<std::string, const char*>>{
           {"FORM\0\0\0\0AIFF"s, "AIFF"},
           {"FORM\0\0\0\0AIFC"s, "AIFF"},
           {".snd\0\0\0\x18"s, "AU"},
           {"caff\0\1"s, "CAF"},
           {"RF64\xFF\xFF\xFF\xFFWAVEds64", "RF64"},
           {"RIFX\0\0\0\0WAVE"s, "big-endian WAV"},
           {"riff\x2E\x91\xCF\x11", "Wave64"},
           {"RIFF\0\0\0\0AVI LIST"s, "AVI"},
           {"\0\0\0\x20"
            "ftypM4A "s,
            "MP4 or M4A"},
           {"\0\0\0\x20"
            "ftypisom"s,
            "MP4 or M4A"},
           {"\0\0\0\x14"
            "ftypqt  "s,
            "MP4 or M4A"},
           {"\x1A\x45\xDF\xA3\x9F", "WebM or Matroska"},
           {"\xFF\xF1\x50\x80", "AAC"},
           {"\xFF\xF9\x50\x80", "AAC"},
           {"ADIF", "AAC"},
           {"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "WMA"},
           {"#!AMR\n", "AMR"},
           {"MThd\0\0\0\6"s, "MIDI"},
           {"wvpk", "WavPack"},
           {"MAC ", "Monkey's Audio"},
           {"FLV\1", "Flash video"}}) {
    expect_refused(name, magic + behind, ErrorCode::kUnsupported, "got "s + name);
    expect_refused(name + " and no more"s, magic, ErrorCode::kUnsupported, "got "s + name);
    expect_refused(name + " behind a tag"s, id3(10, 10) + magic + behind, ErrorCode::kUnsupported,
                   "got "s + name);
  }
  EXPECT_EQ(files_, 63u);
}

TEST_F(HostileSounds, FilesThatAreNoSound) {
  for (const std::string& file : {""s,
                                  "x"s,
                                  "\xFF"s,
                                  "\xFF\xFB"s,
                                  "\xFF\xFB\x90"s,
                                  "RIFF"s,
                                  "RIFF\0\0\0\0"s,
                                  "RIFF\0\0\0\0WAV"s,
                                  "RIFF\0\0\0\0WEBPVP8 "s,
                                  "fLa"s,
                                  "Ogg"s,
                                  "oggs"s,
                                  "ID"s,
                                  "\x89PNG\r\n\x1A\n"s,
                                  "GIF89a"s,
                                  "\xFF\xD8\xFF\xE0"s,
                                  "BM"s,
                                  "%PDF-1.7"s,
                                  "PK\3\4"s,
                                  "<html></html>"s,
                                  "{\"a\": 1}"s,
                                  "\x7F"
                                  "ELF"s,
                                  "\x1F\x8B\x08"s,
                                  std::string(1 << 20, '\0'),
                                  std::string(1 << 20, '\xFF'),
                                  std::string(1 << 20, 'x')}) {
    expect_refused("of " + std::to_string(file.size()) + " bytes: " + file.substr(0, 4), file,
                   ErrorCode::kCorruptData, "unknown bytes");
  }
  // Each start with the rest of another format.
  const std::string seeds[] = {wav({}, pcm16(std::vector<int>(500, 9))),
                               written_sound(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, 500),
                               written_sound(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000, 1, 500),
                               written_sound(SF_FORMAT_OGG | SF_FORMAT_OPUS, 16000, 1, 500),
                               mp3_seed(16000, 1, 500)};
  for (std::size_t i = 0; i < std::size(seeds); ++i) {
    for (std::size_t k = 0; k < std::size(seeds); ++k) {
      if (i == k) continue;
      const std::string name = std::to_string(i) + " before " + std::to_string(k);
      expect_either(name, seeds[i].substr(0, 12) + seeds[k].substr(12));
      expect_either(name + ", whole", seeds[i] + seeds[k]);
    }
  }
  EXPECT_EQ(files_, 66u);
}

}  // namespace
}  // namespace gemma3n
