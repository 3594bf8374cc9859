#include "gemma3n/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

// E2B's text_config as transformers 4 wrote it.
constexpr const char* kOldForm = R"({
  "model_type": "gemma3n_text", "num_hidden_layers": 30, "intermediate_size": 8192,
  "num_kv_shared_layers": 10, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
  "rope_scaling": null, "query_pre_attn_scalar": 256, "altup_lr_multiplier": 1.0})";

// Four layers; every dimension is small and different.
constexpr const char* kSmall = R"({
  "vocab_size": 64, "vocab_size_per_layer_input": 60, "hidden_size": 24,
  "hidden_size_per_layer_input": 10, "intermediate_size": [48, 40, 32, 56], "num_hidden_layers": 4,
  "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "sliding_window": 5,
  "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
  "num_kv_shared_layers": 2, "laurel_rank": 3, "altup_num_inputs": 3, "altup_active_idx": 1,
  "activation_sparsity_pattern": [0.95, 1.0, 0.0, -1]})";

TEST(TextConfig, DefaultsAreThoseOfTransformers) {
  const TextConfig c = TextConfig::from_json("{}");
  EXPECT_EQ(c.vocab_size, 262400);
  EXPECT_EQ(c.num_hidden_layers, 35);
  EXPECT_EQ(c.intermediate_size, std::vector<std::int64_t>(35, 16384));
  for (std::size_t i = 0; i < 35; ++i) {
    EXPECT_EQ(c.layer_types[i], i % 5 == 4 ? AttentionType::kFull : AttentionType::kSliding) << i;
    EXPECT_EQ(c.activation_sparsity_pattern[i], i < 10 ? 0.95 : 0.0) << i;
  }
  EXPECT_EQ(c.rope_full.rope_theta, 1e6);
  EXPECT_EQ(c.rope_sliding.rope_theta, 1e4);
  EXPECT_EQ(c.first_kv_shared_layer(), 20);
  EXPECT_EQ(c.kv_layer(7), 7);
  EXPECT_EQ(c.kv_layer(20), 18);  // spec: sliding layers share 18's, full ones 19's
  EXPECT_EQ(c.kv_layer(24), 19);
  EXPECT_EQ(c.kv_layer(34), 19);
}

TEST(TextConfig, ReadsTheFormOfTransformers4) {
  const TextConfig c = TextConfig::from_json(kOldForm);
  EXPECT_EQ(c.intermediate_size, std::vector<std::int64_t>(30, 8192));
  EXPECT_EQ(c.first_kv_shared_layer(), 20);
  EXPECT_EQ(c.rope_full.rope_theta, 1e6);
  EXPECT_EQ(c.rope_full.rope_type, "default");
  EXPECT_EQ(c.extra_json, R"({"query_pre_attn_scalar": 256, "altup_lr_multiplier": 1.0})");
}

TEST(TextConfig, UpToTenLayersAreDenseByDefault) {
  const TextConfig c =
      TextConfig::from_json(R"({"num_hidden_layers": 10, "num_kv_shared_layers": 5})");
  EXPECT_EQ(c.activation_sparsity_pattern, std::vector<double>(10, 0.0));
}

TEST(TextConfig, ReadsEveryList) {
  const TextConfig c = TextConfig::from_json(kSmall);
  EXPECT_EQ(c.intermediate_size, (std::vector<std::int64_t>{48, 40, 32, 56}));
  EXPECT_EQ(c.activation_sparsity_pattern, (std::vector<double>{0.95, 1.0, 0.0, -1.0}));
  EXPECT_EQ(c.layer_types[1], AttentionType::kFull);
  EXPECT_EQ(c.kv_layer(2), 0);
  EXPECT_EQ(c.kv_layer(3), 1);
}

TEST(TextConfig, OldRopeScalingConcernsFullLayersOnly) {
  const TextConfig c = TextConfig::from_json(
      R"({"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "factor": 8}})");
  EXPECT_EQ(c.rope_full.rope_type, "linear");
  EXPECT_EQ(c.rope_full.factor, 8.0);
  EXPECT_EQ(c.rope_full.rope_theta, 5e5);
  EXPECT_EQ(c.rope_sliding.rope_type, "default");
}

TEST(TextConfig, OldRopeScalingMaySpellItsTypeTheOldWay) {
  const TextConfig c =
      TextConfig::from_json(R"({"rope_scaling": {"type": "linear", "factor": 2.0}})");
  EXPECT_EQ(c.rope_full.rope_type, "linear");
}

