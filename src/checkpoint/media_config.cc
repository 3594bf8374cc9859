#include "checkpoint/media_config.h"

#include <string>

#include "checkpoint/config_fields.h"
#include "checkpoint/printable.h"
#include "checkpoint/text_config_limits.h"

namespace gemma3n {
namespace {

constexpr std::string_view kArchitecture = "mobilenetv5_300m_enc";
constexpr std::string_view kVisionType = "gemma3n_vision", kAudioType = "gemma3n_audio";
constexpr std::int64_t kMaxChannels = 1 << 16, kMaxFrames = 1 << 16, kMaxKernel = 64;
constexpr double kAnyNumber = 1e308;

template <typename Visitor, typename Config>
void visit_vision_fields(Visitor& visit, Config& c) {
  visit("architecture", c.architecture);
  visit("do_pooling", c.do_pooling);
  visit("initializer_range", c.initializer_range);
  visit("hidden_size", c.hidden_size);
  visit("vocab_size", c.vocab_size);
  visit("vocab_offset", c.vocab_offset);
  visit("rms_norm_eps", c.rms_norm_eps);
}

template <typename Visitor, typename Config>
void visit_audio_fields(Visitor& visit, Config& c) {
  visit("vocab_size", c.vocab_size);
  visit("vocab_offset", c.vocab_offset);
  visit("input_feat_size", c.input_feat_size);
  visit("hidden_size", c.hidden_size);
  visit("rms_norm_eps", c.rms_norm_eps);
  visit("gradient_clipping", c.gradient_clipping);
  visit("conf_attention_chunk_size", c.conf_attention_chunk_size);
  visit("conf_attention_context_left", c.conf_attention_context_left);
  visit("conf_attention_context_right", c.conf_attention_context_right);
  visit("conf_attention_logit_cap", c.conf_attention_logit_cap);
  visit("conf_num_attention_heads", c.conf_num_attention_heads);
  visit("conf_num_hidden_layers", c.conf_num_hidden_layers);
  visit("conf_conv_kernel_size", c.conf_conv_kernel_size);
  visit("conf_reduction_factor", c.conf_reduction_factor);
  visit("conf_residual_weight", c.conf_residual_weight);
  visit("sscp_conv_channel_size", c.sscp_conv_channel_size);
  visit("sscp_conv_group_norm_eps", c.sscp_conv_group_norm_eps);
  visit("sscp_conv_kernel_size", c.sscp_conv_kernel_size);
  visit("sscp_conv_stride_size", c.sscp_conv_stride_size);
}

void expect_model_type(FieldReader& reader, std::string_view expected) {
  std::string model_type(expected);
  reader("model_type", model_type);
  if (model_type == expected) return;
  fail(ErrorCode::kUnsupported, reader.path(), "model_type: expected ", expected, ", got ",
       printable(model_type));
}

std::string audio_field(std::string_view key) { return "audio_config." + std::string(key); }

// Two convolutions, each with a (time, frequency) pair.
void validate_pairs(std::string_view key, const std::vector<std::vector<std::int64_t>>& pairs) {
  bool are_pairs = pairs.size() == 2;
  for (const auto& pair : pairs) are_pairs = are_pairs && pair.size() == 2;
  if (!are_pairs) {
    fail(ErrorCode::kInvalidArgument, audio_field(key),
         ": expected two lists of two integers, got ", pairs.size(), " lists");
  }
  for (const auto& pair : pairs) {
    for (const std::int64_t value : pair) {
      expect_range(audio_field(key), value, std::int64_t{1}, kMaxKernel);
    }
  }
}

void validate_conformer(const AudioConfig& c) {
  const auto range = [](std::string_view key, std::int64_t value, std::int64_t lowest,
                        std::int64_t highest) {
    expect_range(audio_field(key), value, lowest, highest);
  };
  range("conf_attention_chunk_size", c.conf_attention_chunk_size, 1, kMaxFrames);
  range("conf_attention_context_left", c.conf_attention_context_left, 0, kMaxFrames);
  range("conf_attention_context_right", c.conf_attention_context_right, 0, kMaxFrames);
  expect_above(audio_field("conf_attention_logit_cap"), c.conf_attention_logit_cap, 0.0);
  range("conf_num_attention_heads", c.conf_num_attention_heads, 1, kMaxWidth);
  range("conf_num_hidden_layers", c.conf_num_hidden_layers, 1, kMaxLayers);
  range("conf_conv_kernel_size", c.conf_conv_kernel_size, 1, kMaxKernel);
  range("conf_reduction_factor", c.conf_reduction_factor, 0, kMaxFrames);
  expect_range(audio_field("conf_residual_weight"), c.conf_residual_weight, -kAnyNumber,
               kAnyNumber);
  if (c.hidden_size % 2 != 0 || c.hidden_size % c.conf_num_attention_heads != 0) {
    fail(ErrorCode::kInvalidArgument, audio_field("hidden_size"),
         ": expected an even multiple of conf_num_attention_heads = ", c.conf_num_attention_heads,
         ", got ", c.hidden_size);
  }
}

}  // namespace

void VisionConfig::validate() const {
  const std::string path = "vision_config.";
  if (architecture != kArchitecture) {
    fail(ErrorCode::kUnsupported, path, "architecture: expected ", kArchitecture, ", got ",
         printable(architecture));
  }
  if (do_pooling) fail(ErrorCode::kUnsupported, path, "do_pooling: expected false, got true");
  expect_range(path + "initializer_range", initializer_range, 0.0, kAnyNumber);
  expect_range(path + "hidden_size", hidden_size, std::int64_t{1}, kMaxWidth);
  expect_range(path + "vocab_size", vocab_size, std::int64_t{1}, kMaxTokens);
  expect_range(path + "vocab_offset", vocab_offset, std::int64_t{0}, kMaxTokens);
  expect_range(path + "rms_norm_eps", rms_norm_eps, 0.0, 1.0);
}

void AudioConfig::validate() const {
  expect_range(audio_field("vocab_size"), vocab_size, std::int64_t{1}, kMaxTokens);
  expect_range(audio_field("vocab_offset"), vocab_offset, std::int64_t{0}, kMaxTokens);
  expect_range(audio_field("input_feat_size"), input_feat_size, std::int64_t{1}, kMaxChannels);
  expect_range(audio_field("hidden_size"), hidden_size, std::int64_t{1}, kMaxWidth);
  expect_range(audio_field("rms_norm_eps"), rms_norm_eps, 0.0, 1.0);
  expect_range(audio_field("gradient_clipping"), gradient_clipping, 0.0, kAnyNumber);
  validate_conformer(*this);
  if (sscp_conv_channel_size.size() != 2) {
    fail(ErrorCode::kInvalidArgument, audio_field("sscp_conv_channel_size"),
         ": expected two integers, got ", sscp_conv_channel_size.size());
  }
  for (const std::int64_t channels : sscp_conv_channel_size) {
    expect_range(audio_field("sscp_conv_channel_size"), channels, std::int64_t{1}, kMaxChannels);
  }
  expect_range(audio_field("sscp_conv_group_norm_eps"), sscp_conv_group_norm_eps, 0.0, 1.0);
  validate_pairs("sscp_conv_kernel_size", sscp_conv_kernel_size);
  validate_pairs("sscp_conv_stride_size", sscp_conv_stride_size);
}

VisionConfig read_vision_config(Json::Object object) {
  FieldReader reader(std::move(object), "vision_config.");
  expect_model_type(reader, kVisionType);
  VisionConfig c;
  visit_vision_fields(reader, c);
  if (const auto arguments = reader.take("model_args")) {
    if (!is_null(*arguments) && get_if<Json::Object>(*arguments) == nullptr) {
      reader.refuse("model_args", "an object or null", *arguments);
    }
    c.model_args_json = to_text(*arguments);
  }
  c.extra_json = reader.extra_json();
  c.validate();
  return c;
}

AudioConfig read_audio_config(Json::Object object) {
  FieldReader reader(std::move(object), "audio_config.");
  expect_model_type(reader, kAudioType);
  AudioConfig c;
  visit_audio_fields(reader, c);
  c.extra_json = reader.extra_json();
  c.validate();
  return c;
}

Json::Object write_vision_config(const VisionConfig& c) {
  FieldWriter writer;
  writer("model_type", std::string(kVisionType));
  visit_vision_fields(writer, c);
  if (c.model_args_json == "null") {
    writer.put("model_args", {nullptr});
  } else {
    writer.put("model_args", {parse_json_object(c.model_args_json)});
  }
  writer.put_extra(c.extra_json);
  return writer.take();
}

Json::Object write_audio_config(const AudioConfig& c) {
  FieldWriter writer;
  writer("model_type", std::string(kAudioType));
  visit_audio_fields(writer, c);
  writer.put_extra(c.extra_json);
  return writer.take();
}

VisionConfig VisionConfig::from_json(std::string_view json) {
  return read_vision_config(parse_json_object(json));
}
AudioConfig AudioConfig::from_json(std::string_view json) {
  return read_audio_config(parse_json_object(json));
}
std::string VisionConfig::to_json() const { return to_text(write_vision_config(*this)); }
std::string AudioConfig::to_json() const { return to_text(write_audio_config(*this)); }

}  // namespace gemma3n
