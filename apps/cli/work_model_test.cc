#include "work_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace gemma3n::cli {
namespace {

MatrixInfo matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
  return {name, {rows, columns}, "bf16", 2 * rows * columns};
}

// The matrices of a model with an own head as wide as D, as ForCausalLM::matrices() lists them.
std::vector<MatrixInfo> matrices_of(const TextConfig& c) {
  const auto D = c.hidden_size, P = c.hidden_size_per_layer_input, L = c.num_hidden_layers;
  const auto A = c.altup_num_inputs, R = c.laurel_rank;
  std::vector<MatrixInfo> list = {
      matrix("embed_tokens.weight", c.vocab_size, D),
      matrix("embed_tokens_per_layer.weight", c.vocab_size_per_layer_input, L * P),
      matrix("per_layer_model_projection.weight", L * P, D)};
  for (std::int64_t i = 0; i + 1 < A; ++i) {
    list.push_back(matrix("altup_projections." + std::to_string(i) + ".weight", D, D));
    list.push_back(matrix("altup_unembed_projections." + std::to_string(i) + ".weight", D, D));
  }
  for (std::int64_t i = 0; i < L; ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    const auto add = [&](const char* name, std::int64_t rows, std::int64_t columns) {
      list.push_back(matrix(layer + name + ".weight", rows, columns));
    };
    const auto F = c.intermediate_size.at(static_cast<std::size_t>(i));
    const auto keys = c.num_key_value_heads * c.head_dim;
    add("altup.modality_router", A, D);
    add("altup.prediction_coefs", A * A, A);
    add("altup.correction_coefs", A, A);
    add("laurel.linear_left", R, D);
    add("laurel.linear_right", D, R);
    add("self_attn.q_proj", c.num_attention_heads * c.head_dim, D);
    add("self_attn.o_proj", D, c.num_attention_heads * c.head_dim);
    if (i < c.first_kv_shared_layer()) {
      add("self_attn.k_proj", keys, D);
      add("self_attn.v_proj", keys, D);
    }
    add("mlp.gate_proj", F, D);
    add("mlp.up_proj", F, D);
    add("mlp.down_proj", D, F);
    add("per_layer_input_gate", P, D);
    add("per_layer_projection", D, P);
  }
  return list;
}

std::vector<MatrixInfo> stored(std::vector<MatrixInfo> list, const char* storage, double bytes) {
  for (auto& m : list) {
    m.storage = storage;
    m.bytes = static_cast<std::int64_t>(bytes * static_cast<double>(m.bytes) / 2);
  }
  return list;
}

double multiply_adds(const Work& work) { return (work.f32_ops + work.int8_ops) / 2; }

// E2B by hand, D = 2048, H E = 2048, K E = 512, F = 8192, R = 64, P = 256, A = 4, sparsity 0.95:
//   attention        2 * 2048 * 2048 + 2 * 2048 * 512  = 10,485,760, 8,388,608 without K and V
//   LAuReL           2 * 2048 * 64                     =    262,144
//   sparse MLP       2048 * 8192 * (1 + 2 * 0.05)      = 18,454,937.6
//   dense MLP        2048 * 8192 * 3                   = 50,331,648
//   AltUp            4 * 2048 + 64 + 16                =      8,272
//   per-layer input  2 * 2048 * 256                    =  1,048,576
constexpr double kSparseLayer = 30259689.6;
constexpr double kDenseLayer = 62136400;
constexpr double kSharedLayer = 60039248;

// 20 * 256 * 2048 for the per-layer projection of the layers that run, 3 * 2048^2 for AltUp's
// streams; no vocabulary.
constexpr double kPromptToken = 10 * kSparseLayer + 10 * kDenseLayer + 10485760 + 12582912;

// All 30 layers, their per-layer projection, AltUp on both ends, the vocabulary.
constexpr double kDecodeWeights = 10 * kSparseLayer + 10 * kDenseLayer + 10 * kSharedLayer +
                                  30 * 256 * 2048 + 2 * 12582912 + 262400.0 * 2048;

class E2b : public testing::Test {
 protected:
  double prefill(std::int64_t tokens) const {
    return multiply_adds(prefill_work(config, matrices, tokens));
  }
  TextConfig config = published_config("e2b");
  std::vector<MatrixInfo> matrices = matrices_of(config);
};

