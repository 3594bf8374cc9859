// Hand-made cases; comparison with the reference is in tests/golden/audio.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <numbers>

#include "gemma3n/processor.h"
#include "processors/legacy_normal.h"
#include "processors/mel_filters.h"

namespace gemma3n {
namespace {

using Padding = AudioFeatureOptions::Padding;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

AudioFeatures features_of(const AudioFeatureExtractor& extract,
                          const std::vector<std::vector<float>>& clips,
                          const AudioFeatureOptions& options = {}) {
  std::vector<std::span<const float>> spans(clips.begin(), clips.end());
  return extract(spans, options);
}

std::vector<int> mask_of(const AudioFeatures& features, std::size_t row) {
  const Tensor& mask = features.input_features_mask;
  const auto T = static_cast<std::size_t>(mask.dim(1));
  std::vector<int> values;
  for (std::size_t t = 0; t < T; ++t) {
    values.push_back(std::to_integer<int>(mask.bytes()[row * T + t]));
  }
  return values;
}

TEST(AudioFeatureExtractor, GivesThePublishedValuesOfATone) {
  // From transformers' own test of the class: 440 Hz over 8000 points and quieter noise.
  std::vector<float> tone(8000);
  for (std::size_t i = 0; i < tone.size(); ++i) {
    const double t = static_cast<double>(i) / 7999.0;
    tone[i] = static_cast<float>(std::sin(2 * std::numbers::pi * 440 * t));
  }
  LegacyNormal normal(0);  // numpy.random.seed(0)
  std::vector<float> noise(4000);
  for (float& x : noise) x = static_cast<float>(normal());

  const AudioFeatures y = features_of(AudioFeatureExtractor({.feature_size = 32}), {tone, noise});
  EXPECT_EQ(y.input_features.shape(), (std::vector<std::int64_t>{2, 48, 32}));
  const float expected[] = {-5.733152f, -5.337127f, -4.916284f, -4.378989f, -3.7622747f};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(y.input_features.f32()[i], expected[i]);
  std::vector<int> mask(48, 0);
  std::fill_n(mask.begin(), 25, 1);
  EXPECT_EQ(mask_of(y, 1), mask);
}

TEST(AudioFeatureExtractor, SilenceIsTheLogarithmOfTheFloor) {
  const AudioFeatures y = AudioFeatureExtractor()(std::vector<float>(16000));
  EXPECT_EQ(y.input_features.dim(1), 97);
  for (const float v : y.input_features.f32()) EXPECT_EQ(v, static_cast<float>(std::log(1e-5)));
}

TEST(AudioFeatureExtractor, CountsFramesOfAHopAfterTheFirst513Samples) {
  AudioFeatureOptions unpadded;
  unpadded.padding = Padding::kDoNotPad;
  const AudioFeatureExtractor extract({.feature_size = 2});
  for (const auto& [samples, frames] : {std::pair<std::size_t, int>{0, 0},
                                        {1, 0},
                                        {512, 0},
                                        {513, 1},
                                        {672, 1},
                                        {673, 2},
                                        {832, 2},
                                        {833, 3}}) {
    const AudioFeatures y = extract(std::vector<float>(samples), unpadded);
    EXPECT_EQ(y.input_features.dim(1), frames) << samples;
    EXPECT_EQ(y.input_features_mask.dim(1), frames) << samples;
  }
}

TEST(AudioFeatureExtractor, CutsAtThirtySeconds) {
  const AudioFeatures y = AudioFeatureExtractor({.feature_size = 2})(std::vector<float>(500000));
  EXPECT_EQ(y.input_features.dim(1), 2997);
}

TEST(AudioFeatureExtractor, PadsOnTheLeftIfAsked) {
  AudioFeatureExtractorConfig c = {.feature_size = 2};
  c.padding_side = "left";
  const auto y = features_of(AudioFeatureExtractor(c),
                             {std::vector<float>(1280, 0.5f), std::vector<float>(640, 0.5f)});
  // 640 samples of padding: samples 0, 160, 320 and 480 are padding, 640 is sound.
  EXPECT_EQ(mask_of(y, 0), (std::vector<int>{1, 1, 1, 1, 1}));
  EXPECT_EQ(mask_of(y, 1), (std::vector<int>{0, 0, 0, 0, 1}));
}

TEST(AudioFeatureExtractor, TheMaskMayBeLeftOut) {
  AudioFeatureOptions options;
  options.return_attention_mask = false;
  EXPECT_FALSE(AudioFeatureExtractor()(std::vector<float>(600), options).input_features_mask);
  options.return_attention_mask.reset();
  EXPECT_TRUE(AudioFeatureExtractor()(std::vector<float>(600), options).input_features_mask);
}

TEST(AudioFeatureExtractor, RefusesSamplesThatAreNotFinite) {
  const AudioFeatureExtractor extract;
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), -1e31f}) {
    const auto call = [&] { features_of(extract, {{0.0f}, {0.0f, 1.0f, bad}}); };
    EXPECT_NE(message_of(call).find("audio clip 1: sample 2: expected a finite number"),
              std::string::npos)
        << message_of(call);
  }
}

