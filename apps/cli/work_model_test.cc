#include "work_model.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

// E2B by hand, D = 2048, H E = 2048, K E = 512, F = 8192, R = 64, P = 256, A = 4, sparsity 0.95:
//   attention       2 * 2048 * 2048 + 2 * 2048 * 512     = 10,485,760 (8,388,608 if K, V are
//   shared) LAuReL          2 * 2048 * 64                        =    262,144 sparse MLP      2048
//   * 8192 * (1 + 2 * 0.05)         = 18,454,937.6 dense MLP       2048 * 8192 * 3 = 50,331,648
//   AltUp           4 * 2048 + 64 + 16                   =      8,272
//   per-layer input 2 * 2048 * 256                       =  1,048,576
constexpr double kSparseLayer = 30259689.6;
constexpr double kDenseLayer = 62136400;
constexpr double kSharedLayer = 60039248;

// 20 * 256 * 2048 for the per-layer projection of the layers that run, 3 * 2048^2 for AltUp's
// streams; no vocabulary.
constexpr double kPromptToken = 10 * kSparseLayer + 10 * kDenseLayer + 10485760 + 12582912;

TEST(WorkModel, CountsTheMatricesThatAPromptTokenOfE2bNeeds) {
  const auto config = published_config("e2b");
  // The second token more: its row, and its attention in 20 layers, which see two keys.
  const double added = prefill_multiply_adds(config, 3) - prefill_multiply_adds(config, 2);
  const double of_one_key = 2 * 2048;
  // The last token sees a key more in all 30 layers; the one before the last, two in 20.
  EXPECT_NEAR(added, kPromptToken + of_one_key * (20 * 2 + 30), 1.0);
}

TEST(WorkModel, AnE2bPromptTokenIsNearlyABillionMultiplyAdds) {
  const double per_token = prefill_multiply_adds(published_config("e2b"), 512) / 512;
  EXPECT_NEAR(per_token, 0.96e9, 0.015e9);
}

TEST(WorkModel, TheSlidingWindowBoundsTheAttentionOfSlidingLayersOnly) {
  auto config = published_config("e2b");
  // Past the window, a position more costs one key in each of the 4 full layers with an own cache
  // (all tokens but the last) and the 6 full layers of all (the last).
  const auto work = [&](std::int64_t n) { return prefill_multiply_adds(config, n); };
  const double second_difference = work(2002) - 2 * work(2001) + work(2000);
  EXPECT_NEAR(second_difference, 2 * 2048 * 4, 1.0);
}

TEST(WorkModel, ADecodeStepOfE2bReadsTwoBillionWeights) {
  // All 30 layers, their per-layer projection, AltUp on both ends, the vocabulary.
  const double expected = 10 * kSparseLayer + 10 * kDenseLayer + 10 * kSharedLayer +
                          30 * 256 * 2048 + 2 * 12582912 + 262400.0 * 2048;
  EXPECT_NEAR(decode_weights(published_config("e2b")), expected, 1.0);
  EXPECT_NEAR(expected, 2.1e9, 0.01e9);
}

TEST(WorkModel, ADecodeStepReadsTheKeysAndValuesThatItsLayersSee) {
  const auto config = published_config("e2b");
  // 30 layers, 2 heads of 256, keys and values.
  EXPECT_EQ(decode_cache_values(config, 0), 30 * 1024);
  // 24 sliding layers see 512 positions, 6 full ones 1001.
  EXPECT_EQ(decode_cache_values(config, 1000), (24 * 512 + 6 * 1001) * 1024);
}

TEST(WorkModel, WithoutSharedLayersEveryPromptTokenRunsAllLayers) {
  auto config = published_config("e2b");
  const double shared = prefill_multiply_adds(config, 100);
  config.num_kv_shared_layers = 0;
  EXPECT_GT(prefill_multiply_adds(config, 100), shared + 99 * 10 * kSharedLayer);
}

TEST(WorkModel, CountsThePublishedTowers) {
  const Config towers = published_towers();
  towers.validate();
  EXPECT_EQ(vision_multiply_adds(towers.vision_config, 768), 436e9);
  EXPECT_EQ(vision_multiply_adds(towers.vision_config, 512), std::nullopt);
  const double half_minute = audio_multiply_adds(towers.audio_config, 30);
  EXPECT_NEAR(half_minute, 490e9, 30e9);
  EXPECT_NEAR(audio_multiply_adds(towers.audio_config, 2), half_minute / 15, 1);
  VisionConfig narrow;
  narrow.model_args_json = R"({"channel_multiplier": 0.5})";
  EXPECT_EQ(vision_multiply_adds(narrow, 768), std::nullopt);
}

TEST(WorkModel, RefusesAModelThatWasNotPublished) {
  try {
    published_config("e3b");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(error.what(), "--synthetic: expected e2b or e4b, got 'e3b'");
  }
}

}  // namespace
}  // namespace gemma3n::cli