TEST(TextConfig, NewRopeParametersWinOverOldKeys) {
  const TextConfig c = TextConfig::from_json(R"({"rope_theta": 3.0, "rope_local_base_freq": 4.0,
      "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 5.0}}})");
  EXPECT_EQ(c.rope_full.rope_theta, 5.0);
  EXPECT_EQ(c.rope_sliding.rope_theta, 4.0);
}

TEST(TextConfig, ReadsYarnAndLlama3) {
  const TextConfig c = TextConfig::from_json(R"({"rope_parameters": {
      "full_attention": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "beta_fast": 20,
                         "attention_factor": 1.2, "mscale": null, "truncate": false,
                         "original_max_position_embeddings": 8192},
      "sliding_attention": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.5,
                            "high_freq_factor": 4.5, "rope_theta": 9.0}}})");
  EXPECT_EQ(c.rope_full.beta_fast, 20.0);
  EXPECT_EQ(c.rope_full.attention_factor, 1.2);
  EXPECT_EQ(c.rope_full.mscale, std::nullopt);
  EXPECT_FALSE(c.rope_full.truncate);
  EXPECT_EQ(c.rope_full.original_max_position_embeddings, 8192);
  EXPECT_EQ(c.rope_sliding.low_freq_factor, 1.5);
  EXPECT_EQ(c.rope_sliding.high_freq_factor, 4.5);
  EXPECT_EQ(c.rope_sliding.original_max_position_embeddings, 0);  // max_position_embeddings
}

// Values that look odd, that transformers takes, and that mean something.
TEST(TextConfig, AcceptsWhatHasAMeaning) {
  for (const char* json : {
           R"({"hidden_size_per_layer_input": 0})",
           R"({"altup_num_inputs": 1})",
           R"({"altup_num_inputs": 2, "altup_active_idx": 1})",
           R"({"num_kv_shared_layers": 0})",
           R"({"num_hidden_layers": 1, "num_kv_shared_layers": 0})",
           R"({"attention_bias": true})",
           R"({"altup_correct_scale": false})",
           R"({"tie_word_embeddings": false})",
           R"({"hidden_activation": "gelu"})",
           R"({"hidden_activation": "gelu_new"})",
           R"({"hidden_activation": "silu"})",
           R"({"hidden_activation": "swish"})",
           R"({"hidden_activation": "relu"})",
           R"({"hidden_activation": "quick_gelu"})",
           R"({"head_dim": 2})",
           R"({"sliding_window": 1})",
           R"({"rms_norm_eps": 0})",
           R"({"rms_norm_eps": 0.1})",
           R"({"altup_coef_clip": 120})",
           R"({"attention_dropout": null})",
           R"({"eos_token_id": null, "pad_token_id": null, "bos_token_id": null})",
           R"({"eos_token_id": [1, 106]})",
           R"({"layer_types": null, "activation_sparsity_pattern": null, "rope_parameters": null})",
           R"({"rope_parameters": {}})",
           R"({"rope_parameters": {"full_attention": null}})",
           R"({"rope_parameters": {"full_attention": {"type": "linear", "factor": 0.5}}})",
           R"({"rope_parameters": {"full_attention": {"partial_rotary_factor": 0.5, "foo": 1}}})",
           R"({"anything": {"nested": [1, "2", null, true]}})",
       }) {
    EXPECT_NO_THROW(TextConfig::from_json(json)) << json;
  }
}

TEST(TextConfig, WritesWhatItReads) {
  for (const char* json :
       {"{}", kSmall, kOldForm,
        R"({"rope_scaling": {"rope_type": "yarn", "factor": 2.5}, "x": [1e-300]})",
        R"({"eos_token_id": null, "pad_token_id": null})",
        R"({"eos_token_id": [1, 106], "rms_norm_eps": 1e-07})"}) {
    const std::string once = TextConfig::from_json(json).to_json();
    EXPECT_EQ(TextConfig::from_json(once).to_json(), once) << json;
  }
  const TextConfig again = TextConfig::from_json(TextConfig::from_json(kSmall).to_json());
  EXPECT_EQ(again.head_dim, 14);
  EXPECT_EQ(again.activation_sparsity_pattern, (std::vector<double>{0.95, 1.0, 0.0, -1.0}));
  EXPECT_EQ(again.layer_types, TextConfig::from_json(kSmall).layer_types);
}

TEST(TextConfig, AConfigMadeByHandIsValidated) {
  TextConfig c;
  EXPECT_THROW(c.validate(), Error);  // the lists are still empty
  c.derive_defaults();
  EXPECT_NO_THROW(c.validate());
  c.intermediate_size.pop_back();
  EXPECT_THROW(c.validate(), Error);
}

