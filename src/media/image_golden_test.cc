// Every picture of tests/golden/media against what Pillow makes of it: sizes and the CRC-32 of the
// pixels in expected.tsv, written by tools/reference/make_media_fixtures.py.
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <sstream>

#include "gemma3n/media.h"

namespace gemma3n {
namespace {

const std::filesystem::path kFolder = GEMMA3N_MEDIA_FIXTURES;

unsigned long crc(const Image& image) {
  return ::crc32(0, image.rgb.data(), static_cast<uInt>(image.rgb.size()));
}

TEST(ImageGolden, EveryPictureHasPillowsPixels) {
  std::ifstream table(kFolder / "expected.tsv");
  int pictures = 0;
  for (std::string line; std::getline(table, line); ++pictures) {
    std::istringstream fields(line);
    std::string name;
    std::int64_t width = 0, height = 0;
    unsigned long checksum = 0;
    fields >> name >> width >> height >> std::hex >> checksum;
    ASSERT_FALSE(fields.fail()) << line;
    try {
      const Image image = load_image((kFolder / name).string());
      EXPECT_EQ(image.width, width) << name;
      EXPECT_EQ(image.height, height) << name;
      EXPECT_EQ(crc(image), checksum) << name;
    } catch (const Error& error) {
      ADD_FAILURE() << name << ": " << error.what();
    }
  }
  EXPECT_GE(pictures, 250);
}

}  // namespace
}  // namespace gemma3n
