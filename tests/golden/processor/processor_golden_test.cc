// What transformers' Gemma3nProcessor makes of texts, pictures and sounds:
// tools/reference/make_processor_fixtures.py wrote cases.jsonl.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gemma3n/processor.h"
#include "processors/generated_media.h"

namespace gemma3n {
namespace {

using nlohmann::json;

const std::filesystem::path kFolder = GEMMA3N_GOLDEN "/processor";
const std::filesystem::path kCheckpoint = GEMMA3N_GOLDEN "/fixtures/checkpoints/chat";

Processor processor_of(const json& golden) {
  ImageProcessorConfig images;
  images.width = 30;
  images.height = 20;
  ProcessorConfig config;
  config.image_seq_length = golden["image_seq_length"];
  config.audio_seq_length = golden["audio_seq_length"];
  return Processor(Tokenizer::from_pretrained(kCheckpoint),
                   ChatTemplate::from_pretrained(kCheckpoint), ImageProcessor(images),
                   AudioFeatureExtractor(), config);
}

std::shared_ptr<const Image> picture_of(const json& size) {
  return std::make_shared<const Image>(generated_image(size[0], size[1]));
}

std::shared_ptr<const AudioClip> clip_of(const json& samples) {
  return std::make_shared<const AudioClip>(generated_clip(samples.get<std::int64_t>()));
}

Part part_of(const json& part) {
  if (part["type"] == "image") {
    return {.kind = Part::Kind::kImage, .image = picture_of(part["size"])};
  }
  if (part["type"] == "audio") {
    return {.kind = Part::Kind::kAudio, .audio = clip_of(part["samples"])};
  }
  return text_part(part["text"]);
}

std::vector<std::vector<Message>> conversations_of(const json& golden) {
  std::vector<std::vector<Message>> conversations;
  for (const auto& stored : golden["conversations"]) {
    auto& conversation = conversations.emplace_back();
    for (const auto& message : stored) {
      auto& parts = conversation.emplace_back(Message{message["role"], {}}).parts;
      for (const auto& part : message["content"]) parts.push_back(part_of(part));
    }
  }
  return conversations;
}

ProcessorInputs inputs_of(const json& golden) {
  ProcessorInputs inputs;
  inputs.text = golden["text"].get<std::vector<std::string>>();
  for (const auto& sample : golden["images"]) {
    auto& pictures = inputs.images.emplace_back();
    for (const auto& size : sample) pictures.push_back(picture_of(size));
  }
  for (const auto& samples : golden["audio"]) inputs.audio.push_back(clip_of(samples));
  return inputs;
}

ProcessorOutput output_of(const json& golden) {
  const Processor processor = processor_of(golden);
  ProcessorOptions options;
  options.add_special_tokens = golden.value("add_special_tokens", true);
  if (golden.contains("max_length")) options.max_length = golden["max_length"];
  if (!golden.contains("conversations")) return processor(inputs_of(golden), options);
  return processor.apply_chat_template(conversations_of(golden),
                                       {.add_generation_prompt = golden["add_generation_prompt"]},
                                       options);
}

std::string checksum(const Tensor& tensor) {
  const auto values = std::as_bytes(tensor.f32());
  char text[16];
  std::snprintf(
      text, sizeof text, "%08lx",
      ::crc32(0, reinterpret_cast<const Bytef*>(values.data()), static_cast<uInt>(values.size())));
  return text;
}

void expect_sound(const MediaInputs& media, const json& expected) {
  const Tensor& features = media.input_features;
  ASSERT_EQ(features.shape(), expected["shape"].get<std::vector<std::int64_t>>());
  double sum = 0;
  for (const float v : features.f32()) sum += std::abs(v);
  const double mean = features.size() > 0 ? sum / static_cast<double>(features.size()) : 0;
  EXPECT_NEAR(mean, expected["mean_magnitude"].get<double>(), 1e-5 * (1 + mean));
  const auto clips = features.dim(0), frames = features.dim(1);
  ASSERT_EQ(media.input_features_mask.shape(), (std::vector<std::int64_t>{clips, frames}));
  const auto* mask = reinterpret_cast<const bool*>(media.input_features_mask.bytes());
  for (std::int64_t i = 0; i < clips; ++i) {
    EXPECT_EQ(std::count(mask + i * frames, mask + (i + 1) * frames, true),
              expected["frames"][static_cast<std::size_t>(i)].get<std::int64_t>());
  }
}

void expect_output(const ProcessorOutput& output, const json& expected) {
  EXPECT_EQ(json(output.input_ids), expected["input_ids"]);
  EXPECT_EQ(json(output.token_type_ids), expected["token_type_ids"]);
  const auto& pixels = output.media.pixel_values;
  ASSERT_EQ(static_cast<bool>(pixels), expected.contains("pixels"));
  if (pixels) {
    EXPECT_EQ(pixels.shape(), expected["pixels"]["shape"].get<std::vector<std::int64_t>>());
    EXPECT_EQ(checksum(pixels), expected["pixels"]["checksum"]);
  }
  ASSERT_EQ(static_cast<bool>(output.media.input_features), expected.contains("sound"));
  if (expected.contains("sound")) expect_sound(output.media, expected["sound"]);
}

TEST(ProcessorGolden, CallsAndConversationsAreThoseOfTransformers) {
  std::ifstream file(kFolder / "cases.jsonl");
  int calls = 0, conversations = 0, errors = 0;
  for (std::string line; std::getline(file, line);) {
    SCOPED_TRACE(line.substr(0, 400));
    const auto golden = json::parse(line);
    const auto& expected = golden["expected"];
    ++(golden.contains("conversations") ? conversations : calls);
    if (!expected.contains("error")) {
      expect_output(output_of(golden), expected);
      continue;
    }
    ++errors;
    try {
      output_of(golden);
      ADD_FAILURE() << "expected " << expected["error"];
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.what(), expected["error"].get<std::string>());
    }
  }
  EXPECT_GE(calls, 160);
  EXPECT_GE(conversations, 80);
  EXPECT_GE(errors, 50);
}

}  // namespace
}  // namespace gemma3n
