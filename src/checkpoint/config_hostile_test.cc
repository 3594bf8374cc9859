// Every field of config.json with every kind of nonsense: an Error that names the field, before
// anything is allocated in earnest. The few values that mean something are listed with their field.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "gemma3n/config.h"

namespace gemma3n {
namespace {

using Strings = std::vector<std::string>;

const std::string k2To31 = "2147483648", k2To63 = "9223372036854775808";

// JSON texts; the last ones are not even JSON.
const Strings kNonsense = {"0",
                           "-1",
                           k2To31,
                           k2To63,
                           "-9223372036854775808",
                           "1e999",
                           "-1e999",
                           "1e308",
                           "NaN",
                           "Infinity",
                           "0.5",
                           "48.0",
                           "null",
                           "true",
                           "\"8\"",
                           "[]",
                           "[1]",
                           "{}",
                           "99999999999999999999",
                           "1_000"};

struct Field {
  const char* name;
  Strings accepted;  // of kNonsense
};

// Sets one field of an object that is otherwise all defaults.
struct Group {
  const char* what;
  const char* path;  // in messages
  std::string before, after;
  std::vector<Field> fields;
  std::function<void(const std::string&)> read;
};

std::vector<Group> groups() {
  const Strings kTruth = {"true"};
  const auto read_text = [](const std::string& json) { TextConfig::from_json(json); };
  const auto read_audio = [](const std::string& json) { AudioConfig::from_json(json); };
  const auto read_vision = [](const std::string& json) { VisionConfig::from_json(json); };
  const auto read_whole = [](const std::string& json) { Config::from_json(json); };
  const Strings kId = {"0", "null"};
  const Strings kShare = {"0", "0.5"};
  return {
      {"text",
       "text_config.",
       "{",
       "}",
       {{"vocab_size", {}},
        {"vocab_size_per_layer_input", {}},
        {"hidden_size", {}},
        {"hidden_size_per_layer_input", {"0"}},
        {"intermediate_size", {}},
        {"num_hidden_layers", {}},
        {"num_attention_heads", {}},
        {"num_key_value_heads", {}},
        {"head_dim", {}},
        {"hidden_activation", {}},
        {"max_position_embeddings", {}},
        {"initializer_range", {"0", k2To31, "1e308", "0.5", "48.0"}},
        {"rms_norm_eps", kShare},
        {"use_cache", kTruth},
        {"pad_token_id", kId},
        {"bos_token_id", kId},
        {"eos_token_id", {"0", "null", "[]", "[1]"}},
        {"tie_word_embeddings", kTruth},
        {"attention_bias", kTruth},
        {"attention_dropout", {"0", "0.5", "null"}},
        {"sliding_window", {}},
        {"layer_types", {"null"}},
        {"final_logit_softcapping", {k2To31, "1e308", "0.5", "48.0"}},
        {"altup_active_idx", {"0"}},
        {"altup_coef_clip", {"0", k2To31, "1e308", "0.5", "48.0"}},
        {"altup_correct_scale", kTruth},
        {"altup_num_inputs", {}},
        {"num_kv_shared_layers", {"0"}},
        {"laurel_rank", {}},
        {"activation_sparsity_pattern", {"null"}},
        {"rope_theta", {k2To31, "1e308", "0.5", "48.0"}},
        {"rope_local_base_freq", {k2To31, "1e308", "0.5", "48.0"}},
        {"rope_scaling", {"null", "{}"}},
        {"rope_parameters", {"null", "{}"}}},
       read_text},
      {"rope",
       "text_config.rope_parameters.full_attention.",
       R"({"rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 2.0, "unused": 0, )",
       "}}}",
       {{"rope_theta", {k2To31, "1e308", "48.0"}},
        {"beta_fast", {k2To31, "1e308", "0.5", "48.0", "null"}},
        {"beta_slow", {k2To31, "1e308", "0.5", "48.0", "null"}},
        {"attention_factor", {k2To31, "1e308", "0.5", "48.0", "null"}},
        {"mscale", {"0", k2To31, "1e308", "0.5", "48.0", "null"}},
        {"mscale_all_dim", {"0", k2To31, "1e308", "0.5", "48.0", "null"}},
        {"original_max_position_embeddings", {"null"}},
        {"truncate", kTruth}},
       read_text},
      {"audio",
       "audio_config.",
       "{",
       "}",
       {{"vocab_size", {}},
        {"vocab_offset", {"0"}},
        {"input_feat_size", {}},
        {"hidden_size", {}},
        {"rms_norm_eps", kShare},
        {"gradient_clipping", {"0", k2To31, "1e308", "0.5", "48.0"}},
        {"conf_attention_chunk_size", {}},
        {"conf_attention_context_left", {"0"}},
        {"conf_attention_context_right", {"0"}},
        {"conf_attention_logit_cap", {k2To31, "1e308", "0.5", "48.0"}},
        {"conf_num_attention_heads", {}},
        {"conf_num_hidden_layers", {}},
        {"conf_conv_kernel_size", {}},
        {"conf_reduction_factor", {"0"}},
        {"conf_residual_weight",
         {"0", "-1", k2To31, "-9223372036854775808", "1e308", "0.5", "48.0"}},
        {"sscp_conv_channel_size", {}},
        {"sscp_conv_group_norm_eps", kShare},
        {"sscp_conv_kernel_size", {}},
        {"sscp_conv_stride_size", {}}},
       read_audio},
      {"vision",
       "vision_config.",
       "{",
       "}",
       {{"architecture", {}},
        {"do_pooling", {}},
        {"initializer_range", {"0", k2To31, "1e308", "0.5", "48.0"}},
        {"hidden_size", {}},
        {"vocab_size", {}},
        {"vocab_offset", {"0"}},
        {"rms_norm_eps", kShare},
        {"model_args", {"null", "{}"}}},
       read_vision},
      {"whole",
       "",
       R"({"model_type": "gemma3n", )",
       "}",
       {{"text_config", {"null", "{}"}},
        {"vision_config", {"null", "{}"}},
        {"audio_config", {"null", "{}"}},
        {"audio_soft_tokens_per_image", {}},
        {"vision_soft_tokens_per_image", {}},
        {"boi_token_id", {"0"}},
        {"eoi_token_id", {"0"}},
        {"image_token_id", {"0"}},
        {"boa_token_id", {"0"}},
        {"eoa_token_id", {"0"}},
        {"audio_token_id", {"0"}},
        {"eos_token_id", {"0", "null", "[]", "[1]"}},
        {"initializer_range", {"0", k2To31, "1e308", "0.5", "48.0"}},
        {"tie_word_embeddings", {"true", "null"}}},
       read_whole},
  };
}

void expect_refusal(const Group& group, const Field& field, const std::string& value) {
  const std::string json = group.before + "\"" + field.name + "\": " + value + group.after;
  try {
    group.read(json);
    ADD_FAILURE() << group.what << ": accepted " << json;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(field.name), std::string::npos) << json << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_NE(error.code(), ErrorCode::kInternal) << message;
  }
}