TEST(AudioFeatureExtractor, RefusesOptionsThatDoNotFit) {
  const AudioFeatureExtractor extract;
  AudioFeatureOptions o;
  EXPECT_EQ(message_of([&] { features_of(extract, {}); }),
            "audio features: expected at least one clip, got none");
  o.max_length.reset();
  EXPECT_EQ(message_of([&] { features_of(extract, {{0.0f}}, o); }),
            "truncation needs a max_length, got none");
  o.truncation = false;
  o.padding = Padding::kMaxLength;
  EXPECT_EQ(message_of([&] { features_of(extract, {{0.0f}}, o); }),
            "padding to max_length needs a max_length, got none");
  o.max_length = 0;
  EXPECT_EQ(message_of([&] { features_of(extract, {{0.0f}}, o); }),
            "max_length: expected at least 1, got 0");
  o.max_length = 10;
  o.pad_to_multiple_of = -128;
  EXPECT_EQ(message_of([&] { features_of(extract, {{0.0f}}, o); }),
            "pad_to_multiple_of: expected at least 1, got -128");
  o.pad_to_multiple_of = std::int64_t{1} << 60;
  EXPECT_NE(message_of([&] { features_of(extract, {{0.0f}}, o); }).find("expected at most"),
            std::string::npos);
}

TEST(AudioFeatureExtractor, RefusesABatchOfUnequalLengths) {
  AudioFeatureOptions o;
  o.padding = Padding::kDoNotPad;
  EXPECT_EQ(message_of([&] {
              features_of(AudioFeatureExtractor(), {{0.0f}, {0.0f, 0.0f}}, o);
            }),
            "audio clip 0: expected 2 samples like the longest clip of the batch, got 1; pad to "
            "the longest or truncate");
  o.padding = Padding::kMaxLength;  // clips longer than max_length keep their length
  o.truncation = false;
  o.max_length = 128;
  EXPECT_NE(
      message_of([&] {
        features_of(AudioFeatureExtractor(), {std::vector<float>(10), std::vector<float>(129)}, o);
      }).find("audio clip 0: expected 129 samples"),
      std::string::npos);
}

TEST(AudioFeatureExtractorConfig, RefusesParametersByName) {
  const auto refusal = [](std::string_view json) {
    return message_of([&] { AudioFeatureExtractorConfig::from_json(json); });
  };
  EXPECT_EQ(refusal(R"({"feature_size": 0})"), "feature_size: expected 1 to 65536, got 0");
  EXPECT_EQ(refusal(R"({"feature_size": 12.5})"), "feature_size: expected an integer, got 12.5");
  EXPECT_EQ(refusal(R"({"sampling_rate": 18446744073709551615})"),
            "sampling_rate: expected an integer, got 18446744073709551615");
  EXPECT_EQ(refusal(R"({"sampling_rate": -1})"),
            "sampling_rate: expected 1 to 100000000 Hz, got -1");
  EXPECT_EQ(refusal(R"({"padding_side": "up"})"),
            "padding_side: expected right or left, got \"up\"");
  EXPECT_EQ(refusal(R"({"padding_value": null})"), "padding_value: expected a number, got null");
  EXPECT_EQ(refusal(R"({"frame_length_ms": 0.01})"),
            "frame_length_ms: expected 2 to 1048576 samples, got 0.01");
  EXPECT_EQ(refusal(R"({"frame_length_ms": 1e300})"),
            "frame_length_ms: expected 2 to 1048576 samples, got 1e+300");
  EXPECT_EQ(refusal(R"({"hop_length_ms": 0.01})"),
            "hop_length_ms: expected 1 to 1048576 samples, got 0.01");
  EXPECT_EQ(refusal(R"({"min_frequency": 7600})"),
            "min_frequency: expected less than max_frequency, got 7600");
  EXPECT_EQ(refusal(R"({"mel_floor": -1})"), "mel_floor: expected at least 0, got -1");
  EXPECT_EQ(refusal(R"({"fft_overdrive": 1})"), "fft_overdrive: expected true or false, got 1");
  EXPECT_EQ(refusal(R"({"feature_size": 2, "per_bin_mean": [1]})"),
            "per_bin_mean: expected feature_size values, got 1");
  EXPECT_EQ(refusal(R"({"feature_size": 2, "per_bin_stddev": [1, 0]})"),
            "per_bin_stddev: expected no zero, got 0");
  EXPECT_EQ(refusal(R"({"per_bin_stddev": [[1, "x"]]})"),
            "per_bin_stddev: expected a list of numbers or null, got \"x\"");
  EXPECT_EQ(refusal("[]"), "feature extractor: expected a JSON object");
}