TEST_F(E2b, APromptTokenNeedsTheMatricesOfTwentyLayers) {
  // The third token more: its row, and its attention in 20 layers, which see two keys.
  const double of_one_key = 2 * 2048;
  // The last token sees a key more in all 30 layers; the one before the last, two in 20.
  EXPECT_NEAR(prefill(3) - prefill(2), kPromptToken + of_one_key * (20 * 2 + 30), 1.0);
}

TEST_F(E2b, APromptTokenIsNearlyABillionMultiplyAdds) {
  EXPECT_NEAR(prefill(512) / 512, 0.96e9, 0.015e9);
}

TEST_F(E2b, TheSlidingWindowBoundsTheAttentionOfSlidingLayersOnly) {
  // Past the window, a position more costs one key in each of the 4 full layers with an own cache
  // (all tokens but the last) and the 6 full layers of all (the last).
  EXPECT_NEAR(prefill(2002) - 2 * prefill(2001) + prefill(2000), 2 * 2048 * 4, 1.0);
}

TEST_F(E2b, WithoutSharedLayersEveryPromptTokenRunsAllLayers) {
  const double shared = prefill(100);
  config.num_kv_shared_layers = 0;
  EXPECT_GT(prefill(100), shared + 99 * 10 * kSharedLayer);
}

TEST_F(E2b, ADecodeStepMultipliesByTwoBillionWeights) {
  const double first_keys = 30 * 2 * 2048;  // of the token itself
  const Work work = decode_work(config, matrices, CacheStorage::kF32, 0);
  EXPECT_NEAR(multiply_adds(work), kDecodeWeights + first_keys, 1.0);
  EXPECT_EQ(work.int8_ops, 0);
  EXPECT_NEAR(kDecodeWeights, 2.1e9, 0.01e9);
}

TEST_F(E2b, ADecodeStepReadsTheseWeightsARowOfTheTablesAndTheCache) {
  const double per_layer_row = 30 * 256 * 2;
  // 30 layers, 2 heads of 256, keys and values, f32.
  EXPECT_NEAR(decode_work(config, matrices, CacheStorage::kF32, 0).bytes,
              2 * kDecodeWeights + per_layer_row + 30 * 1024 * 4, 1.0);
  // 24 sliding layers see 512 positions, 6 full ones 1001.
  EXPECT_NEAR(decode_work(config, matrices, CacheStorage::kF32, 1000).bytes -
                  decode_work(config, matrices, CacheStorage::kF32, 0).bytes,
              (24 * 512 + 6 * 1001 - 30) * 1024 * 4, 1.0);
}

TEST_F(E2b, ACacheOfFewerBitsIsReadWithItsScales) {
  const auto bytes = [&](CacheStorage cache) {
    return decode_work(config, matrices, cache, 1000).bytes -
           decode_work(config, matrices, cache, 0).bytes;
  };
  const double numbers = (24 * 512 + 6 * 1001 - 30) * 1024;
  EXPECT_NEAR(bytes(CacheStorage::kBF16), 2 * numbers, 1.0);
  EXPECT_NEAR(bytes(CacheStorage::kInt8), numbers + 4 * numbers / 256, 1.0);
}

TEST_F(E2b, FourBitsAndTheirScalesAreReadAndCountAsInt8) {
  const auto q4 = stored(matrices, "q4", 4.5 / 8);
  const Work work = decode_work(config, q4, CacheStorage::kF32, 0);
  EXPECT_NEAR(work.bytes, 4.5 / 8 * (kDecodeWeights + 30 * 256) + 30 * 1024 * 4, 1.0);
  EXPECT_NEAR(work.bytes, 1.18e9, 0.01e9);
  EXPECT_NEAR(work.int8_ops, 2 * kDecodeWeights, 2.0);
  EXPECT_EQ(work.f32_ops, 2 * 30 * 2 * 2048);  // attention
}

