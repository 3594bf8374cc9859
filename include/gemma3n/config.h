// Hyper-parameters, as in the checkpoint's config.json. Field names are the JSON keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

enum class AttentionType { kSliding, kFull };  // "sliding_attention", "full_attention"

// Rotary embedding of one attention type. Ref: HF modeling_rope_utils.
struct RopeParameters {
  std::string rope_type = "default";  // "default", "linear", "llama3", "yarn"
  double rope_theta = 10000.0;
  double factor = 1.0;                                    // linear, llama3, yarn
  double low_freq_factor = 1.0, high_freq_factor = 4.0;   // llama3
  double beta_fast = 32.0, beta_slow = 1.0;               // yarn
  std::optional<double> attention_factor = std::nullopt;  // yarn
  std::optional<double> mscale = std::nullopt, mscale_all_dim = std::nullopt;  // yarn
  bool truncate = true;  // yarn; kept, but without effect, as in transformers
  std::int64_t original_max_position_embeddings = 0;  // llama3, yarn; 0 = max_position_embeddings
};

// "text_config". Defaults are those of Gemma3nTextConfig; E2B's values where they differ.
struct TextConfig {
  std::int64_t vocab_size = 262400;
  std::int64_t vocab_size_per_layer_input = 262144;
  std::int64_t hidden_size = 2048;                 // D
  std::int64_t hidden_size_per_layer_input = 256;  // P
  std::vector<std::int64_t> intermediate_size;     // [L] F of each layer; default 16384 (E2B 8192)
  std::int64_t num_hidden_layers = 35;             // L (E2B 30)
  std::int64_t num_attention_heads = 8;            // H
  std::int64_t num_key_value_heads = 2;            // K, divides H
  std::int64_t head_dim = 256;                     // E
  std::string hidden_activation = "gelu_pytorch_tanh";
  std::int64_t max_position_embeddings = 32768;
  double initializer_range = 0.02;
  double rms_norm_eps = 1e-6;
  bool use_cache = true;
  std::optional<std::int64_t> pad_token_id = 0;
  std::vector<std::int64_t> eos_token_id = {1};
  std::optional<std::int64_t> bos_token_id = 2;
  bool tie_word_embeddings = true;
  bool attention_bias = false;
  double attention_dropout = 0.0;          // training only
  std::int64_t sliding_window = 512;       // keys a sliding layer sees, the query's own included
  std::vector<AttentionType> layer_types;  // [L]; default: every fifth layer is full
  double final_logit_softcapping = 30.0;
  RopeParameters rope_sliding;  // rope_parameters["sliding_attention"], theta 1e4
  RopeParameters rope_full{.rope_theta =
                               1000000.0};  // rope_parameters["full_attention"], theta 1e6
  std::int64_t altup_active_idx = 0;        // the stream that attention and MLP see
  double altup_coef_clip = 120.0;           // training only
  bool altup_correct_scale = true;
  std::int64_t altup_num_inputs = 4;       // A parallel streams
  std::int64_t num_kv_shared_layers = 15;  // E2B 10
  std::int64_t laurel_rank = 64;           // R
  std::vector<double>
      activation_sparsity_pattern;  // [L]; default: first ten 0.95 if L > 10, else 0
  std::string extra_json = "{}";    // keys this library does not know, kept for to_json

  // Fills the lists that are still empty with the defaults above (HF __post_init__).
  void derive_defaults();
  // Throws: kInvalidArgument or kUnsupported naming the field, its value and what is allowed.
  void validate() const;

  // Reads "text_config" of config.json, or the whole file when it is a text-only model's.
  static TextConfig from_pretrained(const std::filesystem::path& model_dir);
  static TextConfig from_json(std::string_view json);  // the object itself; validated
  std::string to_json() const;

  // The first layer that has no keys and values of its own; L if none is shared.
  std::int64_t first_kv_shared_layer() const;
  // The layer whose keys and values layer `i` uses: itself, or the last owner of the same type.
  std::int64_t kv_layer(std::int64_t i) const;
};

// "vision_config": timm's mobilenetv5_300m_enc and the projection to text space.
struct VisionConfig {
  std::string architecture = "mobilenetv5_300m_enc";
  bool do_pooling = false;
  double initializer_range = 0.02;
  std::string model_args_json = "null";  // keyword arguments of timm's constructor
  std::int64_t hidden_size = 2048;
  std::int64_t vocab_size = 128;
  std::int64_t vocab_offset = 262144;
  double rms_norm_eps = 1e-6;
  std::string extra_json = "{}";

  void validate() const;
  static VisionConfig from_json(std::string_view json);
  std::string to_json() const;
};

// "audio_config": the conformer and the projection to text space.
struct AudioConfig {
  std::int64_t vocab_size = 128;
  std::int64_t vocab_offset = 262272;
  std::int64_t input_feat_size = 128;  // mel bins
  std::int64_t hidden_size = 1536;
  double rms_norm_eps = 1e-6;
  double gradient_clipping = 1e10;
  std::int64_t conf_attention_chunk_size = 12;
  std::int64_t conf_attention_context_left = 13;
  std::int64_t conf_attention_context_right = 0;
  double conf_attention_logit_cap = 50.0;
  std::int64_t conf_num_attention_heads = 8;
  std::int64_t conf_num_hidden_layers = 12;
  std::int64_t conf_conv_kernel_size = 5;
  std::int64_t conf_reduction_factor = 4;
  double conf_residual_weight = 0.5;
  std::vector<std::int64_t> sscp_conv_channel_size = {128, 32};
  double sscp_conv_group_norm_eps = 1e-3;
  std::vector<std::vector<std::int64_t>> sscp_conv_kernel_size = {{3, 3},
                                                                  {3, 3}};  // (time, frequency)
  std::vector<std::vector<std::int64_t>> sscp_conv_stride_size = {{2, 2}, {2, 2}};
  std::string extra_json = "{}";

  void validate() const;
  static AudioConfig from_json(std::string_view json);
  std::string to_json() const;
};

// A whole config.json of model_type "gemma3n".
struct Config {
  TextConfig text_config;
  VisionConfig vision_config;
  AudioConfig audio_config;
  std::int64_t audio_soft_tokens_per_image = 188;
  std::int64_t vision_soft_tokens_per_image = 256;
  std::int64_t boi_token_id = 255999;
  std::int64_t eoi_token_id = 262144;
  std::int64_t image_token_id = 262145;
  std::int64_t boa_token_id = 256000;
  std::int64_t eoa_token_id = 262272;
  std::int64_t audio_token_id = 262273;
  std::vector<std::int64_t> eos_token_id;  // empty: the text config's
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
  std::string extra_json = "{}";

  void validate() const;
  // Throws: kNotFound, kCorruptData (not JSON, duplicate keys), kInvalidArgument (a value),
  // kUnsupported (another model_type); "config.json: text_config.<key>: expected ..., got ...".
  static Config from_pretrained(const std::filesystem::path& model_dir);
  static Config from_json(std::string_view json);
  std::string to_json() const;
};

}  // namespace gemma3n
