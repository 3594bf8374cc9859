// Against transformers' SiglipImageProcessor: checksums of tests/golden/media, written by
// tools/reference/make_image_processor_fixtures.py, on pictures both sides generate.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "base/expect_error.h"
#include "gemma3n/processor.h"
#include "processors/generated_media.h"

namespace gemma3n {
namespace {

const std::filesystem::path kFolder = GEMMA3N_MEDIA_FIXTURES;
constexpr std::int64_t kSides[] = {1,   2,   3,   15,  16,  17,  255, 256,
                                   257, 511, 512, 513, 767, 768, 769, 4096};

Tensor generated_array(std::vector<std::int64_t> shape) {
  Tensor array(DType::kU8, std::move(shape));
  const auto bytes = generated_bytes(array.size());
  std::ranges::copy(std::as_bytes(std::span(bytes)), array.bytes());
  return array;
}

Tensor as_floats(const Tensor& bytes, float divisor) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < bytes.size(); ++i) {
    values.push_back(static_cast<float>(std::to_integer<int>(bytes.bytes()[i])) / divisor);
  }
  return Tensor::of(values, bytes.shape());
}

Image image_of_mode(const std::string& mode, std::int64_t width, std::int64_t height) {
  if (mode == "RGBA") {
    return blend_over_white(generated_bytes(width * height * 4), width, height);
  }
  if (mode == "RGB") return generated_image(width, height);
  Image image{width, height, {}};
  for (const auto grey : generated_bytes(width * height)) {
    image.rgb.insert(image.rgb.end(), 3, grey);
  }
  return image;
}

unsigned long checksum(const Tensor& tensor) {
  const auto values = std::as_bytes(tensor.f32());
  return ::crc32(0, reinterpret_cast<const Bytef*>(values.data()),
                 static_cast<uInt>(values.size()));
}

class ImageProcessorSweep : public testing::TestWithParam<std::int64_t> {};

