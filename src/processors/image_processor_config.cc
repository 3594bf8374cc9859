#include <cmath>
#include <nlohmann/json.hpp>

#include "gemma3n/processor.h"
#include "processors/preprocessor_config.h"

namespace gemma3n {
namespace {

using nlohmann::json;

constexpr int kBilinear = 2, kBicubic = 3;  // Pillow's numbers
constexpr std::int64_t kMaxSide = 4096;     // of what reaches the tower; Gemma 3n has 768

[[noreturn]] void refuse(const std::string& key, const char* expected, const json& got) {
  fail(ErrorCode::kInvalidArgument, key, ": expected ", expected, ", got ",
       got.is_structured() ? got.type_name()
                           : got.dump(-1, ' ', true, json::error_handler_t::replace));
}

// A switch; null counts as off, as in Python.
void read(const json& object, const char* key, bool& field) {
  const auto found = object.find(key);
  if (found == object.end()) return;
  if (!found->is_boolean() && !found->is_null()) refuse(key, "true or false", *found);
  field = found->is_boolean() && found->get<bool>();
}

double number(const std::string& key, const json& value) {
  if (!value.is_number()) refuse(key, "a number", value);
  return value.get<double>();
}

// A list of one number per channel, or one number for all.
void read(const json& object, const char* key, std::array<double, 3>& field) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return;
  if (found->is_array()) {
    if (found->size() != 3) refuse(key, "one number or three", *found);
    for (std::size_t c = 0; c < 3; ++c) field[c] = number(key, (*found)[c]);
  } else {
    field.fill(number(key, *found));
  }
}

std::int64_t side(const json& size, const char* key) {
  const auto found = size.find(key);
  const bool is_side = found != size.end() && found->is_number_integer() &&
                       found->get<double>() >= 1 && found->get<double>() <= kMaxSide;
  if (!is_side) {
    fail(ErrorCode::kInvalidArgument, "size: expected \"height\" and \"width\" from 1 to ",
         kMaxSide);
  }
  return found->get<std::int64_t>();
}

void read_size(const json& object, ImageProcessorConfig& config) {
  const auto size = object.find("size");
  if (size == object.end()) return;
  if (!size->is_object()) refuse("size", "an object with \"height\" and \"width\"", *size);
  config.height = side(*size, "height");
  config.width = side(*size, "width");
}

void read_resample(const json& object, ImageProcessorConfig& config) {
  const auto found = object.find("resample");
  if (found == object.end()) return;
  const bool is_known =
      found->is_number_integer() && found->get<double>() >= 0 && found->get<double>() <= 5;
  if (!is_known) refuse("resample", "a filter from 0 to 5", *found);
  config.resample = found->get<int>();
}

// Steps of other image processors that Gemma 3n's does not have.
void expect_off(const json& object, const char* key) {
  bool is_on = false;
  read(object, key, is_on);
  if (is_on) fail(ErrorCode::kUnsupported, key, ": expected false, got true");
}

}  // namespace

void ImageProcessorConfig::validate() const {
  if (height < 1 || height > kMaxSide || width < 1 || width > kMaxSide) {
    fail(ErrorCode::kInvalidArgument, "size: expected a height and a width from 1 to ", kMaxSide,
         ", got ", height, " and ", width);
  }
  if (do_resize && resample != kBilinear) {
    fail(ErrorCode::kUnsupported, "resample: expected ", kBilinear, " (bilinear), got ", resample);
  }
  if (!std::isfinite(rescale_factor) || !(rescale_factor > 0)) {
    fail(ErrorCode::kInvalidArgument, "rescale_factor: expected a number above 0, got ",
         rescale_factor);
  }
  for (std::size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(image_mean[c]) || !std::isfinite(image_std[c]) || !(image_std[c] > 0)) {
      fail(ErrorCode::kInvalidArgument,
           "image_mean, image_std: expected finite numbers, deviations above 0, got ",
           image_mean[c], " and ", image_std[c]);
    }
  }
}

ImageProcessorConfig ImageProcessorConfig::from_json(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    fail(ErrorCode::kCorruptData, "image processor configuration: expected a JSON object");
  }
  ImageProcessorConfig config;
  // What the reference's class takes where the file is silent.
  config.height = config.width = 224;
  config.resample = kBicubic;
  config.do_normalize = true;
  read(object, "do_convert_rgb", config.do_convert_rgb);
  read(object, "do_resize", config.do_resize);
  read_size(object, config);
  read_resample(object, config);
  read(object, "do_rescale", config.do_rescale);
  if (const auto factor = object.find("rescale_factor"); factor != object.end()) {
    config.rescale_factor = number("rescale_factor", *factor);
  }
  read(object, "do_normalize", config.do_normalize);
  read(object, "image_mean", config.image_mean);
  read(object, "image_std", config.image_std);
  expect_off(object, "do_center_crop");
  expect_off(object, "do_pad");
  config.validate();
  return config;
}

ImageProcessorConfig ImageProcessorConfig::from_pretrained(const std::filesystem::path& model_dir) {
  const PreprocessorConfig found = find_preprocessor_config(model_dir, "image_processor");
  try {
    return from_json(found.json);
  } catch (const Error& error) {
    fail(error.code(), found.file, ": ", error.what());
  }
}

}  // namespace gemma3n
