// Hostile and odd Ogg files: Vorbis, Opus and others.
#include <sndfile.h>

#include <utility>

#include "media/measure.h"
#include "media/sound_cases.h"

namespace gemma3n {
namespace {

using namespace std::string_literals;

// ---- seeds

constexpr int kVorbisFile = SF_FORMAT_OGG | SF_FORMAT_VORBIS;
constexpr int kOpusFile = SF_FORMAT_OGG | SF_FORMAT_OPUS;

// Pages of five seconds at 16 kHz.
std::vector<OggPage> vorbis_seed() {
  return ogg_pages(written_sound(kVorbisFile, 16000, 1, 80000));
}
std::vector<OggPage> opus_seed() { return ogg_pages(written_sound(kOpusFile, 16000, 1, 80000)); }

// Bits as Vorbis packs them: the lowest first.
class BitPacker {
 public:
  BitPacker& put(std::uint64_t value, int bits) {
    for (int i = 0; i < bits; ++i, ++count_) {
      if (count_ % 8 == 0) bytes_.push_back('\0');
      bytes_.back() = static_cast<char>(bytes_.back() | (value >> i & 1) << count_ % 8);
    }
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  int count_ = 0;
};

std::string vorbis_identification(unsigned channels = 1, std::uint32_t rate_hz = 16000,
                                  unsigned blocks = 0xB8) {
  return "\1vorbis" + little_endian(0, 4) + static_cast<char>(channels) +
         little_endian(rate_hz, 4) + std::string(12, '\0') + static_cast<char>(blocks) + '\1';
}
const std::string kVorbisComment = "\3vorbis" + std::string(8, '\0') + '\1';

// A Vorbis file whose setup has `books` codebooks of `entries` words of one length.
std::string vorbis_of_codebooks(int books, std::uint64_t dimensions, std::uint64_t entries,
                                int length) {
  int bits = 0;
  while (entries >> bits != 0) ++bits;
  BitPacker setup;
  for (const char c : "\5vorbis"s) setup.put(static_cast<unsigned char>(c), 8);
  setup.put(static_cast<std::uint64_t>(books - 1), 8);
  for (int i = 0; i < books; ++i) {
    setup.put(0x564342, 24).put(dimensions, 16).put(entries, 24);
    setup.put(1, 1).put(static_cast<std::uint64_t>(length - 1), 5).put(entries, bits).put(0, 4);
  }
  setup.put(0, 64);
  return ogg_bytes(ogg_of_packets({vorbis_identification(), kVorbisComment, setup.bytes(), "x"},
                                  {0, 0, 0, 1000}));
}

TEST_F(HostileSounds, VorbisCodebooksThatExpand) {
  for (const int books : {1, 4, 16, 64, 256}) {
    const std::string file = vorbis_of_codebooks(books, 1, (1 << 23) - 1, 23);
    EXPECT_LT(file.size(), 4000u);
    expect_refused(std::to_string(books) + " codebooks of 2^23-1", file, ErrorCode::kCorruptData,
                   "Vorbis: expected codebooks of 1 to 16384 words");
  }
  const auto refuse = [&](const std::string& name, const std::string& file) {
    expect_refused(name, file, ErrorCode::kCorruptData, "Vorbis");
  };
  refuse("no word", vorbis_of_codebooks(1, 1, 0, 1));
  refuse("no dimension", vorbis_of_codebooks(1, 0, 8, 3));
  refuse("65535 dimensions", vorbis_of_codebooks(1, 65535, 255, 8));
  refuse("many values", vorbis_of_codebooks(256, 1, 16384, 14));
  for (const std::uint64_t words : {2u, 256u, 16384u}) {  // small enough to be tried
    expect_refused(std::to_string(words) + " words", vorbis_of_codebooks(4, 1, words, 14),
                   ErrorCode::kCorruptData, "sound");
  }
  EXPECT_EQ(files_, 12u);
}

// The encoder in use stays below the limits on codebooks.
TEST_F(HostileSounds, VorbisOfEveryRateChannelsAndQuality) {
  for (const int rate : {8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000}) {
    for (const int channels : {1, 2, 3, 6, 8}) {
      for (const double compression : {0.0, 0.3, 0.6, 1.0}) {
        const auto frames = static_cast<std::size_t>(rate / 50);
        expect_samples(
            std::to_string(rate) + " Hz x " + std::to_string(channels),
            written_sound(kVorbisFile, rate, channels, frames, compression),
            (frames * 16000 + static_cast<std::size_t>(rate) - 1) / static_cast<std::size_t>(rate));
      }
    }
  }
  EXPECT_EQ(files_, 180u);
}

TEST_F(HostileSounds, OggPagesThatAreDamaged) {
  for (const auto& [codec, seed] : {std::pair{"vorbis", vorbis_seed()}, {"opus", opus_seed()}}) {
    ASSERT_GE(seed.size(), 4u) << codec;
    for (std::size_t i = 0; i < seed.size(); ++i) {
      const std::string name = codec + " page "s + std::to_string(i);
      const std::string before = ogg_bytes({seed.begin(), seed.begin() + static_cast<long>(i)});
      const std::string page = ogg_bytes(seed[i]);
      const std::string after = ogg_bytes({seed.begin() + static_cast<long>(i) + 1, seed.end()});
      const auto refuse = [&](const std::string& how, const std::string& file) {
        expect_refused(name + how, file, ErrorCode::kCorruptData, "Ogg: ");
      };
      std::string flipped = page;
      flipped.back() ^= 1;
      refuse(" with a flipped bit", before + flipped + after);
      refuse(" with another checksum", before + patched(page, 22, "\1\2\3\4") + after);
      refuse(" twice", before + page + page + after);
      if (i > 0) refuse(" behind garbage", before + std::string(99, 'x') + page + after);
      if (i > 0) refuse(" behind zeros", before + std::string(99, '\0') + page + after);
      if (i > 0 && !after.empty())
        refuse(" cut off", before + page.substr(0, page.size() - 1) + after);
      OggPage changed = seed[i];
      changed.sequence += 7;
      if (i > 0 && i != 2) refuse(" out of order", before + ogg_bytes(changed) + after);
      changed = seed[i];
      changed.serial ^= 5;
      if (i > 0) refuse(" of no stream", before + ogg_bytes(changed) + after);
      changed = seed[i];
      changed.flags ^= 1;
      refuse(" that continues", before + ogg_bytes(changed) + after);
      if (i > 2 && !after.empty()) refuse(" missing", before + after);
    }
  }
  EXPECT_GE(files_, 55u);
}

TEST_F(HostileSounds, OggCutOff) {
  for (const auto& [codec, seed] : {std::pair{"vorbis", vorbis_seed()}, {"opus", opus_seed()}}) {
    const std::string whole = ogg_bytes(seed);
    std::size_t at = 0;
    for (const OggPage& page : seed) {  // at the borders of pages and of their parts
      const std::size_t body = at + 27 + page.lacing.size();
      for (const std::size_t cut :
           {at, at + 4, at + 27, body, body + 1, body + page.body.size() - 1}) {
        expect_either(codec + " cut at "s + std::to_string(cut), whole.substr(0, cut));
      }
      at = body + page.body.size();
    }
    EXPECT_EQ(at, whole.size());
  }
  EXPECT_GE(files_, 48u);
}

TEST_F(HostileSounds, OggStreamsOfOtherKinds) {
  for (const auto& [magic, name] :
       std::initializer_list<std::pair<std::string, const char*>>{{"Speex   1.2", "Speex"},
                                                                  {"\x80theora\3\2\1", "Theora"},
                                                                  {"\x7F"
                                                                   "FLAC\1\0",
                                                                   "FLAC in Ogg"},
                                                                  {"PCM     ", "OggPCM"},
                                                                  {"OVP80", "VP8"},
                                                                  {"fishead\0\3"s, "Skeleton"}}) {
    std::string page = magic + std::string(64, '\0');
    expect_refused(name, ogg_bytes(ogg_of_packets({page, "x"}, {0, 100})), ErrorCode::kUnsupported,
                   "expected Vorbis or Opus in Ogg, got "s + name);
  }
  for (const std::string& packet :
       {""s, "x"s, "\1vorbi"s, "\1vorbis"s, "OpusHea"s, "OpusHead"s, std::string(1000, '\0')}) {
    expect_refused("first packet of " + std::to_string(packet.size()) + " bytes",
                   ogg_bytes(ogg_of_packets({packet, "x", "y", "z"}, {0, 0, 100, 200})),
                   ErrorCode::kCorruptData, "");
  }
  EXPECT_EQ(files_, 13u);
}

TEST_F(HostileSounds, OggStreamsSideBySideAndOneAfterTheOther) {
  auto vorbis = vorbis_seed(), opus = opus_seed();
  for (OggPage& page : vorbis) page.serial = 1;
  for (OggPage& page : opus) page.serial = 2;
  for (const bool vorbis_first : {true, false}) {
    const auto& a = vorbis_first ? vorbis : opus;
    const auto& b = vorbis_first ? opus : vorbis;
    std::string file;
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      if (i < a.size()) file += ogg_bytes(a[i]);
      if (i < b.size()) file += ogg_bytes(b[i]);
    }
    expect_either("side by side", file);
    expect_samples("one after the other", ogg_bytes(a) + ogg_bytes(b), 160000);
    expect_refused("the second without its first page",
                   ogg_bytes(a) + ogg_bytes({b.begin() + 1, b.end()}), ErrorCode::kCorruptData,
                   "belongs to no stream");
    expect_samples("three of one number", ogg_bytes(a) + ogg_bytes(a) + ogg_bytes(a), 240000);
  }
  const std::string other_rate = written_sound(kVorbisFile, 44100, 2, 44100);
  expect_samples("other rates", ogg_bytes(vorbis) + other_rate + ogg_bytes(opus),
                 80000 + 16000 + 80000);
  std::string links;
  const std::string small = written_sound(kOpusFile, 16000, 1, 320);
  for (int i = 0; i < 1024; ++i) links += small;
  expect_samples("1024 links", links, 1024 * 320);
  expect_refused("1025 links", links + small, ErrorCode::kCorruptData,
                 "expected at most 1024 streams");
  EXPECT_EQ(files_, 11u);
}

TEST_F(HostileSounds, OggPositionsThatLie) {
  constexpr std::size_t kHeaderPages = 2;
  for (const auto& [codec, seed] : {std::pair{"vorbis", vorbis_seed()}, {"opus", opus_seed()}}) {
    ASSERT_GE(seed.size(), 6u) << codec;
    for (std::size_t i = kHeaderPages; i < seed.size(); ++i) {
      const std::string name = codec + " page "s + std::to_string(i) + " at ";
      for (const std::int64_t granule :
           {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 31,
            std::int64_t{1} << 62, INT64_MAX, INT64_MIN}) {
        auto pages = seed;
        pages[i].granule = granule;
        const bool is_start = i == kHeaderPages && granule >= 0 && granule < seed[i + 1].granule;
        if (is_start) {
          expect_either(name + std::to_string(granule), ogg_bytes(pages));
        } else {
          expect_refused(name + std::to_string(granule), ogg_bytes(pages), ErrorCode::kCorruptData,
                         "Ogg: the page at byte ");
        }
      }
      auto pages = seed;
      for (std::size_t k = i; k < pages.size(); ++k) pages[k].granule += std::int64_t{1} << 40;
      const std::string file = ogg_bytes(pages);
      if (i > kHeaderPages) {
        expect_refused(name + "a gap", file, ErrorCode::kCorruptData, "samples in ");
      } else {
        expect_samples(name + "a late start", file, 80000);
      }
    }
  }
  EXPECT_GE(files_, 64u);
}

TEST_F(HostileSounds, OggWithoutAnEndAndAfterHeadersAnywhere) {
  for (const auto& [codec, seed] : {std::pair{"vorbis", vorbis_seed()}, {"opus", opus_seed()}}) {
    auto pages = seed;
    pages.back().flags = 0;
    // libsndfile then stops as many samples early as there are before the first one.
    expect_samples(codec + " without an end"s, ogg_bytes(pages), codec == "opus"s ? 79896 : 80000);
    pages = seed;
    pages[1].flags |= kOggLast;
    expect_either(codec + " whose headers are the end"s, ogg_bytes(pages));
    pages = seed;
    const std::size_t headers = 2;
    for (std::size_t i = headers; i < pages.size(); ++i) {  // as broadcasts are recorded
      pages[i].sequence += 5000;
      pages[i].granule += 480'000'000;
    }
    expect_either(codec + " from the middle"s, ogg_bytes(pages));
  }
  EXPECT_EQ(files_, 6u);
}

TEST_F(HostileSounds, OggPacketsThatAreLarge) {
  const auto packets = ogg_packets(opus_seed());
  const auto with_tags = [&](std::size_t size) {
    std::vector<OggPage> pages(1);
    pages[0].flags = kOggFirst;
    append_packet(pages[0], packets[0]);
    std::size_t left = size;
    while (left > 0) {  // one packet over many pages, whose segments are full
      OggPage page{.flags = 1, .granule = -1, .sequence = static_cast<std::uint32_t>(pages.size())};
      if (pages.size() == 1)
        page.flags = 0, page.body = "OpusTags" + little_endian(0, 4) + little_endian(1, 4) +
                                    little_endian(size - 20, 4) + "x=";
      const std::size_t part = std::min<std::size_t>(left, 255 * 254);
      page.body.resize(part, 'x');
      left -= part;
      page.lacing = std::string(part / 255, '\xFF');
      if (left == 0) page.lacing += static_cast<char>(part % 255), page.granule = 0;
      pages.push_back(page);
    }
    OggPage sound{.flags = kOggLast,
                  .granule = 960 * 3,
                  .sequence = static_cast<std::uint32_t>(pages.size())};
    for (std::size_t i = 2; i < 5; ++i) append_packet(sound, packets[i]);
    pages.push_back(sound);
    return ogg_bytes(pages);
  };
  for (const std::size_t size : {std::size_t{1000}, std::size_t{1} << 20, std::size_t{15} << 20}) {
    expect_either("tags of " + std::to_string(size), with_tags(size));
  }
  expect_refused("tags of 20 MB", with_tags(20 << 20), ErrorCode::kCorruptData,
                 "expected packets of at most 16777216 bytes");
  EXPECT_EQ(files_, 4u);
}

// Sound of `seconds`, 20 ms a packet and a second a page, over and over the same.
std::string long_opus(int seconds) {
  const auto packets = ogg_packets(opus_seed());
  auto headers = ogg_of_packets({packets[0], packets[1]}, {0, 0});
  headers[1].flags = 0;
  std::string file = ogg_bytes(headers);
  std::size_t next = 10;  // the encoder has settled
  for (int second = 0; second < seconds; ++second) {
    OggPage page{.granule = 48000 * (second + std::int64_t{1}) + 312,
                 .sequence = static_cast<std::uint32_t>(second + 2)};
    if (second + 1 == seconds) page.flags = kOggLast;
    for (int i = 0; i < 50; ++i) {
      append_packet(page, packets[next]);
      next = next + 10 < packets.size() ? next + 1 : 10;
    }
    file += ogg_bytes(page);
  }
  return file;
}

// The bomb that real services met: 25 MB of speech rates for 8.7 hours.
TEST_F(HostileSounds, OpusOfManyHours) {
  const int seconds = kIsMeasured ? 31'320 : 600;
  const std::string file = long_opus(seconds);
  EXPECT_GT(file.size(), static_cast<std::size_t>(seconds) * 650);
  expect_refused("beyond the limit", file, ErrorCode::kInvalidArgument,
                 "expected at most 960000 samples of sound, got more");
  limits_ = {};
  constexpr std::size_t kSkipped = 312 / 3;  // at the start; 48 samples of Opus are 16 of ours
  expect_samples("within the limit", file, static_cast<std::size_t>(seconds) * 16000 - kSkipped);
  EXPECT_EQ(files_, 2u);
}

TEST_F(HostileSounds, OpusHeadersOfEveryKind) {
  const auto seed = opus_seed();
  const std::string head = ogg_packets(seed)[0];
  ASSERT_EQ(head.size(), 19u);
  const auto with_head = [&](const std::string& packet) {
    auto pages = seed;
    pages[0].lacing.clear();
    pages[0].body.clear();
    append_packet(pages[0], packet);
    return ogg_bytes(pages);
  };
  for (int version = 0; version < 256; version += 15) {
    expect_either("version " + std::to_string(version),
                  with_head(patched(head, 8, little_endian(static_cast<unsigned>(version), 1))));
  }
  for (const unsigned channels : {0u, 1u, 2u, 3u, 8u, 9u, 32u, 33u, 254u, 255u}) {
    const std::string plain = patched(head, 9, little_endian(channels, 1));
    expect_either("channels " + std::to_string(channels), with_head(plain));
    for (const int family : {0, 1, 2, 3, 254, 255}) {
      std::string mapped = patched(plain, 18, little_endian(static_cast<unsigned>(family), 1));
      mapped += little_endian(channels, 1) + '\0';
      for (unsigned c = 0; c < channels; ++c) mapped += little_endian(c, 1);
      expect_either("channels " + std::to_string(channels) + " family " + std::to_string(family),
                    with_head(mapped));
    }
  }
  for (const std::uint64_t skip : {0u, 1u, 312u, 3840u, 48000u, 65535u}) {
    expect_either("pre-skip " + std::to_string(skip),
                  with_head(patched(head, 10, little_endian(skip, 2))));
  }
  for (const std::uint64_t rate :
       {0u, 1u, 8000u, 44100u, 48000u, 768000u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    expect_either("rate " + std::to_string(rate),
                  with_head(patched(head, 12, little_endian(rate, 4))));
  }
  for (const std::uint64_t gain : {0u, 0x7FFFu, 0x8000u, 0xFFFFu}) {
    expect_either("gain " + std::to_string(gain),
                  with_head(patched(head, 16, little_endian(gain, 2))));
  }
  for (std::size_t size = 8; size < head.size(); ++size) {
    expect_either("header of " + std::to_string(size) + " bytes", with_head(head.substr(0, size)));
  }
  EXPECT_GE(files_, 110u);
}

TEST_F(HostileSounds, OpusPacketsOfEveryKind) {
  const auto packets = ogg_packets(opus_seed());
  const auto with_packet = [&](const std::string& packet) {
    return ogg_bytes(ogg_of_packets({packets[0], packets[1], packets[2], packet, packets[3]},
                                    {0, 0, 960, 1920, 2880}));
  };
  for (unsigned toc = 0; toc < 256; toc += 5) {
    const std::string first = little_endian(toc, 1);
    expect_either("toc " + std::to_string(toc), with_packet(first));
    expect_either("toc " + std::to_string(toc) + " and 48 frames", with_packet(first + "\x30"));
    expect_either("toc " + std::to_string(toc) + " and ones",
                  with_packet(first + std::string(300, '\xFF')));
  }
  expect_either("no bytes", with_packet(""));
  EXPECT_EQ(files_, 157u);
}

TEST_F(HostileSounds, VorbisHeadersOfEveryKind) {
  const auto seed = vorbis_seed();
  const auto packets = ogg_packets(seed);
  const auto with_header = [&](const std::string& packet) {
    auto pages = seed;
    pages[0].lacing.clear();
    pages[0].body.clear();
    append_packet(pages[0], packet);
    return ogg_bytes(pages);
  };
  for (const unsigned channels : {0u, 2u, 8u, 32u, 33u, 128u, 255u}) {
    expect_either("channels " + std::to_string(channels),
                  with_header(vorbis_identification(channels)));
  }
  for (const std::uint32_t rate : {0u, 1u, 999u, 768001u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
    expect_refused(
        "rate " + std::to_string(rate), with_header(vorbis_identification(1, rate)),
        rate == 0 || rate > 0x7FFFFFFFu ? ErrorCode::kCorruptData : ErrorCode::kInvalidArgument,
        "");
  }
  for (unsigned blocks = 0; blocks < 256; blocks += 17) {
    expect_either("blocks " + std::to_string(blocks),
                  with_header(vorbis_identification(1, 16000, blocks)));
  }
  for (std::size_t size = 0; size < packets[0].size(); size += 4) {
    expect_refused("header of " + std::to_string(size) + " bytes",
                   with_header(packets[0].substr(0, size)), ErrorCode::kCorruptData, "");
  }
  const auto with_setup = [&](const std::string& setup) {
    return ogg_bytes(
        ogg_of_packets({packets[0], packets[1].substr(0, 200), setup, packets[3]}, {0, 0, 0, 100}));
  };
  for (int part = 0; part < 16; ++part) {
    expect_refused(
        "setup cut at " + std::to_string(part) + " of 16",
        with_setup(packets[2].substr(0, packets[2].size() * static_cast<std::size_t>(part) / 16)),
        ErrorCode::kCorruptData, "");
  }
  EXPECT_EQ(files_, 54u);
}

}  // namespace
}  // namespace gemma3n
