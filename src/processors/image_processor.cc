#include <algorithm>
#include <array>
#include <cmath>

#include "gemma3n/processor.h"
#include "processors/preprocessor_config.h"
#include "processors/resize.h"

namespace gemma3n {
namespace {

constexpr std::int64_t kChannels = 3;

// Pixels of one picture on their way through, channels last; one of the two vectors is in use.
struct Pixels {
  PixelGrid grid;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  bool is_float = false;
};

ImageProcessorConfig overridden(ImageProcessorConfig config, const ImageOptions& options) {
  const auto apply = [](const auto& option, auto& field) {
    if (option) field = *option;
  };
  apply(options.do_convert_rgb, config.do_convert_rgb);
  apply(options.do_resize, config.do_resize);
  apply(options.height, config.height);
  apply(options.width, config.width);
  apply(options.resample, config.resample);
  apply(options.do_rescale, config.do_rescale);
  apply(options.rescale_factor, config.rescale_factor);
  apply(options.do_normalize, config.do_normalize);
  apply(options.image_mean, config.image_mean);
  apply(options.image_std, config.image_std);
  config.validate();
  return config;
}

bool may_be_channels(std::int64_t size) { return size == 1 || size == 3 || size == 4; }

// Ref: HF infer_channel_dimension_format with num_channels (1, 3, 4)
bool has_channels_first(const Tensor& array, ChannelLayout layout) {
  if (layout != ChannelLayout::kInfer) return layout == ChannelLayout::kFirst;
  if (may_be_channels(array.dim(0))) return true;
  if (may_be_channels(array.dim(2))) return false;
  fail(ErrorCode::kInvalidArgument, "image array: expected 1, 3 or 4 channels first or last, got [",
       array.dim(0), ", ", array.dim(1), ", ", array.dim(2), "]");
}

// values: [C, H, W] or [H, W, C], returns [H, W, C].
template <typename T>
std::vector<T> channels_last(std::span<const T> values, const PixelGrid& grid, bool first) {
  if (!first) return {values.begin(), values.end()};
  std::vector<T> out(values.size());
  const std::size_t pixels = static_cast<std::size_t>(grid.height * grid.width);
  const std::size_t channels = static_cast<std::size_t>(grid.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < pixels; ++i) out[i * channels + c] = values[c * pixels + i];
  }
  return out;
}

template <typename T>
std::vector<T> grey_to_rgb(const std::vector<T>& grey) {
  std::vector<T> rgb;
  rgb.reserve(grey.size() * 3);
  for (const T value : grey) rgb.insert(rgb.end(), 3, value);
  return rgb;
}

// Ref: HF TorchvisionBackend.convert_to_rgb; torchvision's to_dtype goes to float by value times
// the float next to 1 / 255 and back by truncating value * 255.999.
std::uint8_t blended(std::uint8_t colour, std::uint8_t alpha) {
  constexpr float kScale = 1.0f / 255.0f;
  const float a = static_cast<float>(alpha) * kScale;
  const float c = static_cast<float>(colour) * kScale;
  const float over_white = c * a + (1.0f - a);
  return static_cast<std::uint8_t>(over_white * 255.999f);
}
float blended(float colour, float alpha) { return colour * alpha + (1.0f - alpha); }

template <typename T>
std::vector<T> rgba_to_rgb(const std::vector<T>& rgba) {
  std::vector<T> rgb;
  rgb.reserve(rgba.size() / 4 * 3);
  for (std::size_t i = 0; i < rgba.size(); i += 4) {
    for (std::size_t c = 0; c < 3; ++c) rgb.push_back(blended(rgba[i + c], rgba[i + 3]));
  }
  return rgb;
}

void expect_unit_range(std::span<const float> rgba) {
  for (const float value : rgba) {
    if (!(value >= 0.0f && value <= 1.0f)) {
      fail(ErrorCode::kInvalidArgument,
           "image array with alpha: expected float values from 0 to 1, got ", value);
    }
  }
}

template <typename T>
void convert_to_rgb(std::vector<T>& values, std::int64_t channels) {
  if (channels == 1) values = grey_to_rgb(values);
  if (channels == 4) values = rgba_to_rgb(values);
}

void expect_array(const Tensor& array) {
  if (!array || array.rank() != 3 || array.size() == 0) {
    fail(ErrorCode::kInvalidArgument,
         "image array: expected three dimensions, none of them 0: [channels, height, width] or "
         "[height, width, channels]");
  }
  if (array.dtype() != DType::kU8 && array.dtype() != DType::kF32) {
    fail(ErrorCode::kUnsupported, "image array: expected uint8 or float32, got ",
         dtype_name(array.dtype()));
  }
}

Pixels pixels_of(const Tensor& array, const ImageProcessorConfig& config, ChannelLayout layout) {
  expect_array(array);
  const bool first = has_channels_first(array, layout);
  const PixelGrid grid = first ? PixelGrid{array.dim(1), array.dim(2), array.dim(0)}
                               : PixelGrid{array.dim(0), array.dim(1), array.dim(2)};
  const bool is_convertible = config.do_convert_rgb && may_be_channels(grid.channels);
  if (grid.channels != kChannels && !is_convertible) {
    fail(ErrorCode::kInvalidArgument, "image array: expected 3 channels",
         config.do_convert_rgb ? ", or 1 or 4 to convert" : " (do_convert_rgb is off)", ", got ",
         grid.channels);
  }
  Pixels pixels{{grid.height, grid.width, kChannels}, {}, {}, array.dtype() == DType::kF32};
  if (pixels.is_float) {
    pixels.floats = channels_last(array.f32(), grid, first);
    if (grid.channels == 4) expect_unit_range(pixels.floats);
    convert_to_rgb(pixels.floats, grid.channels);
  } else {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(array.bytes());
    pixels.bytes = channels_last(
        std::span<const std::uint8_t>(bytes, static_cast<std::size_t>(array.size())), grid, first);
    convert_to_rgb(pixels.bytes, grid.channels);
  }
  return pixels;
}

void resize(Pixels& pixels, std::int64_t height, std::int64_t width) {
  if (pixels.is_float) {
    pixels.floats = resize_bilinear(pixels.floats, pixels.grid, height, width);
  } else {
    pixels.bytes = resize_bilinear(pixels.bytes, pixels.grid, height, width);
  }
  pixels.grid = {height, width, kChannels};
}

// value -> (value * scale - shift) / divisor of one channel; the parts that are switched off are
// left out, not done with 0 or 1.
// Ref: HF TorchvisionBackend.rescale_and_normalize: with both, mean and deviation are multiplied
// by 1 / rescale_factor instead of every pixel by rescale_factor.
struct Scaling {
  bool scales = false, normalizes = false;
  float scale = 1.0f;
  std::array<float, 3> mean{}, deviation{};

