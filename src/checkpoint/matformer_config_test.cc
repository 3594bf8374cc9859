#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "gemma3n/matformer.h"

namespace gemma3n {
namespace {

TextConfig e4b() {
  TextConfig config;
  config.derive_defaults();
  return config;
}

// Two blocks of two layers own keys and values, two more share those of layers 2 and 3.
TextConfig small() {
  TextConfig config;
  config.num_hidden_layers = 8;
  config.num_kv_shared_layers = 4;
  config.intermediate_size.assign(8, 128);
  for (int i = 0; i < 8; ++i) {
    config.layer_types.push_back(i % 2 == 0 ? AttentionType::kSliding : AttentionType::kFull);
  }
  config.activation_sparsity_pattern = {0.9, 0.8, 0.7, 0, 0, 0, 0, 0};
  config.derive_defaults();
  config.validate();
  return config;
}

void expect_error(const std::string& message, const std::function<void()>& call,
                  ErrorCode code = ErrorCode::kInvalidArgument) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected an error: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos)
        << error.what() << "\nexpected: " << message;
  }
}

TEST(MatFormerConfig, ThePublishedSizesHaveThePublishedParameters) {
  // Ref: the column "# Effective Params (B)" of Google's table. Its E3.79B of whole blocks counts
  // 3.74; for three rows the widths it lists count 0.02 less than its figure.
  const std::pair<const char*, double> published[] = {
      {"e2b", 1.91},    {"e1.96b", 1.96},       {"e2.49b-block", 2.49}, {"e2.54b", 2.54},
      {"e2.69b", 2.69}, {"e2.73b-block", 2.73}, {"e2.98b", 2.98},       {"e2.98b-block", 2.98},
      {"e3.18b", 3.18}, {"e3.24b-block", 3.24}, {"e3.39b", 3.39},       {"e3.49b-block", 3.49},
      {"e3.59b", 3.59}, {"e3.79b-block", 3.74}, {"e3.79b", 3.79},       {"e4b", 3.98}};
  const TextConfig config = e4b();
  for (const auto& [name, billions] : published) {
    const auto sliced = MatFormerConfig::named(name, config).sliced(config);
    EXPECT_NEAR(static_cast<double>(effective_parameters(sliced)) / 1e9, billions, 0.03) << name;
  }
  EXPECT_EQ(effective_parameters(config), 3'980'491'248);
  EXPECT_EQ(effective_parameters(MatFormerConfig::named("e2b", config).sliced(config)),
            1'905'495'648);
  EXPECT_EQ(MatFormerConfig::names(config).size(), 2 + std::size(published));
}

TEST(MatFormerConfig, E2BIsTheOfficialConfiguration) {
  const TextConfig c = MatFormerConfig::named("e2b", e4b()).sliced(e4b());
  EXPECT_EQ(c.num_hidden_layers, 30);
  EXPECT_EQ(c.num_kv_shared_layers, 10);
  EXPECT_EQ(c.intermediate_size, std::vector<std::int64_t>(30, 8192));
  for (std::size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(c.layer_types[i] == AttentionType::kFull, i % 5 == 4);
    EXPECT_EQ(c.activation_sparsity_pattern[i], i < 10 ? 0.95 : 0.0);
  }
}

TEST(MatFormerConfig, KeptLayersKeepTheirTypeAndSparsity) {
  const MatFormerConfig size = {.intermediate_size = {128, 32, 64, 96},
                                .skipped_layers = {0, 1, 4, 5}};
  const TextConfig c = size.sliced(small());
  EXPECT_EQ(c.num_hidden_layers, 4);
  EXPECT_EQ(c.num_kv_shared_layers, 2);
  EXPECT_EQ(c.activation_sparsity_pattern, (std::vector<double>{0.7, 0, 0, 0}));
  EXPECT_EQ(c.kv_layer(2), 0);
  EXPECT_EQ(c.kv_layer(3), 1);
}

TEST(MatFormerConfig, NamesThatFitAModel) {
  TextConfig config = small();
  EXPECT_EQ(MatFormerConfig::names(config), (std::vector<std::string>{"full", "half"}));
  EXPECT_EQ(MatFormerConfig::named("half", config).intermediate_size,
            std::vector<std::int64_t>(8, 64));
  expect_error(
      "expected full or half or a JSON file with FFN Hidden Dims, got e2b, which is a size "
      "of E4B",
      [&] { MatFormerConfig::named("e2b", config); });
  config.intermediate_size[3] = 96;
  EXPECT_EQ(MatFormerConfig::names(config), std::vector<std::string>{"full"});
  expect_error("got ../half", [&] { MatFormerConfig::named("../half", config); });
  expect_error("got ", [&] { MatFormerConfig::named(std::string(100'000, 'x'), config); });
}

TEST(MatFormerConfig, ReadsTheColumnsOfTheTable) {
  const auto size = MatFormerConfig::from_json(R"json({
    "name": "Config for official E2B Model", "# Layers": 4, "# Effective Params (B)": 1.91,
    "MMLU PT accuracy": "50.90%", "FFN Hidden Dims": "[2_048 * 4, 8_192, 2*2 *2, 1]",
    "Layers Skipped": "[20, 21]"})json");
  EXPECT_EQ(size.name, "Config for official E2B Model");
  EXPECT_EQ(size.intermediate_size, (std::vector<std::int64_t>{8192, 8192, 8, 1}));
  EXPECT_EQ(size.skipped_layers, (std::vector<std::int64_t>{20, 21}));
  const auto short_form =
      MatFormerConfig::from_json(R"({"FFN Hidden Dims": [64, 32], "Layers Skipped": null})");
  EXPECT_EQ(short_form.intermediate_size, (std::vector<std::int64_t>{64, 32}));
  EXPECT_TRUE(short_form.skipped_layers.empty());
}

TEST(MatFormerConfig, WritesWhatItReads) {
  const TextConfig config = e4b();
  for (const auto& name : MatFormerConfig::names(config)) {
    const auto size = MatFormerConfig::named(name, config);
    const auto again = MatFormerConfig::from_json(size.to_json(config));
    EXPECT_TRUE(again.is_same_size(size)) << name;
    EXPECT_EQ(again.name, name);
  }
}

TEST(MatFormerConfig, RefusesHostileJson) {
  const auto from = [](std::string json) {
    return [json = std::move(json)] { MatFormerConfig::from_json(json); };
  };
  const auto widths = [&](const std::string& list) {
    return from(R"({"FFN Hidden Dims": )" + list + "}");
  };
  expect_error("at most 65536 bytes", widths("[" + std::string(70'000, ' ') + "1]"),
               ErrorCode::kCorruptData);
  expect_error("", from("nonsense"), ErrorCode::kCorruptData);
  expect_error("", from("[]"), ErrorCode::kCorruptData);
  expect_error("expected a number for each layer, got 0", from("{}"));
  expect_error("expected a number for each layer, got 0", widths("null"));
  expect_error("expected a number for each layer, got 0", widths("\"[]\""));
  expect_error("FFN Hidden Dims", widths("[1.5]"));
  expect_error("FFN Hidden Dims", widths("8192"));
  for (const char* text : {"[1, 2", "1, 2]", "[1,, 2]", "[1, ]", "[*2]", "[2 ** 3]", "[1 + 1]",
                           "[a]", "[__import__('os')]", "[9999999999 * 9999999999]", "[1]]", "["}) {
    expect_error("a list such as [8192, 2_048 * 8]", widths("\"" + std::string(text) + "\""));
  }
  expect_error("expected 3 numbers (# Layers), got 1",
               from(R"({"# Layers": 3, "FFN Hidden Dims": [1]})"));
  expect_error("got also {\"FFN Dims\": 1}", from(R"({"FFN Hidden Dims": [1], "FFN Dims": 1})"));
  expect_error("name", from(R"({"FFN Hidden Dims": [1], "name": 1})"));
}

TEST(MatFormerConfig, RefusesWhatIsNoModel) {
  const TextConfig config = small();
  const auto slice = [&](std::vector<std::int64_t> widths, std::vector<std::int64_t> skipped) {
    return [=] {
      MatFormerConfig{.intermediate_size = widths, .skipped_layers = skipped}.sliced(config);
    };
  };
  const std::vector<std::int64_t> six(6, 64);
  expect_error("expected 8 widths, one for each layer that is kept, got 7",
               slice(std::vector<std::int64_t>(7, 64), {}));
  expect_error("width of layer 0: expected 1 to 128, got 0",
               slice({0, 32, 32, 32, 32, 32, 32, 32}, {}));
  expect_error("width of layer 1: expected 1 to 128, got -32",
               slice({32, -32, 32, 32, 32, 32, 32, 32}, {}));
  expect_error("width of layer 7: expected 1 to 128, got 160",
               slice({32, 32, 32, 32, 32, 32, 32, 160}, {}));
  expect_error("width of layer 2: expected a multiple of 32, got 33",
               slice({32, 32, 33, 32, 32, 32, 32, 32}, {}));
  expect_error("layer 2 cannot be left out: layer 4 reads its keys and values", slice(six, {2, 3}));
  expect_error("expected all or none of the block 0 to 1, got 0 alone or with others",
               slice(six, {0, 7}));
  expect_error("expected all or none of the block 4 to 5, got 5 alone or with others",
               slice(std::vector<std::int64_t>(7, 64), {5}));
  expect_error("expected 0 to 7, got 8", slice(six, {6, 8}));
  expect_error("expected 0 to 7, got -1", slice(six, {-1, 0}));
  expect_error("expected ascending numbers, got 0 after 1", slice(six, {1, 0}));
  expect_error("expected ascending numbers, got 1 after 1", slice(six, {1, 1}));
  expect_error("expected 1 widths", slice({}, {0, 1, 2, 3, 4, 5, 6, 7}));
  slice(six, {6, 7})();
  TextConfig odd = config;
  odd.intermediate_size[0] = 100;
  expect_error("expected 100, which is no multiple of 32 and cannot be cut, got 64", [&] {
    MatFormerConfig{.intermediate_size = std::vector<std::int64_t>(8, 64)}.sliced(odd);
  });
}

TEST(MatFormerConfig, ReadsAFileByItsEnding) {
  const TextConfig config = small();
  const auto file =
      std::filesystem::temp_directory_path() / ("size_" + std::to_string(::getpid()) + ".json");
  std::ofstream(file) << R"({"FFN Hidden Dims": [32, 32, 32, 32, 32, 32, 32, 32]})";
  const auto size = MatFormerConfig::from_text(file.string(), config);
  EXPECT_EQ(size.intermediate_size[7], 32);
  EXPECT_EQ(size.name, file.stem().string());
  std::ofstream(file) << R"({"FFN Hidden Dims": [7]})";
  expect_error(file.filename().string() + ": size ",
               [&] { MatFormerConfig::from_text(file.string(), config); });
  std::filesystem::remove(file);
  expect_error(
      "", [&] { MatFormerConfig::from_text(file.string(), config); }, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gemma3n
