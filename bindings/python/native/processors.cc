#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "arrays.h"
#include "gemma3n/processor.h"
#include "module.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace gemma3n::python {
namespace {

ChannelLayout channel_layout(std::optional<std::string_view> name) {
  if (!name) return ChannelLayout::kInfer;
  if (*name == "channels_first") return ChannelLayout::kFirst;
  if (*name == "channels_last") return ChannelLayout::kLast;
  throw nb::value_error("input_data_format: expected 'channels_first' or 'channels_last'");
}

nb::object preprocess(const ImageProcessor& processor, const nb::list& images,
                      std::optional<std::string_view> input_data_format) {
  ImageOptions options;
  options.input_data_format = channel_layout(input_data_format);
  std::vector<Tensor> arrays;
  for (const nb::handle image : images) arrays.push_back(to_tensor(image, "image"));
  Tensor pixels;
  {
    const nb::gil_scoped_release release;
    pixels = processor(arrays, options);
  }
  return to_numpy(pixels);
}

nb::tuple extract(const AudioFeatureExtractor& extractor, nb::handle samples,
                  std::optional<std::int64_t> padded_length) {
  const Tensor clip = to_tensor(samples, DType::kF32, "samples");
  if (clip.rank() != 1) throw nb::value_error("samples: expected one dimension");
  AudioFeatureOptions options;
  options.truncation = false;
  options.pad_to_multiple_of = {};
  options.max_length = padded_length;
  options.padding = padded_length ? AudioFeatureOptions::Padding::kMaxLength
                                  : AudioFeatureOptions::Padding::kDoNotPad;
  AudioFeatures features;
  {
    const nb::gil_scoped_release release;
    features = extractor(clip.f32(), options);
  }
  return nb::make_tuple(to_numpy(features.input_features), to_numpy(features.input_features_mask));
}

}  // namespace

void bind_processors(nb::module_& m) {
  nb::class_<ImageProcessor>(m, "ImageProcessor")
      .def_static(
          "from_json",
          [](std::string_view json) {
            return ImageProcessor(ImageProcessorConfig::from_json(json));
          },
          "json"_a)
      .def("__call__", &preprocess, "images"_a, "input_data_format"_a = nb::none(),
           "pixel_values [N, 3, height, width] float32 of uint8 or float32 arrays, each [C, H, W] "
           "or [H, W, C].");

  nb::class_<AudioFeatureExtractor>(m, "AudioFeatureExtractor")
      .def_static(
          "from_json",
          [](std::string_view json) {
            const auto config = AudioFeatureExtractorConfig::from_json(json);
            const nb::gil_scoped_release release;
            return AudioFeatureExtractor(config);
          },
          "json"_a)
      .def("__call__", &extract, "samples"_a, "padded_length"_a = nb::none(),
           "(features [1, T, F] float32, mask [1, T] bool) of samples [n] float32, filled up to "
           "`padded_length` samples.");
}

}  // namespace gemma3n::python