TEST_F(E2b, APromptReadsEachMatrixOnceAndOfSparseLayersTheUnionOfWhatItsRowsNeed) {
  const double sparse_neurons = 10 * 2.0 * 2048 * 8192 * 2;  // bytes of up_proj and down_proj
  const double all = [&] {
    double bytes = 0;
    for (const auto& m : matrices) bytes += static_cast<double>(m.bytes);
    return bytes - 262144.0 * 30 * 256 * 2 - sparse_neurons;
  }();
  const auto expected = [&](std::int64_t tokens) {
    return all + static_cast<double>(tokens) * 30 * 256 * 2 +
           sparse_neurons * (1 - std::pow(0.95, tokens));
  };
  for (const std::int64_t tokens : {1, 2, 512}) {
    EXPECT_NEAR(prefill_work(config, matrices, tokens).bytes, expected(tokens), 8.0) << tokens;
  }
}

TEST_F(E2b, AnOwnHeadIsReadBesideTheRowsOfTheTable) {
  config.tie_word_embeddings = false;
  const double tied = multiply_adds(decode_work(config, matrices, CacheStorage::kF32, 0));
  const double before = decode_work(config, matrices, CacheStorage::kF32, 0).bytes;
  matrices.push_back(matrix("lm_head.weight", config.vocab_size, 2048));
  const Work work = decode_work(config, matrices, CacheStorage::kF32, 0);
  EXPECT_NEAR(multiply_adds(work) - tied, 262400.0 * 2048, 1.0);
  EXPECT_NEAR(work.bytes - before, 262400.0 * 2048 * 2, 1.0);
}

TEST(WorkModel, AModelListsItsMatricesLikeThis) {
  TextConfig config = published_towers().text_config;
  config.hidden_size = 64;
  config.head_dim = 32;
  config.vocab_size = config.vocab_size_per_layer_input = 512;
  config.hidden_size_per_layer_input = 32;
  config.num_kv_shared_layers = 2;
  const auto kSliding = AttentionType::kSliding, kFull = AttentionType::kFull;
  config.layer_types = {kSliding, kFull, kSliding, kFull, kSliding};
  config.activation_sparsity_pattern = {0.95, 0, 0, 0, 0};
  for (const bool tied : {true, false}) {
    config.tie_word_embeddings = tied;
    auto expected = matrices_of(config);
    if (!tied) expected.push_back(matrix("lm_head.weight", config.vocab_size, 64));
    for (const auto kind : {Quantization::kNone, Quantization::kInt8, Quantization::kInt4}) {
      const auto model = ForCausalLM::synthetic(config, 1, {.threads = 1, .quantization = kind});
      const auto found = model.matrices();
      ASSERT_EQ(found.size(), expected.size());
      for (const auto& want : expected) {
        const auto has = std::ranges::find(found, want.name, &MatrixInfo::name);
        ASSERT_NE(has, found.end()) << want.name;
        EXPECT_EQ(has->shape, want.shape) << want.name;
        const bool stays = kind == Quantization::kNone || want.shape[1] % 32 != 0 ||
                           want.name.starts_with("embed_tokens_per_layer") ||
                           want.name.find("altup.") != std::string::npos;
        const char* storage = stays ? "bf16" : kind == Quantization::kInt8 ? "q8" : "q4";
        EXPECT_EQ(has->storage, storage) << want.name;
        // A block has 16 rows, whether they are needed or not.
        const auto values = want.shape[0] * want.shape[1];
        EXPECT_EQ(has->bytes, stays                         ? 2 * values
                              : kind == Quantization::kInt8 ? values / 32 * 34
                                                            : values / 32 * 18)
            << want.name;
      }
    }
  }
}

TEST(WorkModel, TheBoundIsReadingOrComputing) {
  const MachineLimits limits = {
      .read_bytes_per_second = 10, .f32_flops_per_second = 100, .int8_ops_per_second = 400};
  const auto reading = bound_of({.f32_ops = 100, .int8_ops = 400, .bytes = 30}, limits);
  EXPECT_DOUBLE_EQ(reading.seconds, 3);
  EXPECT_TRUE(reading.is_memory);
  const auto computing = bound_of({.f32_ops = 100, .int8_ops = 400, .bytes = 10}, limits);
  EXPECT_DOUBLE_EQ(computing.seconds, 2);
  EXPECT_FALSE(computing.is_memory);
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
