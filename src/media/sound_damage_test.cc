// Sound files of real encoders, cut off and changed at random places.
#include <random>

#include "media/sound_cases.h"

namespace gemma3n {
namespace {

TEST_F(HostileSounds, FilesOfEveryFormatWithRandomDamage) {
  std::mt19937 random(1);
  for (const char* name : {"rate_8000.wav", "eight_channels.wav", "a_law.wav", "stereo.flac",
                           "mono.flac", "vorbis.ogg", "opus.ogg", "layer_3.mp3"}) {
    const std::string seed = sound_fixture(name);
    for (std::size_t i = 0; i < 16; ++i) {
      expect_either(name, seed.substr(0, seed.size() * i / 16));
      expect_either(name, seed.substr(0, 3 * i + 1));
    }
    for (std::size_t i = 0; i < 40; ++i) {  // half of them in headers
      std::string file = seed;
      const std::size_t reach = i % 2 == 0 ? std::min<std::size_t>(100, file.size()) : file.size();
      for (std::size_t k = 0; k <= i % 4; ++k) {
        char& byte = file[random() % reach];
        byte = static_cast<char>(i % 3 == 0 ? random() : byte ^ 1u << random() % 8);
      }
      expect_either(name, file);
    }
    for (std::size_t i = 0; i < 8; ++i) {  // pieces twice, and pieces left out
      const std::size_t a = random() % seed.size(), b = a + random() % (seed.size() - a);
      expect_either(name, seed.substr(0, b) + seed.substr(a));
      expect_either(name, seed.substr(0, a) + seed.substr(b));
    }
  }
  EXPECT_EQ(files_, 8u * (32 + 40 + 16));
}

// Pages have checksums, so here the packets are changed before they go into pages.
TEST_F(HostileSounds, OggPacketsWithRandomDamage) {
  std::mt19937 random(2);
  for (const char* name : {"vorbis.ogg", "opus.ogg"}) {
    const auto seed = ogg_packets(ogg_pages(sound_fixture(name)));
    for (std::size_t i = 0; i < 150; ++i) {
      auto packets = seed;
      for (std::size_t k = 0; k <= i % 4; ++k) {
        std::string& packet = packets[random() % (i % 2 == 0 ? 3 : packets.size())];
        if (packet.empty()) continue;
        char& byte = packet[random() % packet.size()];
        byte = static_cast<char>(i % 3 == 0 ? random() : byte ^ 1u << random() % 8);
      }
      std::vector<std::int64_t> granules;
      for (std::size_t k = 0; k < packets.size(); ++k) {
        granules.push_back(k < 3 ? 0 : static_cast<std::int64_t>(k - 2) * 256);
      }
      expect_either(name, ogg_bytes(ogg_of_packets(packets, granules)));
    }
  }
  EXPECT_EQ(files_, 300u);
}

}  // namespace
}  // namespace gemma3n