TEST(Config, DefaultsAndParts) {
  const Config c = Config::from_json(R"({"model_type": "gemma3n", "eos_token_id": [1, 106],
      "text_config": {"num_hidden_layers": 30, "num_kv_shared_layers": 10},
      "vision_config": {"model_type": "gemma3n_vision", "model_args": {"channel_multiplier": 0.25}},
      "audio_config": null, "torch_dtype": "bfloat16"})");
  EXPECT_EQ(c.text_config.num_hidden_layers, 30);
  EXPECT_EQ(c.vision_config.model_args_json, R"({"channel_multiplier": 0.25})");
  EXPECT_EQ(c.audio_config.conf_num_hidden_layers, 12);
  EXPECT_EQ(c.audio_config.sscp_conv_kernel_size[1], (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(c.eos_token_id, (std::vector<std::int64_t>{1, 106}));
  EXPECT_EQ(c.image_token_id, 262145);
  EXPECT_EQ(c.extra_json, R"({"torch_dtype": "bfloat16"})");
  const std::string once = c.to_json();
  EXPECT_EQ(Config::from_json(once).to_json(), once);
}

class ConfigFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "config_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& text) const { std::ofstream(folder_ / "config.json") << text; }

  template <typename Read>
  void expect_error(ErrorCode code, const std::string& message, const Read& read) const {
    try {
      read();
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  }
  fs::path folder_;
};

TEST_F(ConfigFile, ATextModelsFileIsTheTextConfig) {
  write(kOldForm);
  EXPECT_EQ(TextConfig::from_pretrained(folder_).num_hidden_layers, 30);
  expect_error(ErrorCode::kUnsupported,
               "config.json: model_type: expected gemma3n, got gemma3n_text",
               [&] { Config::from_pretrained(folder_); });
}

TEST_F(ConfigFile, TheOuterConfigDecidesWhatBothSay) {
  write(R"({"model_type": "gemma3n", "eos_token_id": [1, 106], "tie_word_embeddings": false,
            "text_config": {"eos_token_id": 1, "tie_word_embeddings": true}})");
  const TextConfig c = TextConfig::from_pretrained(folder_);
  EXPECT_EQ(c.eos_token_id, (std::vector<std::int64_t>{1, 106}));
  EXPECT_FALSE(c.tie_word_embeddings);
}

TEST_F(ConfigFile, MessagesNameFileFieldAndValue) {
  write(R"({"model_type": "gemma3n", "text_config": {"hidden_size": 48.0}})");
  expect_error(ErrorCode::kInvalidArgument,
               "config.json: text_config.hidden_size: expected an integer, got 48.0",
               [&] { TextConfig::from_pretrained(folder_); });
}

TEST_F(ConfigFile, RefusesOtherFilesAndModels) {
  expect_error(ErrorCode::kNotFound, "config.json", [&] { TextConfig::from_pretrained(folder_); });
  for (const auto& [text, code, message] :
       std::vector<std::tuple<std::string, ErrorCode, std::string>>{
           {"", ErrorCode::kCorruptData, "no text"},
           {"{", ErrorCode::kCorruptData, "not valid JSON"},
           {"[]", ErrorCode::kCorruptData, "expected a JSON object"},
           {"{}", ErrorCode::kUnsupported,
            "model_type: expected gemma3n or gemma3n_text, got none"},
           {R"({"model_type": "gemma3"})", ErrorCode::kUnsupported, "got gemma3"},
           {R"({"model_type": null})", ErrorCode::kInvalidArgument, "expected a string, got null"},
           {R"({"model_type": "gemma3n_text", "head_dim": 2, "head_dim": 4})",
            ErrorCode::kCorruptData, "head_dim: the key is given twice"},
           {R"({"model_type": "gemma3n", "text_config": {"a": {"b": 1, "b": 2}}})",
            ErrorCode::kCorruptData, "text_config.a.b: the key is given twice"},
           {R"({"model_type": "gemma3n", "text_config": []})", ErrorCode::kInvalidArgument,
            "text_config: expected an object"},
           {R"({"model_type": "gemma3n", "text_config": {"model_type": "gemma3_text"}})",
            ErrorCode::kUnsupported, "text_config.model_type: expected gemma3n_text"},
           {std::string(600'000, ' '), ErrorCode::kUnsupported, "expected at most"},
       }) {
    write(text);
    expect_error(code, message, [&] { TextConfig::from_pretrained(folder_); });
  }
}

}  // namespace
}  // namespace gemma3n
