// The demonstration model through the public API: the answers of transformers, word for word.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "gemma3n/pipeline.h"

namespace gemma3n {
namespace {

using Json = nlohmann::json;

const std::filesystem::path kQuestions = GEMMA3N_DEMO_QUESTIONS;

std::vector<Json> questions() {
  std::ifstream file(kQuestions / "dataset.jsonl");
  std::vector<Json> found;
  for (std::string line; std::getline(file, line);) found.push_back(Json::parse(line));
  return found;
}

Part part_of(const Json& json) {
  if (json["type"] == "text") return text_part(json["text"]);
  const auto path = kQuestions / json["path"].get<std::string>();
  if (json["type"] == "image") return image_part(load_image(path));
  return audio_part(load_audio(path));
}

Conversation conversation_of(const Json& messages) {
  Conversation conversation;
  for (const auto& message : messages) {
    conversation.push_back({message["role"], {}});
    for (const auto& part : message["content"]) {
      conversation.back().parts.push_back(part_of(part));
    }
  }
  return conversation;
}

const Pipeline& demo() {
  static const Pipeline pipe = pipeline("any-to-any", GEMMA3N_DEMO_MODEL);
  return pipe;
}

TEST(DemoModel, AnswersAsTransformersDoes) {
  const auto stored = questions();
  ASSERT_GE(stored.size(), 30u);
  int pictures = 0, sounds = 0, texts = 0;
  for (const auto& question : stored) {
    const auto conversation = conversation_of(question["messages"]);
    bool sees = false, hears = false;
    for (const auto& message : conversation) {
      for (const auto& part : message.parts) {
        sees = sees || part.image;
        hears = hears || part.audio;
      }
    }
    pictures += sees;
    sounds += hears;
    texts += !sees && !hears;
    const auto answers = demo()(conversation, {.return_full_text = false});
    EXPECT_EQ(answers.at(0).generated_text, question["expected"].get<std::string>())
        << question["messages"].dump();
    EXPECT_EQ(answers.at(0).finish_reason, FinishReason::kEos);
  }
  EXPECT_GE(pictures, 10);
  EXPECT_GE(sounds, 10);
  EXPECT_GE(texts, 2);
}

// The same questions side by side: padded media and a batch change no word.
TEST(DemoModel, AnswersTheSameInABatch) {
  std::vector<Conversation> conversations;
  const auto stored = questions();
  for (std::size_t i = 0; i < stored.size(); i += 4) {
    conversations.push_back(conversation_of(stored[i]["messages"]));
  }
  PipelineOptions options;
  options.return_full_text = false;
  options.batch_size = 5;
  const auto together = demo()(std::span<const Conversation>(conversations), options);
  options.batch_size = 1;
  const auto alone = demo()(std::span<const Conversation>(conversations), options);
  ASSERT_EQ(together.size(), conversations.size());
  for (std::size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i].at(0).generated_text, alone[i].at(0).generated_text) << i;
  }
}

TEST(DemoModel, KeepsAConversation) {
  Chat chat(demo());
  EXPECT_EQ(chat.reply("My name is Tom.").generated_text, "Hello, Tom!");
  const auto second = chat.reply("What is my name?");
  EXPECT_EQ(second.generated_text, "Your name is Tom.");
  EXPECT_GT(second.cached_tokens, 0u);
}

}  // namespace
}  // namespace gemma3n
