#include "media/source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "base/expect_error.h"
#include "media/orientation.h"

namespace gemma3n {
namespace {

TEST(DataUrl, DecodesBase64AndPercent) {
  EXPECT_EQ(decode_data_url("data:image/png;base64,aGVsbG8="), "hello");
  EXPECT_EQ(decode_data_url("data:;base64,aGVsbG8"), "hello");
  EXPECT_EQ(decode_data_url("data:;BASE64,aGVs\r\n bG8="), "hello");
  EXPECT_EQ(decode_data_url("data:;base64,-_%2B/"), "\xfb\xff\xbf");
  EXPECT_EQ(decode_data_url("data:,a%20b"), "a b");
  EXPECT_EQ(decode_data_url("data:,"), "");
  for (std::size_t size = 0; size <= 6; ++size) {
    const char* encoded[] = {"", "YQ==", "YWI=", "YWJj", "YWJjZA==", "YWJjZGU=", "YWJjZGVm"};
    EXPECT_EQ(decode_data_url("data:;base64," + std::string(encoded[size])),
              std::string("abcdef").substr(0, size));
  }
}

TEST(DataUrl, RefusesWhatIsMalformed) {
  for (const char* url :
       {"data:image/png;base64", "data:;base64,a", "data:;base64,ab=c", "data:;base64,a!bc",
        "data:;base64,ab===", "data:,%", "data:,%2", "data:,%zz"}) {
    expect_error(ErrorCode::kCorruptData, "data url: ", [&] { decode_data_url(url); });
  }
}

TEST(Source, NamesFilesAndUrlsInErrors) {
  expect_error(ErrorCode::kNotFound, "/no/such.png", [] { load_image("/no/such.png"); });
  expect_error(ErrorCode::kCorruptData,
               "data:image/png;base64: ", [] { load_image("data:image/png;base64,aGVsbG8="); });
  expect_error(ErrorCode::kInvalidArgument, "http or https", [] { load_image("file:///etc/x"); });
  expect_error(ErrorCode::kInvalidArgument, "not on the public internet",
               [] { load_image("http://127.0.0.1:9/a.png"); });
  EXPECT_EQ(source_name("data:image/png;base64,c2VjcmV0"), "data:image/png;base64");
}

TEST(Source, ReadsRegularFilesWithinTheLimitOnly) {
  std::string pattern = (std::filesystem::temp_directory_path() / "source_XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const std::filesystem::path folder = pattern;
  const std::string file = (folder / "file").string(), pipe = (folder / "pipe").string();
  std::ofstream(file) << "12345";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  MediaLimits limits;
  limits.max_file_bytes = 5;
  EXPECT_EQ(read_source(file, limits), "12345");
  limits.max_file_bytes = 4;
  expect_error(ErrorCode::kInvalidArgument, "at most 4 bytes", [&] { read_source(file, limits); });
  expect_error(ErrorCode::kInvalidArgument, "at most 4 bytes",
               [&] { read_source("data:;base64,aGVsbG8gd29ybGQ=", limits); });
  expect_error(ErrorCode::kCorruptData, "regular file", [&] { read_source(pipe, limits); });
  expect_error(ErrorCode::kCorruptData, "regular file", [&] { read_source(folder, limits); });
  std::filesystem::remove_all(folder);
}

TEST(BlendOverWhite, RoundsToNearest) {
  const std::uint8_t rgba[] = {0, 100, 200, 0, 0, 100, 200, 255, 0, 100, 200, 128};
  const Image image = blend_over_white(rgba, 3, 1);
  // 255 - 128 = 127;  (100 * 128 + 255 * 127) / 255 = 177.2;  (200 * 128 + 255 * 127) / 255 = 227.4
  EXPECT_EQ(image.rgb, (std::vector<std::uint8_t>{255, 255, 255, 0, 100, 200, 127, 177, 227}));
  expect_error(ErrorCode::kInvalidArgument, "got 12", [&] { blend_over_white(rgba, 4, 1); });
}

TEST(Orientation, TurnsAPictureOfTwoRows) {
  // 1 2 3
  // 4 5 6
  const auto picture = [](std::int64_t width, std::int64_t height, const char* letters) {
    Image image{width, height, {}};
    for (; *letters != '\0'; ++letters) {
      image.rgb.insert(image.rgb.end(), 3, static_cast<std::uint8_t>(*letters));
    }
    return image;
  };
  const char* expected[] = {"123456", "321654", "654321", "456123",
                            "142536", "415263", "635241", "362514"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image turned = turned_upright(picture(3, 2, "123456"), orientation);
    const bool is_tall = orientation >= 5;
    EXPECT_EQ(turned.width, is_tall ? 2 : 3);
    EXPECT_EQ(turned.rgb, picture(turned.width, turned.height, expected[orientation - 1]).rgb)
        << orientation;
  }
}

}  // namespace
}  // namespace gemma3n
