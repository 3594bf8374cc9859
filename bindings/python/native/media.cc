#include "gemma3n/media.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "arrays.h"
#include "module.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace gemma3n::python {
namespace {

std::span<const std::byte> span_of(const nb::bytes& bytes) {
  return {static_cast<const std::byte*>(bytes.data()), bytes.size()};
}

MediaLimits limits(std::optional<double> timeout_seconds, bool allow_private_addresses) {
  MediaLimits result;
  result.allow_private_addresses = allow_private_addresses;
  if (timeout_seconds) {
    const double longest = 24 * 3600.0;
    result.fetch_timeout_ms =
        static_cast<int>(std::ceil(1000.0 * std::clamp(*timeout_seconds, 0.001, longest)));
  }
  return result;
}

// Runs without the interpreter's lock, then returns [height, width, 3] uint8.
template <typename Load>
nb::object pixels_of(const Load& load) {
  Tensor pixels;
  {
    const nb::gil_scoped_release release;
    const Image image = load();
    pixels = Tensor(DType::kU8, {image.height, image.width, 3});
    if (!image.rgb.empty()) std::memcpy(pixels.bytes(), image.rgb.data(), image.rgb.size());
  }
  return to_numpy(pixels);
}

// The same, returns [n] float32.
template <typename Load>
nb::object samples_of(const Load& load) {
  Tensor samples;
  {
    const nb::gil_scoped_release release;
    const AudioClip clip = load();
    samples = Tensor(DType::kF32, {static_cast<std::int64_t>(clip.samples.size())});
    std::ranges::copy(clip.samples, samples.f32().begin());
  }
  return to_numpy(samples);
}

}  // namespace

void bind_media(nb::module_& m) {
  m.def(
      "load_image",
      [](const std::string& source, std::optional<double> timeout, bool allow_private_addresses) {
        return pixels_of(
            [&] { return load_image(source, limits(timeout, allow_private_addresses)); });
      },
      "source"_a, "timeout"_a = nb::none(), "allow_private_addresses"_a = false);
  m.def(
      "decode_image",
      [](const nb::bytes& data) {
        const auto bytes = span_of(data);
        return pixels_of([&] { return decode_image(bytes); });
      },
      "data"_a);
  m.def(
      "load_audio",
      [](const std::string& source, int sampling_rate, std::optional<double> timeout,
         bool allow_private_addresses) {
        return samples_of([&] {
          return load_audio(source, sampling_rate, limits(timeout, allow_private_addresses));
        });
      },
      "source"_a, "sampling_rate"_a = 16000, "timeout"_a = nb::none(),
      "allow_private_addresses"_a = false);
  m.def(
      "decode_audio",
      [](const nb::bytes& data, int sampling_rate) {
        const auto bytes = span_of(data);
        return samples_of([&] { return decode_audio(bytes, sampling_rate); });
      },
      "data"_a, "sampling_rate"_a = 16000);
  m.def(
      "resample",
      [](nb::handle samples, int from_rate, int to_rate) {
        const Tensor tensor = to_tensor(samples, DType::kF32, "samples");
        if (tensor.rank() != 1) throw nb::value_error("samples: expected one dimension");
        const auto values = tensor.f32();
        AudioClip clip{from_rate, {values.begin(), values.end()}};
        return samples_of([&] { return resample(clip, to_rate); });
      },
      "samples"_a, "from_rate"_a, "to_rate"_a);
}

}  // namespace gemma3n::python
