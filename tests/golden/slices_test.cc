// Sizes of nested models: a part of a model at load, on disk and per request is the model that a
// plain cut of its tensors gives, bit for bit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/mapped_file.h"
#include "checkpoint/safetensors.h"
#include "gemma3n/generation.h"
#include "gemma3n/matformer.h"
#include "random_checkpoint.h"

namespace gemma3n::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kWeights = "model.safetensors";

// A model of blocks of layers, and a size of it.
struct Nested {
  json config;
  MatFormerConfig size;
};

// Widths that are no whole groups, a head of its own, skips at the beginning, in the middle and
// among the layers that share keys and values: by seed.
Nested random_nested(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto any = [&](int low, int high) {
    return low + static_cast<int>(rng() % static_cast<unsigned>(high - low + 1));
  };
  const int period = any(2, 3), blocks = any(3, 5), layers = period * blocks;
  const int shared_blocks = any(1, blocks - 2), first_shared = period * (blocks - shared_blocks);
  json types, widths, sparsity;
  for (int i = 0; i < layers; ++i) {
    types.push_back(i % period == period - 1 ? "full_attention" : "sliding_attention");
    widths.push_back(32 * any(2, 4));
    sparsity.push_back(i < period ? 0.6 : 0.0);
  }
  Nested nested;
  const bool is_odd = seed % 3 == 2;
  nested.config = {{"model_type", "gemma3n_text"},
                   {"architectures", {"Gemma3nForCausalLM"}},
                   {"vocab_size", 90},
                   {"vocab_size_per_layer_input", 80},
                   {"hidden_size", is_odd ? 48 : 64},
                   {"hidden_size_per_layer_input", is_odd ? 8 : 32},
                   {"num_hidden_layers", layers},
                   {"intermediate_size", widths},
                   {"activation_sparsity_pattern", sparsity},
                   {"layer_types", types},
                   {"num_kv_shared_layers", layers - first_shared},
                   {"num_attention_heads", 4},
                   {"num_key_value_heads", 2},
                   {"head_dim", 16},
                   {"laurel_rank", 32},
                   {"sliding_window", 8},
                   {"max_position_embeddings", 256},
                   {"tie_word_embeddings", seed % 2 == 0}};
  nested.size.name = "seed " + std::to_string(seed);
  for (int block = 0; block < blocks; ++block) {
    const bool is_producer = period * (block + 1) == first_shared;
    const bool is_skipped = !is_producer && any(0, 2) == 0;
    for (int i = period * block; i < period * (block + 1); ++i) {
      if (is_skipped) {
        nested.size.skipped_layers.push_back(i);
      } else {
        nested.size.intermediate_size.push_back(
            32 * any(1, widths[static_cast<std::size_t>(i)].get<int>() / 32));
      }
    }
  }
  return nested;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// [rows, columns] of a matrix, some of them.
StoredTensor part_of(const StoredTensor& from, const std::vector<std::int64_t>& rows,
                     const std::vector<std::int64_t>& columns) {
  StoredTensor to = {from.tensor, {}};
  to.tensor.shape = {static_cast<std::int64_t>(rows.size()),
                     static_cast<std::int64_t>(columns.size())};
  for (const auto r : rows) {
    for (const auto c : columns) {
      to.values.push_back(from.values[static_cast<std::size_t>(r * from.tensor.shape[1] + c)]);
    }
  }
  return to;
}

std::vector<std::int64_t> first(std::int64_t n) {
  std::vector<std::int64_t> list(static_cast<std::size_t>(n));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

// The plain cut: by the rules of Google's MatFormer Lab, one value after the other.
std::vector<StoredTensor> plain_cut(const std::vector<StoredTensor>& whole, const json& config,
                                    const MatFormerConfig& size) {
  std::vector<std::int64_t> kept, channels;
  const std::int64_t P = config["hidden_size_per_layer_input"];
  for (std::int64_t i = 0; i < config["num_hidden_layers"].get<std::int64_t>(); ++i) {
    if (std::ranges::count(size.skipped_layers, i) > 0) continue;
    kept.push_back(i);
    for (std::int64_t p = 0; p < P; ++p) channels.push_back(i * P + p);
  }
  std::vector<StoredTensor> cut;
  for (const auto& stored : whole) {
    const std::string& name = stored.tensor.name;
    const auto& shape = stored.tensor.shape;
    if (name == "model.embed_tokens_per_layer.weight") {
      cut.push_back(part_of(stored, first(shape[0]), channels));
    } else if (name == "model.per_layer_model_projection.weight") {
      cut.push_back(part_of(stored, channels, first(shape[1])));
    } else if (name.starts_with("model.layers.")) {
      const auto end = name.find('.', 13);
      const auto layer = std::ranges::find(kept, std::stoll(name.substr(13, end - 13)));
      if (layer == kept.end()) continue;
      const auto new_layer = layer - kept.begin();
      const std::int64_t F = size.intermediate_size[static_cast<std::size_t>(new_layer)];
      const std::string rest = name.substr(end);
      cut.push_back(rest == ".mlp.gate_proj.weight" || rest == ".mlp.up_proj.weight"
                        ? part_of(stored, first(F), first(shape[1]))
                    : rest == ".mlp.down_proj.weight" ? part_of(stored, first(shape[0]), first(F))
                                                      : stored);
      cut.back().tensor.name = "model.layers." + std::to_string(new_layer) + rest;
    } else {
      cut.push_back(stored);
    }
  }
  return cut;
}

json plain_config(const json& config, const MatFormerConfig& size) {
  json cut = config;
  const std::int64_t layers = config["num_hidden_layers"], shared = config["num_kv_shared_layers"];
  cut["intermediate_size"] = size.intermediate_size;
  cut["num_hidden_layers"] = size.intermediate_size.size();
  cut["layer_types"] = cut["activation_sparsity_pattern"] = json::array();
  std::int64_t shared_kept = 0;
  for (std::int64_t i = 0; i < layers; ++i) {
    if (std::ranges::count(size.skipped_layers, i) > 0) continue;
    for (const char* list : {"layer_types", "activation_sparsity_pattern"}) {
      cut[list].push_back(config[list][static_cast<std::size_t>(i)]);
    }
    shared_kept += i >= layers - shared;
  }
  cut["num_kv_shared_layers"] = shared_kept;
  return cut;
}

// Logits of two sequences of unequal length, read in two calls.
std::vector<float> logits(const ForCausalLM& model) {
  std::vector<float> all;
  const auto cache = model.new_cache(1);
  for (const std::int64_t tokens : {23, 1}) {
    CausalLMInputs inputs;
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < tokens; ++i) ids.push_back((i * 37 + tokens) % 85);
    inputs.input_ids = Tensor::of(ids, {1, tokens});
    inputs.past_key_values = cache;
    const auto values = model.forward(inputs).logits;
    all.insert(all.end(), values.f32().begin(), values.f32().end());
  }
  return all;
}

class Slices : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "slices_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = fs::canonical(pattern);
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path write(const std::string& name, const json& config,
                 const std::vector<StoredTensor>& tensors) const {
    fs::create_directory(root_ / name);
    std::ofstream(root_ / name / "config.json") << config;
    write_tensors(root_ / name / kWeights, tensors);
    return root_ / name;
  }
  // `whole` and `cut`, and what stands between.
  Nested write_pair(std::uint32_t seed) const {
    const Nested nested = random_nested(seed);
    for (const char* name : {"whole", "cut", "slice", "q_whole", "q_cut", "q_slice"}) {
      fs::remove_all(root_ / name);
    }
    const auto tensors = random_tensors(TextConfig::from_json(nested.config.dump()), seed);
    write("whole", nested.config, tensors);
    write("cut", plain_config(nested.config, nested.size),
          plain_cut(tensors, nested.config, nested.size));
    return nested;
  }
  ForCausalLM load(const std::string& name, Quantization quantization = Quantization::kNone,
                   const std::optional<MatFormerConfig>& size = {}) const {
    return ForCausalLM::from_pretrained(
        root_ / name, {.threads = 2, .quantization = quantization, .matformer = size});
  }

  fs::path root_;
};