TEST_P(ImageProcessorSweep, EverySizeAndColourTypeHasTheReferencesBits) {
  std::ifstream table(kFolder / "resize_sweep.tsv");
  const ImageProcessor processor;
  std::set<std::pair<std::int64_t, std::string>> pictures;
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::int64_t width = 0, height = 0;
    std::string mode;
    unsigned long expected = 0;
    fields >> width >> height >> mode >> std::hex >> expected;
    ASSERT_FALSE(fields.fail()) << line;
    if (width != GetParam()) continue;
    pictures.emplace(height, mode);
    const Image image = image_of_mode(mode, width, height);
    const Tensor values = processor(std::span(&image, 1));
    ASSERT_EQ(values.shape(), (std::vector<std::int64_t>{1, 3, 768, 768}));
    EXPECT_EQ(checksum(values), expected) << line;
  }
  EXPECT_EQ(pictures.size(), 3 * std::size(kSides));
  for (const std::int64_t height : kSides) {
    for (const char* mode : {"L", "RGB", "RGBA"}) {
      EXPECT_TRUE(pictures.contains({height, mode})) << height << ' ' << mode;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, ImageProcessorSweep, testing::ValuesIn(kSides));

std::map<std::string, std::string> read_table(const char* name) {
  std::ifstream file(kFolder / name);
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(file, line);) {
    const auto tab = line.find('\t');
    rows[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return rows;
}

struct Case {
  std::vector<std::int64_t> shape;
  ImageOptions options;
};

TEST(ImageProcessor, ArraysAndOptionsHaveTheReferencesBits) {
  ImageOptions small;
  small.height = 20;
  small.width = 30;
  const auto with = [&](const std::function<void(ImageOptions&)>& change) {
    ImageOptions options = small;
    change(options);
    return Case{{11, 13, 3}, options};
  };
  const std::map<std::string, Case> cases = {
      {"first_3", {{3, 11, 13}, small}},
      {"last_3", {{11, 13, 3}, small}},
      {"first_1", {{1, 11, 13}, small}},
      {"last_1", {{11, 13, 1}, small}},
      {"first_4", {{4, 11, 13}, small}},
      {"last_4", {{11, 13, 4}, small}},
      {"ambiguous", {{3, 11, 3}, small}},
      {"no_rescale", with([](auto& o) { o.do_rescale = false; })},
      {"no_resize", with([](auto& o) { o.do_resize = false; })},
      {"nothing", with([](auto& o) { o.do_resize = o.do_rescale = false; })},
      {"factor", with([](auto& o) { o.rescale_factor = 1 / 127.5; })},
      {"normalize", with([](auto& o) { o.do_normalize = true; })},
      {"normalize_only", with([](auto& o) {
         o.do_normalize = true;
         o.do_rescale = false;
       })},
      {"mean_and_std", with([](auto& o) {
         o.do_normalize = true;
         o.image_mean = {0.48, 0.45, 0.4};
         o.image_std = {0.22, 0.26, 0.27};
       })},
  };
  const auto expected = read_table("processor_cases.tsv");
  ASSERT_EQ(expected.size(), cases.size());
  const ImageProcessor processor;
  for (const auto& [name, crc] : expected) {
    ASSERT_TRUE(cases.contains(name)) << name;
    const Case& c = cases.at(name);
    const Tensor array = generated_array(c.shape);
    EXPECT_EQ(checksum(processor(std::span(&array, 1), c.options)), std::stoul(crc, nullptr, 16))
        << name;
  }
}

TEST(ImageProcessor, FloatArraysAgreeWithTheReference) {
  const std::map<std::string, std::pair<Tensor, std::array<std::int64_t, 2>>> cases = {
      {"up", {as_floats(generated_array({3, 5, 4}), 1), {8, 9}}},
      {"down", {as_floats(generated_array({3, 37, 50}), 1), {6, 7}}},
      {"rgba", {as_floats(generated_array({4, 9, 9}), 255), {5, 6}}},
  };
  const auto expected = read_table("float_resize.tsv");
  ASSERT_EQ(expected.size(), cases.size());
  for (const auto& [name, row] : expected) {
    const auto& [array, size] = cases.at(name);
    ImageOptions options;
    options.height = size[0];
    options.width = size[1];
    const Tensor values = ImageProcessor()(std::span(&array, 1), options);
    std::istringstream numbers(row);
    for (const float value : values.f32()) {
      double reference = 0;
      ASSERT_TRUE(numbers >> reference) << name;
      // Taps are computed in double here and in float there.
      EXPECT_NEAR(value, reference, 2e-6) << name;
    }
  }
}

TEST(ImageProcessor, NestedListsAreFlattenedInOrder) {
  ImageOptions options;
  options.do_resize = options.do_rescale = false;
  const Image a{1, 1, {1, 2, 3}}, b{1, 1, {4, 5, 6}}, c{1, 1, {7, 8, 9}};
  const std::vector<std::vector<Image>> nested = {{a, b}, {}, {c}};
  const Tensor values = ImageProcessor()(nested, options);
  EXPECT_EQ(values.shape(), (std::vector<std::int64_t>{3, 3, 1, 1}));
  for (int i = 0; i < 9; ++i) EXPECT_EQ(values.f32()[static_cast<std::size_t>(i)], i + 1);
}

TEST(ImageProcessor, PlanesAreChannelsFirst) {
  ImageOptions options;
  options.do_resize = options.do_rescale = false;
  const Image image{2, 1, {1, 2, 3, 4, 5, 6}};
  const Tensor values = ImageProcessor()(std::span(&image, 1), options);
  const std::vector<float> expected = {1, 4, 2, 5, 3, 6};
  EXPECT_TRUE(std::ranges::equal(values.f32(), expected));
}

TEST(ImageProcessor, EveryColourOverEveryAlphaHasTheReferencesBits) {
  Tensor array(DType::kU8, {256, 256, 4});  // row: colour, column: alpha
  for (int i = 0; i < 256 * 256; ++i) {
    for (int c = 0; c < 4; ++c) {
      array.bytes()[4 * i + c] = static_cast<std::byte>(c < 3 ? i / 256 : i % 256);
    }
  }
  ImageOptions options;
  options.do_resize = options.do_rescale = false;
  const Tensor values = ImageProcessor()(std::span(&array, 1), options);
  std::vector<std::uint8_t> red;
  for (const float value : values.f32().first(256 * 256)) {
    red.push_back(static_cast<std::uint8_t>(value));
  }
  EXPECT_EQ(crc32(0, red.data(), static_cast<uInt>(red.size())), 0x3F4872F8u);
}

TEST(ImageProcessor, RefusesWhatItCannotProcess) {
  const ImageProcessor processor;
  const std::vector<Image> none;
  expect_error(ErrorCode::kInvalidArgument, "at least one", [&] { processor(none); });
  const Image short_of_bytes{2, 2, {1, 2, 3}};
  expect_error(ErrorCode::kInvalidArgument, "2 x 2 x 3 bytes, got 3",
               [&] { processor(std::span(&short_of_bytes, 1)); });
  ImageOptions as_they_are;
  as_they_are.do_resize = false;
  const std::vector<Image> two = {{1, 1, {1, 2, 3}}, {2, 1, {1, 2, 3, 4, 5, 6}}};
  expect_error(ErrorCode::kInvalidArgument, "one size", [&] { processor(two, as_they_are); });
  for (const auto& shape :
       std::vector<std::vector<std::int64_t>>{{5, 5}, {3, 0, 5}, {1, 3, 5, 5}}) {
    const Tensor array(DType::kU8, shape);
    expect_error(ErrorCode::kInvalidArgument, "three dimensions",
                 [&] { processor(std::span(&array, 1)); });
  }
  const Tensor five(DType::kU8, {5, 6, 7});
  expect_error(ErrorCode::kInvalidArgument, "1, 3 or 4", [&] { processor(std::span(&five, 1)); });
  const Tensor integers(DType::kI64, {3, 6, 7});
  expect_error(ErrorCode::kUnsupported, "int64", [&] { processor(std::span(&integers, 1)); });
  ImageOptions unconverted;
  unconverted.do_convert_rgb = false;
  const Tensor rgba(DType::kU8, {4, 6, 7});
  expect_error(ErrorCode::kInvalidArgument, "(do_convert_rgb is off), got 4",
               [&] { processor(std::span(&rgba, 1), unconverted); });
  const Tensor loud = Tensor::of(std::vector<float>{0, 0, 0, 2}, {4, 1, 1});
  expect_error(ErrorCode::kInvalidArgument, "from 0 to 1", [&] { processor(std::span(&loud, 1)); });
  ImageOptions cubic;
  cubic.resample = 3;
  expect_error(ErrorCode::kUnsupported, "bilinear", [&] { processor(two, cubic); });
}

TEST(ImageProcessorConfig, ReadsGemmasFile) {
  const auto config = ImageProcessorConfig::from_json(R"({
      "do_convert_rgb": null, "do_normalize": false, "do_rescale": true, "do_resize": true,
      "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "image_seq_length": 256,
      "image_processor_type": "SiglipImageProcessorFast", "resample": 2,
      "rescale_factor": 0.00392156862745098, "size": {"height": 512, "width": 256}})");
  EXPECT_FALSE(config.do_convert_rgb);
  EXPECT_FALSE(config.do_normalize);
  EXPECT_EQ(config.height, 512);
  EXPECT_EQ(config.width, 256);
  EXPECT_EQ(config.rescale_factor, 1.0 / 255.0);
}

TEST(ImageProcessorConfig, RefusesNonsenseNamingTheKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"size": 768})", "size"},
      {R"({"size": {"shortest_edge": 768}})", "size"},
      {R"({"size": {"height": 0, "width": 5}})", "size"},
      {R"({"size": {"height": 1e9, "width": 5}})", "size"},
      {R"({"size": {"height": 9223372036854775808, "width": 5}})", "size"},
      {R"({"size": {"height": 100000, "width": 5}})", "size"},
      {R"({"resample": 3})", "resample"},
      {R"({"resample": "bilinear"})", "resample"},
      {R"({"resample": 2, "rescale_factor": 0})", "rescale_factor"},
      {R"({"resample": 2, "rescale_factor": "x"})", "rescale_factor"},
      {R"({"resample": 2, "image_std": [1, 0, 1]})", "image_std"},
      {R"({"resample": 2, "image_mean": [1, 1]})", "image_mean"},
      {R"({"resample": 2, "do_resize": 1})", "do_resize"},
      {R"({"resample": 2, "do_center_crop": true})", "do_center_crop"},
      {R"([])", "object"},
      {R"({)", "object"},
  };
  for (const auto& [json, key] : cases) {
    try {
      ImageProcessorConfig::from_json(json);
      ADD_FAILURE() << json;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << json << error.what();
    }
  }
}

}  // namespace
}  // namespace gemma3n
