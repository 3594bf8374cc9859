// Assisted generate() with real, tiny models of random weights: the model itself, its copy in fewer
// bits, which mostly agrees with it, and strangers.
#include <gtest/gtest.h>

#include <random>

#include "gemma3n/generation.h"

namespace gemma3n {
namespace {

using Ids = std::vector<TokenId>;
using Prompts = std::vector<Ids>;

constexpr unsigned kVocabulary = 97;

TextConfig tiny_config(std::int64_t window, std::int64_t context) {
  TextConfig config;
  config.vocab_size = kVocabulary;
  config.vocab_size_per_layer_input = kVocabulary;
  config.hidden_size = 32;
  config.hidden_size_per_layer_input = 8;
  config.num_hidden_layers = 4;
  config.intermediate_size = {64, 64, 64, 64};
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.sliding_window = window;
  config.layer_types = {AttentionType::kSliding, AttentionType::kFull, AttentionType::kSliding,
                        AttentionType::kFull};
  config.num_kv_shared_layers = 2;
  config.laurel_rank = 4;
  config.activation_sparsity_pattern = {0.5, 0.5, 0, 0};
  config.max_position_embeddings = context;
  config.derive_defaults();
  return config;
}

ForCausalLM synthetic(const TextConfig& config, std::uint64_t seed, int threads = 1,
                      Quantization quantization = Quantization::kNone) {
  LoadOptions options;
  options.threads = threads;
  options.quantization = quantization;
  return ForCausalLM::synthetic(config, seed, options);
}

struct Models {
  ForCausalLM large;
  std::vector<ForCausalLM> assistants;
};

// Of another shape, too: fewer layers, and no keys to share.
Models make_models(std::int64_t window, std::int64_t context) {
  const TextConfig config = tiny_config(window, context);
  TextConfig small = config;
  small.num_hidden_layers = 1;
  small.intermediate_size = {32};
  small.layer_types = {AttentionType::kSliding};
  small.num_kv_shared_layers = 0;
  small.activation_sparsity_pattern = {0};
  small.max_position_embeddings = context + 100;
  small.derive_defaults();
  const ForCausalLM large = synthetic(config, 1);
  return {large,
          {large, synthetic(config, 1, 1, Quantization::kInt8),
           synthetic(config, 1, 1, Quantization::kInt4), synthetic(small, 2)}};
}

Ids random_ids(std::mt19937& rng, std::size_t count) {
  Ids ids(count);
  for (TokenId& id : ids) id = static_cast<TokenId>(rng() % kVocabulary);
  return ids;
}

GenerationConfig new_tokens(std::int64_t count) {
  GenerationConfig config;
  config.max_new_tokens = count;
  config.assistant_confidence_threshold = 0.0;
  return config;
}

GenerationConfig random_config(std::mt19937& rng) {
  const auto chance = [&](unsigned out_of) { return rng() % out_of == 0; };
  GenerationConfig config = new_tokens(1 + static_cast<std::int64_t>(rng() % 20));
  if (chance(4)) config.repetition_penalty = 1.3;
  if (chance(4)) config.no_repeat_ngram_size = 3;
  if (chance(3)) config.eos_token_id = {static_cast<TokenId>(rng() % kVocabulary), 5, 6, 7, 8};
  if (chance(4)) config.prefill_chunk_size = 1 + static_cast<std::int64_t>(rng() % 9);
  if (chance(3)) config.cache_implementation = "static";
  const CacheStorage storages[] = {CacheStorage::kF32, CacheStorage::kBF16, CacheStorage::kInt8};
  config.cache_storage = storages[rng() % 3];
  config.num_assistant_tokens = 1 + static_cast<std::int64_t>(rng() % 8);
  if (chance(3)) config.num_assistant_tokens_schedule = "constant";
  if (chance(3)) config.assistant_confidence_threshold = 0.05;
  return config;
}

struct Totals {
  std::size_t prompts = 0, drafted = 0, accepted = 0;
};

// Twice: a conversation goes on from both caches, the other one begins anew.
void expect_same_tokens(const Models& models, Prompts prompts, const GenerationConfig& config,
                        const ForCausalLM& assistant, std::mt19937& rng, Totals& totals) {
  GenerateOptions options;
  options.assistant_model = assistant;
  for (int turn = 0; turn < 2; ++turn) {
    const auto expected = generate(models.large, prompts, config);
    const auto actual = generate(models.large, prompts, config, nullptr, options);
    ASSERT_EQ(actual.sequences, expected.sequences);
    ASSERT_EQ(actual.finish_reasons, expected.finish_reasons);
    totals.prompts += prompts.size();
    totals.drafted += actual.drafted_tokens;
    totals.accepted += actual.accepted_tokens;
    if (config.cache_implementation == "static") return;
    options.past_key_values = actual.past_key_values;
    if (rng() % 2) options.assistant_past_key_values = actual.assistant_past_key_values;
    prompts = actual.sequences;
    for (Ids& ids : prompts) {
      const Ids more = random_ids(rng, 1 + rng() % 4);
      ids.insert(ids.end(), more.begin(), more.end());
    }
  }
}

TEST(AssistedGenerate, GivesTheGreedyTokensOfTheModelAlone) {
  constexpr std::int64_t kWindow = 6;
  const Models models = make_models(kWindow, 100);
  std::mt19937 rng(11);
  std::vector<Totals> totals(models.assistants.size());
  for (int round = 0; round < 300; ++round) {
    Prompts prompts;
    for (int i = 0; i < 5; ++i) {
      const std::size_t lengths[] = {1, kWindow - 1, kWindow, kWindow + 1, 1 + rng() % 40};
      prompts.push_back(random_ids(rng, lengths[rng() % std::size(lengths)]));
    }
    if (round % 2) prompts.resize(1);
    const std::size_t which = rng() % models.assistants.size();
    expect_same_tokens(models, prompts, random_config(rng), models.assistants[which], rng,
                       totals[which]);
    if (HasFatalFailure()) FAIL() << "round " << round << ", assistant " << which;
  }
  std::size_t prompts = 0;
  for (const Totals& of : totals) prompts += of.prompts;
  EXPECT_GT(prompts, 1000u);
  EXPECT_EQ(totals[0].accepted, totals[0].drafted);  // the model itself
  for (const std::size_t i : {1, 2}) {
    EXPECT_GT(totals[i].accepted, totals[i].drafted / 20) << i;
    EXPECT_LT(totals[i].accepted, totals[i].drafted) << i;
  }
  for (std::size_t i = 0; i < totals.size(); ++i) {
    std::printf("assistant %zu: %zu prompts, %zu drafted, %zu accepted\n", i, totals[i].prompts,
                totals[i].drafted, totals[i].accepted);
  }
}

// Pages and passes have 512 entries, the window begins and ends inside of them.
TEST(AssistedGenerate, GivesThemAroundWindowsAndPages) {
  std::mt19937 rng(12);
  for (const std::size_t window : {500, 513}) {
    const Models models = make_models(static_cast<std::int64_t>(window), 1300);
    for (const std::size_t end : {window, std::size_t{1024}}) {
      Prompts prompts;
      for (const int before : {-1, 0, 9}) {
        prompts.push_back(random_ids(rng, end - static_cast<std::size_t>(before)));
      }
      auto config = new_tokens(16);
      config.cache_storage = rng() % 2 ? CacheStorage::kF32 : CacheStorage::kInt8;
      Totals totals;
      expect_same_tokens(models, prompts, config, models.assistants[rng() % 4], rng, totals);
      if (HasFatalFailure()) FAIL() << "window " << window << ", end " << end;
    }
  }
}

TEST(AssistedGenerate, NeedsNoMoreRoomThanTheModelAlone) {
  const Models models = make_models(6, 40);
  std::mt19937 rng(13);
  for (const std::size_t length : {1, 20, 38, 39, 40}) {
    const Prompts prompts = {random_ids(rng, length)};
    GenerateOptions options;
    options.assistant_model = models.assistants[1];
    const auto expected = generate(models.large, prompts, new_tokens(50));
    const auto out = generate(models.large, prompts, new_tokens(50), nullptr, options);
    EXPECT_EQ(out.sequences, expected.sequences);
    EXPECT_EQ(out.sequences[0].size(), 41u);

    // A static cache that ends with the last token that is read.
    CacheOptions fixed;
    fixed.implementation = CacheOptions::Implementation::kStatic;
    fixed.max_cache_len = static_cast<std::int64_t>(length) + 4;
    options.past_key_values = models.large.new_cache(1, fixed);
    options.assistant_past_key_values = models.assistants[1].new_cache(1, fixed);
    EXPECT_EQ(generate(models.large, prompts, new_tokens(5), nullptr, options).sequences,
              generate(models.large, prompts, new_tokens(5)).sequences);
  }
}

TEST(AssistedGenerate, LeavesCachesThatHoldAllButTheLastTokens) {
  const Models models = make_models(6, 100);
  GenerateOptions options;
  options.assistant_model = models.assistants[2];
  const auto out = generate(models.large, {{1, 2, 3}}, new_tokens(20), nullptr, options);
  EXPECT_EQ(out.past_key_values->get_seq_length(), 22);
  EXPECT_LE(out.assistant_past_key_values->get_seq_length(), 22);
  EXPECT_GE(out.assistant_past_key_values->get_seq_length(), 3);
  EXPECT_EQ(generate(models.large, {{1}}, new_tokens(1)).assistant_past_key_values, nullptr);
}

TEST(AssistedGenerate, SamplesTheSameWithAnyThreadsAndBatch) {
  const TextConfig config = tiny_config(6, 100);
  const Prompts prompts = {{2, 5, 7}, {2, 3}, {90, 80, 70, 60}};
  auto sampling = new_tokens(20);
  sampling.do_sample = true;
  sampling.seed = 9;
  std::vector<Prompts> results;
  for (const int threads : {1, 3}) {
    GenerateOptions options;
    options.assistant_model = synthetic(config, 1, threads, Quantization::kInt4);
    const ForCausalLM large = synthetic(config, 1, threads);
    const auto out = generate(large, prompts, sampling, nullptr, options);
    results.push_back(out.sequences);
    EXPECT_GT(out.accepted_tokens, 0u);
    EXPECT_LT(out.accepted_tokens, out.drafted_tokens);
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(generate(large, {prompts[i]}, sampling, nullptr, options).sequences[0],
                out.sequences[i]);
    }
    // What a model proposes to itself is as likely as it should be.
    options.assistant_model = large;
    const auto own = generate(large, prompts, sampling, nullptr, options);
    EXPECT_EQ(own.accepted_tokens, own.drafted_tokens);
  }
  EXPECT_EQ(results[0], results[1]);
}

std::string refusal(const ForCausalLM& assistant, std::shared_ptr<Cache> cache = nullptr) {
  static const ForCausalLM model = synthetic(tiny_config(6, 100), 1);
  GenerateOptions options;
  options.assistant_model = assistant;
  options.assistant_past_key_values = std::move(cache);
  try {
    generate(model, {{1, 2}}, new_tokens(3), nullptr, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(AssistedGenerate, RefusesAnAssistantThatDoesNotFit) {
  auto config = tiny_config(6, 100);
  config.vocab_size = 96;
  EXPECT_EQ(refusal(synthetic(config, 1)),
            "generate: assistant_model: vocab_size: expected 97, as the model's, got 96");
  EXPECT_EQ(refusal(synthetic(tiny_config(6, 99), 1)),
            "generate: assistant_model: max_position_embeddings: expected at least 100, as the "
            "model's, got 99");
  const auto assistant = synthetic(tiny_config(6, 100), 2);
  EXPECT_EQ(
      refusal(assistant, assistant.new_cache(2)),
      "generate: assistant_past_key_values: expected 1 sequences, one for each prompt, got 2");
}

}  // namespace
}  // namespace gemma3n