TEST(ConfigHostile, EveryFieldRefusesNonsenseByName) {
  int refused = 0, accepted = 0;
  for (const Group& group : groups()) {
    for (const Field& field : group.fields) {
      for (const std::string& value : kNonsense) {
        if (std::ranges::find(field.accepted, value) == field.accepted.end()) {
          expect_refusal(group, field, value);
          ++refused;
        } else {
          const std::string json = group.before + "\"" + field.name + "\": " + value + group.after;
          EXPECT_NO_THROW(group.read(json)) << json;
          ++accepted;
        }
      }
    }
  }
  EXPECT_GE(refused, 300);
  std::printf("%d values refused, %d accepted\n", refused, accepted);
}

std::string list_of(const std::string& item, int count) {
  std::string list = "[";
  for (int i = 0; i < count; ++i) list += (i == 0 ? "" : ",") + item;
  return list + "]";
}

// What only makes sense, or none, together with the other fields.
TEST(ConfigHostile, FieldsThatContradictEachOtherAreRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"num_hidden_layers", R"("num_hidden_layers": 1025)"},
      {"num_hidden_layers", R"("num_hidden_layers": 1000000000000, "intermediate_size": 8)"},
      {"intermediate_size", R"("intermediate_size": )" + list_of("8", 34)},
      {"intermediate_size", R"("intermediate_size": )" + list_of("8", 36)},
      {"intermediate_size", R"("intermediate_size": )" + list_of("0", 35)},
      {"intermediate_size", R"("intermediate_size": )" + list_of("-8", 35)},
      {"intermediate_size", R"("intermediate_size": )" + list_of("8.0", 35)},
      {"intermediate_size", R"("intermediate_size": )" + list_of("true", 35)},
      {"intermediate_size", R"("intermediate_size": )" + list_of("null", 35)},
      {"intermediate_size", R"("intermediate_size": )" + list_of("[8]", 35)},
      {"intermediate_size", R"("intermediate_size": )" + list_of(k2To31, 35)},
      {"layer_types", R"("layer_types": )" + list_of("\"full_attention\"", 34)},
      {"layer_types", R"("layer_types": )" + list_of("\"full_attention\"", 36)},
      {"layer_types", R"("layer_types": )" + list_of("\"chunked_attention\"", 35)},
      {"layer_types", R"("layer_types": )" + list_of("\"Full_attention\"", 35)},
      {"layer_types", R"("layer_types": )" + list_of("\"\"", 35)},
      {"layer_types", R"("layer_types": )" + list_of("0", 35)},
      {"layer_types", R"("layer_types": )" + list_of("null", 35)},
      {"activation_sparsity_pattern", R"("activation_sparsity_pattern": )" + list_of("0.5", 34)},
      {"activation_sparsity_pattern", R"("activation_sparsity_pattern": )" + list_of("0.5", 36)},
      {"activation_sparsity_pattern", R"("activation_sparsity_pattern": )" + list_of("1.5", 35)},
      {"activation_sparsity_pattern",
       R"("activation_sparsity_pattern": )" + list_of("1.0000001", 35)},
      {"activation_sparsity_pattern", R"("activation_sparsity_pattern": )" + list_of("NaN", 35)},
      {"activation_sparsity_pattern",
       R"("activation_sparsity_pattern": )" + list_of("\"0.5\"", 35)},
      {"activation_sparsity_pattern", R"("activation_sparsity_pattern": )" + list_of("null", 35)},
      {"hidden_size", R"("hidden_size": 2049)"},
      {"hidden_size", R"("num_attention_heads": 6, "num_key_value_heads": 2)"},
      {"num_key_value_heads", R"("num_key_value_heads": 3)"},
      {"num_key_value_heads", R"("num_key_value_heads": 16)"},
      {"head_dim", R"("head_dim": 255)"},
      {"head_dim", R"("head_dim": 1)"},
      {"head_dim", R"("head_dim": 1048576)"},
      {"altup_active_idx", R"("altup_active_idx": 4)"},
      {"altup_active_idx", R"("altup_num_inputs": 1, "altup_active_idx": 1)"},
      {"altup_num_inputs", R"("altup_num_inputs": 257)"},
      {"num_kv_shared_layers", R"("num_kv_shared_layers": 35)"},
      {"num_kv_shared_layers", R"("num_kv_shared_layers": 36)"},
      {"num_kv_shared_layers", R"("num_kv_shared_layers": 31)"},  // no full layer before 4
      {"num_kv_shared_layers", R"("num_hidden_layers": 4)"},      // default 15
      {"pad_token_id", R"("pad_token_id": 262400)"},
      {"bos_token_id", R"("vocab_size": 2)"},
      {"eos_token_id", R"("eos_token_id": [1, 262400])"},
      {"eos_token_id", R"("eos_token_id": [1, -1])"},
      {"eos_token_id", R"("eos_token_id": [1, true])"},
      {"eos_token_id", R"("eos_token_id": [[1]])"},
      {"hidden_activation", R"("hidden_activation": "gelu_10")"},
      {"hidden_activation", R"("hidden_activation": "GELU")"},
      {"hidden_activation", R"("hidden_activation": "")"},
      {"hidden_activation", R"("hidden_activation": "a\nb")"},
      {"rope_theta", R"("rope_parameters": {"full_attention": {"rope_theta": 0}})"},
      {"rope_theta", R"("rope_parameters": {"full_attention": {"rope_theta": -1.0}})"},
      {"rope_theta", R"("rope_parameters": {"full_attention": {"rope_theta": NaN}})"},
      {"rope_theta", R"("rope_parameters": {"sliding_attention": {"rope_theta": 0.0}})"},
      {"rope_theta", R"("rope_parameters": {"sliding_attention": {"rope_theta": null}})"},
      {"rope_theta", R"("rope_parameters": {"rope_theta": 1e6})"},
      {"rope_type", R"("rope_parameters": {"rope_type": "default"})"},
      {"rope_type", R"("rope_parameters": {"full_attention": {"rope_type": "dynamic"}})"},
      {"rope_type", R"("rope_parameters": {"full_attention": {"rope_type": "longrope"}})"},
      {"rope_type", R"("rope_parameters": {"full_attention": {"rope_type": "proportional"}})"},
      {"rope_type", R"("rope_parameters": {"full_attention": {"rope_type": null}})"},
      {"rope_type", R"("rope_parameters": {"full_attention": {"rope_type": 1}})"},
      {"full_attention", R"("rope_parameters": {"full_attention": []})"},
      {"sliding_attention", R"("rope_parameters": {"sliding_attention": 1})"},
      {"factor", R"("rope_parameters": {"full_attention": {"rope_type": "linear"}})"},
      {"factor", R"("rope_scaling": {"rope_type": "linear", "factor": 0})"},
      {"factor", R"("rope_scaling": {"rope_type": "linear", "factor": -2.0})"},
      {"factor", R"("rope_scaling": {"rope_type": "linear", "factor": null})"},
      {"factor", R"("rope_scaling": {"rope_type": "linear", "factor": "2"})"},
      {"factor", R"("rope_scaling": {"rope_type": "yarn"})"},
      {"low_freq_factor", R"("rope_scaling": {"rope_type": "llama3", "factor": 8.0})"},
      {"high_freq_factor",
       R"("rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0})"},
      {"low_freq_factor", R"("rope_scaling": {"rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 0.0, "high_freq_factor": 4.0})"},
      {"high_freq_factor", R"("rope_scaling": {"rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 4.0, "high_freq_factor": 4.0})"},
      {"partial_rotary_factor", R"("rope_scaling": {"rope_type": "linear", "factor": 2.0,
        "partial_rotary_factor": 0.5})"},
      {"model_type", R"("model_type": "gemma3n")"},
      {"model_type", R"("model_type": 3)"},
  };
  for (const auto& [name, fields] : cases) {
    try {
      TextConfig::from_json("{" + fields + "}");
      ADD_FAILURE() << "accepted " << fields;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos)
          << fields << ": " << error.what();
    }
  }
  std::printf("%zu combinations refused\n", cases.size());
}