void expect_same_tensors(const fs::path& a, const fs::path& b) {
  const SafetensorsFile first(MappedFile(a / kWeights), kWeights);
  const SafetensorsFile second(MappedFile(b / kWeights), kWeights);
  ASSERT_EQ(first.entries().size(), second.entries().size());
  for (const auto& entry : first.entries()) {
    const auto other = std::ranges::find(second.entries(), entry.name, &SafetensorsEntry::name);
    ASSERT_NE(other, second.entries().end()) << entry.name;
    EXPECT_EQ(entry.shape, other->shape) << entry.name;
    EXPECT_TRUE(std::ranges::equal(first.bytes(entry), second.bytes(*other))) << entry.name;
  }
}

TEST_F(Slices, AreThePlainCutBitForBit) {
  int skipped = 0;
  for (std::uint32_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(seed);
    const Nested nested = write_pair(seed);
    skipped += !nested.size.skipped_layers.empty();
    ASSERT_TRUE(slice_checkpoint(root_ / "whole", root_ / "slice", {.size = nested.size}));
    expect_same_tensors(root_ / "cut", root_ / "slice");
    EXPECT_EQ(json::parse(read(root_ / "slice" / "config.json")),
              json::parse(read(root_ / "cut" / "config.json")));
    for (const auto storage :
         {Quantization::kNone, Quantization::kF32, Quantization::kInt8, Quantization::kInt4}) {
      SCOPED_TRACE(quantization_name(storage));
      const auto expected = logits(load("cut", storage));
      EXPECT_EQ(logits(load("whole", storage, nested.size)), expected);         // at load
      EXPECT_EQ(logits(load("whole", storage).sliced(nested.size)), expected);  // per request
      EXPECT_NE(logits(load("whole", storage)), expected);
    }
  }
  EXPECT_GE(skipped, 12);
}