  explicit Scaling(const ImageProcessorConfig& config)
      : scales(config.do_rescale && !config.do_normalize), normalizes(config.do_normalize) {
    scale = static_cast<float>(config.rescale_factor);
    const float factor = config.do_rescale ? static_cast<float>(1.0 / config.rescale_factor) : 1.0f;
    for (std::size_t c = 0; c < 3; ++c) {
      mean[c] = static_cast<float>(config.image_mean[c]) * factor;
      deviation[c] = static_cast<float>(config.image_std[c]) * factor;
    }
  }

  float operator()(float value, std::size_t channel) const {
    if (normalizes) return (value - mean[channel]) / deviation[channel];
    return scales ? value * scale : value;
  }
};

// out: [3, H, W]
template <typename T>
void write_planes(const std::vector<T>& values, const Scaling& scaling, float* out) {
  const std::size_t pixels = values.size() / 3;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < pixels; ++i) {
      *out++ = scaling(static_cast<float>(values[3 * i + c]), c);
    }
  }
}

// Runs `take(i)` for each picture, so that only one is in work at a time.
template <typename Take>
Tensor process(std::size_t count, const ImageProcessorConfig& config, const Take& take) {
  if (count == 0) fail(ErrorCode::kInvalidArgument, "images: expected at least one");
  const Scaling scaling(config);
  Tensor out;
  for (std::size_t i = 0; i < count; ++i) {
    Pixels pixels = take(i);
    if (config.do_resize) resize(pixels, config.height, config.width);
    if (i == 0) {
      out = Tensor(DType::kF32, {static_cast<std::int64_t>(count), kChannels, pixels.grid.height,
                                 pixels.grid.width});
    } else if (pixels.grid.height != out.dim(2) || pixels.grid.width != out.dim(3)) {
      fail(ErrorCode::kInvalidArgument, "images: expected one size when do_resize is off, got ",
           out.dim(3), " x ", out.dim(2), " and ", pixels.grid.width, " x ", pixels.grid.height);
    }
    float* target = out.f32().data() + static_cast<std::int64_t>(i) * pixels.grid.size();
    if (pixels.is_float) {
      write_planes(pixels.floats, scaling, target);
    } else {
      write_planes(pixels.bytes, scaling, target);
    }
  }
  return out;
}

Pixels pixels_of(const Image& image) {
  const PixelGrid grid{image.height, image.width, kChannels};
  const bool is_sized = image.width > 0 && image.height > 0 &&
                        image.width <= INT64_MAX / 3 / image.height &&
                        image.rgb.size() == static_cast<std::size_t>(grid.size());
  if (!is_sized) {
    fail(ErrorCode::kInvalidArgument, "image: expected ", image.width, " x ", image.height,
         " x 3 bytes, got ", image.rgb.size());
  }
  return {grid, image.rgb, {}, false};
}

}  // namespace

ImageProcessor::ImageProcessor(const ImageProcessorConfig& config) : config_(config) {
  config_.validate();
}

ImageProcessor ImageProcessor::from_pretrained(const std::filesystem::path& model_dir) {
  return ImageProcessor(ImageProcessorConfig::from_pretrained(model_dir));
}

Tensor ImageProcessor::operator()(std::span<const Image> images,
                                  const ImageOptions& options) const {
  return process(images.size(), overridden(config_, options),
                 [&](std::size_t i) { return pixels_of(images[i]); });
}

Tensor ImageProcessor::operator()(std::span<const std::vector<Image>> samples,
                                  const ImageOptions& options) const {
  std::vector<const Image*> images;
  for (const auto& sample : samples) {
    for (const Image& image : sample) images.push_back(&image);
  }
  return process(images.size(), overridden(config_, options),
                 [&](std::size_t i) { return pixels_of(*images[i]); });
}

Tensor ImageProcessor::operator()(std::span<const std::shared_ptr<const Image>> images,
                                  const ImageOptions& options) const {
  return process(images.size(), overridden(config_, options), [&](std::size_t i) {
    if (!images[i]) fail(ErrorCode::kInvalidArgument, "image: expected a picture, got null");
    return pixels_of(*images[i]);
  });
}

Tensor ImageProcessor::operator()(std::span<const Tensor> arrays,
                                  const ImageOptions& options) const {
  const ImageProcessorConfig config = overridden(config_, options);
  return process(arrays.size(), config, [&](std::size_t i) {
    return pixels_of(arrays[i], config, options.input_data_format);
  });
}

}  // namespace gemma3n
