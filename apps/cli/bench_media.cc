#include "bench_media.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "gemma3n/processor.h"
#include "gemma3n/system.h"
#include "json.h"
#include "loading.h"
#include "messages.h"
#include "table.h"
#include "work_model.h"

namespace gemma3n::cli {
namespace {

constexpr std::int64_t kLargestImage = 4096;  // pixels, each way
constexpr std::int64_t kLongestClip = 30;     // seconds
constexpr int kRateHz = 16000;

struct Result {
  int threads = 0;
  std::string medium;  // "768 x 768", "30 s"
  double extract_seconds = 0, encode_seconds = 0;
  std::optional<double> multiply_adds;  // of the tower, if they are known
  double f32_flops_per_second = 0;

  std::optional<double> peak_share() const {
    if (!multiply_adds) return std::nullopt;
    return 2 * *multiply_adds / encode_seconds / f32_flops_per_second;
  }
};

// Noise: the same in every run.
class Noise {
 public:
  float next() {                                                    // 0 to 1
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;  // Ref: Knuth's MMIX generator
    return static_cast<float>(state_ >> 40) / 16777216.0f;
  }

 private:
  std::uint64_t state_ = 1;
};

// The median over the repeats, after one run that is not timed.
double median_seconds(std::int64_t repeats, const std::function<void()>& work) {
  work();
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

Result time_image(const ForConditionalGeneration& model, std::int64_t size, std::int64_t repeats) {
  Noise noise;
  Image image = {size, size, {}};
  for (std::int64_t i = 0; i < size * size * 3; ++i) {
    image.rgb.push_back(static_cast<std::uint8_t>(255.0f * noise.next()));
  }
  ImageProcessorConfig config;
  config.width = config.height = size;
  const ImageProcessor processor(config);
  Result result;
  result.medium = std::to_string(size) + " x " + std::to_string(size);
  Tensor pixels;
  result.extract_seconds =
      median_seconds(repeats, [&] { pixels = processor(std::span(&image, 1)); });
  result.encode_seconds = median_seconds(repeats, [&] {
    pixels.f32()[0] = noise.next();  // a picture that was seen before is not encoded again
    model.model().get_image_features(pixels);
  });
  result.multiply_adds = vision_multiply_adds(model.config().vision_config, size);
  return result;
}

Result time_audio(const ForConditionalGeneration& model, std::int64_t seconds,
                  std::int64_t repeats) {
  Noise noise;
  std::vector<float> samples;
  for (std::int64_t i = 0; i < seconds * kRateHz; ++i) samples.push_back(noise.next() - 0.5f);
  AudioFeatureExtractorConfig config;
  config.feature_size = model.config().audio_config.input_feat_size;
  const AudioFeatureExtractor extractor(config);
  Result result;
  result.medium = std::to_string(seconds) + " s of sound";
  AudioFeatures features;
  result.extract_seconds =
      median_seconds(repeats, [&] { features = extractor(std::span<const float>(samples)); });
  result.encode_seconds = median_seconds(repeats, [&] {
    model.model().get_audio_features(features.input_features, features.input_features_mask);
  });
  result.multiply_adds = audio_multiply_adds(model.config().audio_config, seconds);
  return result;
}

std::string report_text(const std::vector<Result>& results) {
  std::vector<std::vector<std::string>> rows = {
      {"THREADS", "MEDIUM", "FEATURES MS", "TOWER S", "OF FMA PEAK", "PEAK GFLOP/S"}};
  for (const auto& result : results) {
    const auto share = result.peak_share();
    rows.push_back({std::to_string(result.threads), result.medium,
                    fixed(1000 * result.extract_seconds, 1), fixed(result.encode_seconds, 3),
                    share ? fixed(100 * *share, 1) + "%" : "-",
                    fixed(result.f32_flops_per_second / 1e9, 1)});
  }
  return format_table(std::vector<Align>(rows.front().size(), Align::kRight), rows);
}

std::string report_json(const MediaBenchmark& benchmark, const SystemInfo& system,
                        const std::vector<Result>& results) {
  Json json;
  json.begin_object()
      .member("model", benchmark.model.value_or("synthetic"))
      .member("version", system.version)
      .member("cpu", system.cpu)
      .member("instruction_set", system.active_instruction_set)
      .member("repeats", benchmark.repeats);
  json.key("results").begin_array();
  for (const auto& result : results) {
    json.begin_object()
        .member("threads", result.threads)
        .member("medium", result.medium)
        .member("extract_seconds", result.extract_seconds)
        .member("encode_seconds", result.encode_seconds)
        .member("f32_flops_per_second", result.f32_flops_per_second);
    if (const auto share = result.peak_share()) {
      json.member("multiply_adds", *result.multiply_adds).member("peak_share", *share);
    }
    json.end_object();
  }
  return json.end_array().end_object().text() + "\n";
}

void check_range(const std::vector<std::int64_t>& list, std::int64_t most, const char* option) {
  for (const auto value : list) {
    if (value < 1 || value > most) {
      fail(ErrorCode::kInvalidArgument, option, ": expected 1 to ", most, ", got ", value);
    }
  }
}

}  // namespace

void bench_media(const MediaBenchmark& benchmark, Output& out) {
  check_range(benchmark.image_sizes, kLargestImage, "--image-size");
  check_range(benchmark.audio_seconds, kLongestClip, "--audio-seconds");
  std::vector<Result> results;
  for (const int threads : benchmark.threads) {
    const auto model = benchmark.model ? load_whole_model(*benchmark.model, threads)
                                       : make_synthetic_model(published_towers(), threads);
    const auto add = [&, count = threads](Result result) {
      result.threads = count;
      result.f32_flops_per_second = measure_limits(count).f32_flops_per_second;
      results.push_back(std::move(result));
    };
    for (const auto size : benchmark.image_sizes) {
      add(time_image(model, size, benchmark.repeats));
    }
    for (const auto seconds : benchmark.audio_seconds) {
      add(time_audio(model, seconds, benchmark.repeats));
    }
  }
  const auto system = system_info();
  out.write(benchmark.json ? report_json(benchmark, system, results)
                           : visible_line(benchmark.model.value_or("random weights")) + " on " +
                                 visible_line(system.cpu) + ", " + system.active_instruction_set +
                                 "\n" + report_text(results));
}

}  // namespace gemma3n::cli