TEST_F(Slices, OfQuantizedCheckpointsAreThePlainCutQuantized) {
  int refused = 0;
  for (std::uint32_t seed = 30; seed < 42; ++seed) {
    SCOPED_TRACE(seed);
    const Nested nested = write_pair(seed);
    const auto to = seed % 2 == 0 ? Quantization::kInt8 : Quantization::kInt4;
    quantize_checkpoint(root_ / "whole", root_ / "q_whole", {.to = to});
    quantize_checkpoint(root_ / "cut", root_ / "q_cut", {.to = to});
    const auto expected = logits(load("q_cut"));
    const bool is_odd = seed % 3 == 2;  // the groups of its table belong to several layers
    if (!is_odd) {
      EXPECT_EQ(logits(load("q_whole", Quantization::kNone, nested.size)), expected);
      EXPECT_EQ(logits(load("q_whole").sliced(nested.size)), expected);
    }
    try {
      slice_checkpoint(root_ / "q_whole", root_ / "q_slice", {.size = nested.size});
      expect_same_tensors(root_ / "q_cut", root_ / "q_slice");
      EXPECT_EQ(logits(load("q_slice")), expected);
    } catch (const Error& error) {
      EXPECT_TRUE(is_odd) << error.what();
      EXPECT_NE(std::string(error.what()).find("its groups of values do not end"),
                std::string::npos);
      ++refused;
    }
  }
  EXPECT_LE(refused, 4);
}