class ProcessorFiles : public testing::Test {
 protected:
  ProcessorFiles()
      : folder_(std::filesystem::path(testing::TempDir()) /
                ("audio_extractor_files_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ProcessorFiles() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  AudioFeatureExtractorConfig load() const {
    return AudioFeatureExtractorConfig::from_pretrained(folder_);
  }
  std::filesystem::path folder_;
};

TEST_F(ProcessorFiles, PreprocessorConfigIsRead) {
  write("preprocessor_config.json",
        R"({"feature_size": 3, "frame_length": 99, "size": {"height": 768},
            "per_bin_mean": [[[1, 2, 3]]], "per_bin_stddev": null})");
  const AudioFeatureExtractorConfig c = load();
  EXPECT_EQ(c.feature_size, 3);
  EXPECT_EQ(c.frame_length_ms, 32.0);
  EXPECT_EQ(c.per_bin_mean, (std::vector<double>{1, 2, 3}));
  EXPECT_TRUE(c.per_bin_stddev.empty());
}

TEST_F(ProcessorFiles, ProcessorConfigGoesFirst) {
  write("preprocessor_config.json", R"({"feature_size": 3})");
  write("processor_config.json", R"({"audio_seq_length": 188})");
  EXPECT_EQ(load().feature_size, 3);
  write("processor_config.json", R"({"feature_extractor": {"feature_size": 5}})");
  EXPECT_EQ(load().feature_size, 5);
}

TEST_F(ProcessorFiles, ErrorsNameTheFile) {
  EXPECT_NE(message_of([&] { load(); }).find("expected preprocessor_config.json or"),
            std::string::npos);
  write("preprocessor_config.json", "{");
  EXPECT_EQ(message_of([&] { load(); }), "preprocessor_config.json: expected a JSON object");
  write("preprocessor_config.json", R"({"hop_length_ms": "10"})");
  EXPECT_EQ(message_of([&] { load(); }),
            "preprocessor_config.json: hop_length_ms: expected a number, got \"10\"");
  write("processor_config.json", R"({"feature_extractor": 7})");
  EXPECT_EQ(message_of([&] { load(); }),
            "processor_config.json: feature_extractor: expected an object, got number");
  std::filesystem::remove(folder_ / "processor_config.json");
  write("preprocessor_config.json", std::string(5u << 20, ' '));
  EXPECT_EQ(message_of([&] { load(); }),
            "preprocessor_config.json: expected at most 4194304 bytes, got more");
}

TEST(MelFilters, AreTrianglesBetweenTheirNeighboursCentres) {
  const MelFilters mel(9, 2, {0.0, 4000.0}, 500.0);
  // Points 0, 493.2, 1731.4... Hz: bins 0 and 8 lie on the outer ends and belong to no filter.
  std::vector<double> total(2, 0.0);
  for (std::size_t bin = 0; bin < 9; ++bin) {
    std::vector<float> one(9, 0.0f);
    one[bin] = 1.0f;
    std::vector<double> out(2);
    mel.apply(one, out);
    if (bin == 0 || bin == 8) {
      EXPECT_EQ(out[0] + out[1], 0.0) << bin;
    }
    for (std::size_t m = 0; m < 2; ++m) {
      EXPECT_GE(out[m], 0.0);
      EXPECT_LE(out[m], 1.0);
      total[m] += out[m];
    }
  }
  EXPECT_GT(total[0], 0.5);
  EXPECT_GT(total[1], 0.5);
}

TEST(LegacyNormal, GivesNumpysNumbers) {
  LegacyNormal normal(0);  // numpy.random.seed(0); numpy.random.randn(4)
  EXPECT_DOUBLE_EQ(normal(), 1.764052345967664);
  EXPECT_DOUBLE_EQ(normal(), 0.4001572083672233);
  EXPECT_DOUBLE_EQ(normal(), 0.9787379841057392);
  EXPECT_DOUBLE_EQ(normal(), 2.240893199201458);
}

}  // namespace
}  // namespace gemma3n