TEST(ConfigHostile, AudioFieldsThatContradictEachOtherAreRefused) {
  for (const char* json :
       {R"({"hidden_size": 1537})", R"({"hidden_size": 9, "conf_num_attention_heads": 3})",
        R"({"conf_num_attention_heads": 7})", R"({"sscp_conv_channel_size": [1, 2, 3]})",
        R"({"sscp_conv_channel_size": [128, 0]})", R"({"sscp_conv_kernel_size": [[3, 3]]})",
        R"({"sscp_conv_kernel_size": [[3, 3], [3]]})", R"({"sscp_conv_kernel_size": [[3, 3], 3]})",
        R"({"sscp_conv_stride_size": [[2, 2], [2, 0]]})",
        R"({"sscp_conv_stride_size": [[2, 2], [2, 2], [2, 2]]})"}) {
    EXPECT_THROW(AudioConfig::from_json(json), Error) << json;
  }
}

// Large and deep documents; the file's own limit is 512 KiB.
TEST(ConfigHostile, LargeDocumentsCostAtMost64MiB) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers change what memory costs";
#endif
  constexpr std::size_t kSize = 512u << 10;
  const auto repeat = [](const std::string& text) {
    std::string out;
    while (out.size() + text.size() < kSize - 100) out += text;
    return out;
  };
  std::string keys;
  for (int i = 0; keys.size() < kSize - 100; ++i) keys += "\"" + std::to_string(i) + "\":0,";
  const std::vector<std::string> documents = {
      "{\"a\":[" + repeat("0,") + "0]}",
      "{\"a\":[" + repeat("{},") + "0]}",
      "{\"a\":[" + repeat("[],") + "0]}",
      "{\"a\":[" + repeat("\"\",") + "0]}",
      "{" + keys + "\"x\":0}",
      "{\"a\":" + repeat("[") + "}",
      "{\"a\":\"" + repeat("\\u0041") + "\"}",
      "{\"intermediate_size\":[" + repeat("1,") + "1]}",
      "{\"layer_types\":[" + repeat("\"full_attention\",") + "1]}",
  };
  for (const auto& document : documents) {
    ::malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";
    const auto kib = [](const std::string& key) {
      std::ifstream status("/proc/self/status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with(key)) return std::stol(line.substr(key.size()));
      }
      return -1L;
    };
    const long before = kib("VmRSS:");
    try {
      TextConfig::from_json(document);
    } catch (const Error&) {
    }
    EXPECT_GT(before, 0);
    EXPECT_LE(kib("VmHWM:") - before, 64 * 1024) << document.substr(0, 40);
  }
}

}  // namespace
}  // namespace gemma3n
