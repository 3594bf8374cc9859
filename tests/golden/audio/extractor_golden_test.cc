// Every stored case of the feature extractor: values and masks of transformers'.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "gemma3n/processor.h"
#include "stored_cases.h"

namespace gemma3n::golden {
namespace {

using nlohmann::json;

AudioFeatureOptions options_of(const json& test_case) {
  using Padding = AudioFeatureOptions::Padding;
  const json& options = test_case["options"];
  const auto number = [&](const char* key, std::optional<std::int64_t>& field) {
    if (!options.contains(key)) return;
    field = options[key].is_null() ? std::nullopt : std::optional(options[key].get<std::int64_t>());
  };
  AudioFeatureOptions o;
  if (options.contains("padding")) {
    o.padding = options["padding"] == "max_length" ? Padding::kMaxLength : Padding::kDoNotPad;
  }
  if (options.contains("truncation")) o.truncation = options["truncation"];
  if (options.contains("return_attention_mask")) o.return_attention_mask.reset();  // null
  number("max_length", o.max_length);
  number("pad_to_multiple_of", o.pad_to_multiple_of);
  o.dither_seed = test_case["dither_seed"];
  return o;
}

AudioFeatures features_of(const json& test_case) {
  std::vector<std::vector<float>> clips;
  for (const json& clip : test_case["clips"]) {
    clips.push_back(samples(clip[0], clip[1].get<std::size_t>(), clip[2]));
  }
  const std::vector<std::span<const float>> spans(clips.begin(), clips.end());
  const AudioFeatureExtractor extract(
      AudioFeatureExtractorConfig::from_json(test_case["parameters"].dump()));
  return extract(spans, options_of(test_case));
}

TEST(AudioFeatureExtractorGolden, EveryStoredCase) {
  const StoredCases stored("audio/fixtures/extractor");
  ASSERT_GE(stored.cases().size(), 100u);
  std::size_t values = 0, different = 0;
  for (const json& test_case : stored.cases()) {
    const std::string what = test_case["parameters"].dump() + test_case["options"].dump();
    const AudioFeatures actual = features_of(test_case);
    ASSERT_EQ(actual.input_features.shape(), stored.shape(test_case, 0)) << what;
    const auto expected = stored.floats(test_case, 0);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float value = actual.input_features.f32()[i];
      // Four ulps: NumPy's float32 cosine and float64 logarithm differ between machines.
      ASSERT_FLOAT_EQ(value, expected[i]) << what << " at " << i;
      different += value != expected[i];
    }
    values += expected.size();
    ASSERT_EQ(actual.input_features_mask.shape(), stored.shape(test_case, 1)) << what;
    const auto mask = stored.flags(test_case, 1);
    for (std::size_t i = 0; i < mask.size(); ++i) {
      ASSERT_EQ(actual.input_features_mask.bytes()[i] != std::byte{0}, mask[i]) << what << " " << i;
    }
  }
  std::printf("%zu of %zu values differ in their bits\n", different, values);
}

}  // namespace
}  // namespace gemma3n::golden