TEST_F(Slices, ServeRequestsOfThreeSizesAtTheSameTime) {
  const Nested nested = write_pair(4);
  const auto whole = load("whole", Quantization::kInt4);
  const auto half =
      MatFormerConfig{.name = "narrow",
                      .intermediate_size = std::vector<std::int64_t>(
                          static_cast<std::size_t>(whole.config().num_hidden_layers), 32)};
  const std::vector<MatFormerConfig> sizes = {MatFormerConfig::named("full", whole.config()), half,
                                              nested.size};
  GenerationConfig config;
  config.max_new_tokens = 20;
  const std::vector<std::vector<TokenId>> prompts = {{1, 2, 3, 4, 5}, {7}};
  std::vector<std::vector<std::vector<TokenId>>> alone, together(sizes.size());
  for (const auto& size : sizes) {
    alone.push_back(generate(load("whole", Quantization::kInt4, size), prompts, config).sequences);
  }
  EXPECT_NE(alone[0], alone[1]);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        together[i] = generate(whole, prompts, config, nullptr, {.size = sizes[i]}).sequences;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

TEST_F(Slices, AnswerSideBySideInOneBatch) {
  for (const std::uint32_t seed : {4u, 9u, 11u}) {
    SCOPED_TRACE(seed);
    const Nested nested = write_pair(seed);
    const auto whole = load("whole", seed == 4 ? Quantization::kInt4 : Quantization::kNone);
    const auto full = MatFormerConfig::named("full", whole.config());
    MatFormerConfig narrow = full;
    for (auto& width : narrow.intermediate_size) width = 32;
    const std::vector<MatFormerConfig> sizes = {nested.size, full, narrow, nested.size, full};
    const std::vector<std::vector<TokenId>> prompts = {
        {1, 2, 3}, {4}, {5, 6, 7, 8, 9, 10, 11, 12, 13}, {14, 15}, {16, 17, 18, 19}};
    GenerationConfig config;
    config.max_new_tokens = 12;
    for (const bool samples : {false, true}) {
      config.do_sample = samples;
      config.num_return_sequences = samples ? 2 : 1;
      const auto together = generate(whole, prompts, config, nullptr, {.sizes = sizes});
      EXPECT_EQ(together.past_key_values, nullptr);
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        const auto alone = generate(whole.sliced(sizes[i]), {prompts[i]}, config).sequences;
        for (std::size_t copy = 0; copy < alone.size(); ++copy) {
          EXPECT_EQ(together.sequences[i * alone.size() + copy], alone[copy]) << i;
        }
      }
    }
    config = {};
    config.max_new_tokens = 12;
    const auto drafted = generate(whole, prompts, config, nullptr,
                                  {.sizes = sizes, .assistant_model = whole.sliced(narrow)});
    EXPECT_EQ(drafted.sequences,
              generate(whole, prompts, config, nullptr, {.sizes = sizes}).sequences);
    EXPECT_GT(drafted.accepted_tokens, 0u);
  }
}

TEST_F(Slices, HaveCachesOfTheirOwn) {
  const Nested nested = write_pair(4);
  const auto whole = load("whole");
  const auto part = whole.sliced(nested.size);
  CausalLMInputs inputs;
  inputs.input_ids = Tensor::of(std::vector<std::int64_t>{1, 2}, {1, 2});
  inputs.past_key_values = part.new_cache(1);
  try {
    whole.forward(inputs);
    ADD_FAILURE() << "a cache of another size was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("each size needs a cache of its own"),
              std::string::npos);
  }
  part.forward(inputs);
  whole.sliced(nested.size).forward(inputs);  // another value of the same size
  EXPECT_THROW(part.sliced(nested.size), Error);
  const std::vector<std::vector<TokenId>> prompts = {{1}, {2}};
  EXPECT_THROW(generate(whole, prompts, {}, nullptr, {.sizes = {nested.size}}), Error);
  const std::vector<MatFormerConfig> two = {nested.size, nested.size};
  EXPECT_THROW(
      generate(whole, prompts, {}, nullptr, {.past_key_values = whole.new_cache(2), .sizes = two}),
      Error);
  const auto same = MatFormerConfig::named("full", whole.config());
  EXPECT_EQ(whole.sliced(same).impl(), whole.impl());
}

TEST_F(Slices, WhatIsStoppedLeavesNothing) {
  const Nested nested = write_pair(4);
  SliceOptions options{.size = nested.size};
  options.on_progress = [](double fraction) { return fraction < 0.5; };
  EXPECT_FALSE(slice_checkpoint(root_ / "whole", root_ / "slice", options));
  EXPECT_FALSE(fs::exists(root_ / "slice"));
  std::vector<double> seen;
  options.on_progress = [&](double fraction) {
    seen.push_back(fraction);
    return true;
  };
  EXPECT_TRUE(slice_checkpoint(root_ / "whole", root_ / "slice", options));
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.back(), 1.0);
  EXPECT_THROW(slice_checkpoint(root_ / "whole", root_ / "slice", options), Error);
}

}  // namespace
}  // namespace gemma3n::golden
