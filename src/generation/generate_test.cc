// generate() with a real, tiny model of random weights. What the loop does in each situation is
// tested with a scripted model in generation_loop_test.cc.
#include <gtest/gtest.h>

#include <algorithm>

#include "gemma3n/generation.h"

namespace gemma3n {
namespace {

using Ids = std::vector<TokenId>;
using Prompts = std::vector<Ids>;

TextConfig tiny_config() {
  TextConfig config;
  config.vocab_size = 97;
  config.vocab_size_per_layer_input = 97;
  config.hidden_size = 32;
  config.hidden_size_per_layer_input = 8;
  config.num_hidden_layers = 4;
  config.intermediate_size = {48, 48, 48, 48};
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.sliding_window = 6;
  config.layer_types = {AttentionType::kSliding, AttentionType::kFull, AttentionType::kSliding,
                        AttentionType::kFull};
  config.num_kv_shared_layers = 2;
  config.laurel_rank = 4;
  config.activation_sparsity_pattern = {0.5, 0.5, 0, 0};
  config.max_position_embeddings = 64;
  config.derive_defaults();
  return config;
}

const ForCausalLM& model() {
  static const ForCausalLM instance = ForCausalLM::synthetic(tiny_config(), 1);
  return instance;
}

GenerationConfig new_tokens(std::int64_t count) {
  GenerationConfig config;
  config.max_new_tokens = count;
  return config;
}

Ids greedy_by_forward(Ids ids, int count) {
  for (; count > 0; --count) {
    CausalLMInputs inputs;
    const std::vector<std::int64_t> wide(ids.begin(), ids.end());
    inputs.input_ids = Tensor::of(wide, {1, static_cast<std::int64_t>(wide.size())});
    inputs.logits_to_keep = 1;
    const auto out = model().forward(inputs);
    const auto logits = std::as_const(out.logits).f32();
    ids.push_back(static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin()));
  }
  return ids;
}

TEST(Generate, IsTheForwardPassTokenByToken) {
  const Prompts prompts = {{2, 5, 7, 11, 13, 17, 19, 23, 29}, {2, 3}};
  const auto out = generate(model(), prompts, new_tokens(12));
  EXPECT_EQ(out.sequences[0], greedy_by_forward(prompts[0], 12));
  EXPECT_EQ(out.sequences[1], greedy_by_forward(prompts[1], 12));
  EXPECT_GT(out.prefill_seconds, 0.0);
  EXPECT_GT(out.decode_seconds, 0.0);
}

TEST(Generate, GivesTheSameWithChunksBatchesAndAStaticCache) {
  const Prompts prompts = {{2, 5, 7, 11, 13, 17, 19, 23, 29}, {2, 3}};
  auto config = new_tokens(12);
  config.do_sample = true;
  const auto expected = generate(model(), prompts, config).sequences;
  config.prefill_chunk_size = 4;
  EXPECT_EQ(generate(model(), prompts, config).sequences, expected);
  config.cache_implementation = "static";
  EXPECT_EQ(generate(model(), prompts, config).sequences, expected);
  EXPECT_EQ(generate(model(), {prompts[1]}, config).sequences[0], expected[1]);
}

TEST(Generate, ContinuesItsOwnCache) {
  const Prompts prompts = {{2, 5, 7}, {2, 3}};
  const auto first = generate(model(), prompts, new_tokens(5));
  ASSERT_NE(first.past_key_values, nullptr);
  Prompts next = first.sequences;
  for (Ids& ids : next) ids.insert(ids.end(), {41, 42});
  GenerateOptions options;
  options.past_key_values = first.past_key_values;
  const auto second = generate(model(), next, new_tokens(5), nullptr, options);
  EXPECT_EQ(second.cached_tokens, 7u + 6u);
  EXPECT_EQ(second.past_key_values, first.past_key_values);
  EXPECT_EQ(second.sequences, generate(model(), next, new_tokens(5)).sequences);
}

TEST(Generate, RepeatsTheCacheForSeveralSequences) {
  auto config = new_tokens(6);
  config.do_sample = true;
  config.num_return_sequences = 3;
  const auto out = generate(model(), {{2, 9, 4}}, config);
  ASSERT_EQ(out.sequences.size(), 3u);
  EXPECT_EQ(out.past_key_values->batch_size(), 3);
  EXPECT_NE(out.sequences[0], out.sequences[1]);
  config.num_return_sequences = 1;
  EXPECT_EQ(generate(model(), {{2, 9, 4}}, config).sequences[0], out.sequences[0]);
}

ErrorCode code_of(const Prompts& prompts, const GenerationConfig& config,
                  const GenerateOptions& options = {}) {
  try {
    generate(model(), prompts, config, nullptr, options);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST(Generate, RefusesWhatDoesNotFitTheModel) {
  EXPECT_EQ(code_of({{97}}, new_tokens(1)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({Ids(65, 1)}, new_tokens(1)), ErrorCode::kContextFull);
  EXPECT_EQ(code_of({}, new_tokens(1)), ErrorCode::kInvalidArgument);
  GenerateOptions options;
  options.past_key_values = model().new_cache(2);
  EXPECT_EQ(code_of({{1}}, new_tokens(1), options), ErrorCode::kInvalidArgument);
}

TEST(Generate, FillsAStaticCacheAndNoMore) {
  const CacheOptions four = {.implementation = CacheOptions::Implementation::kStatic,
                             .max_cache_len = 4};
  GenerateOptions options;
  options.past_key_values = model().new_cache(1, four);
  EXPECT_EQ(generate(model(), {{2, 3, 4}}, new_tokens(2), nullptr, options).generated_tokens, 2u);
  options.past_key_values = model().new_cache(1, four);
  EXPECT_EQ(code_of({{2, 3, 4}}, new_tokens(3), options), ErrorCode::kContextFull);
}

TEST(GenerateOutput, IsPaddedOnTheRight) {
  GenerateOutput out;
  out.sequences = {{1, 2, 3}, {4}};
  GenerationConfig config;
  EXPECT_THROW(out.padded(config), Error);
  config.eos_token_id = {8, 9};
  const auto values = [](const Tensor& tensor) {
    const auto ids = tensor.i64();
    return std::vector<std::int64_t>(ids.begin(), ids.end());
  };
  EXPECT_EQ(values(out.padded(config)), (std::vector<std::int64_t>{1, 2, 3, 4, 8, 8}));
  config.pad_token_id = 0;
  EXPECT_EQ(values(out.padded(config)), (std::vector<std::int64_t>{1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(out.padded(config).shape(), (std::vector<std::int64_t>{2, 3}));
}

TEST(FinishReason, HasAName) {
  EXPECT_EQ(finish_reason_name(FinishReason::kEos), "eos");
  EXPECT_EQ(finish_reason_name(FinishReason::kStopString), "stop_string");
  EXPECT_EQ(finish_reason_name(FinishReason::kLength), "length");
  EXPECT_EQ(finish_reason_name(FinishReason::kCancelled), "cancelled");
}

}  // namespace
}  // namespace gemma3n
