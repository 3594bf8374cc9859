// Pipelines against the answers of transformers' pipelines, and Chat with pictures and sounds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "../multimodal/formula_checkpoint.h"
#include "gemma3n/pipeline.h"

namespace gemma3n {
namespace {

using Json = nlohmann::json;

const std::filesystem::path kGolden = GEMMA3N_GOLDEN;
const std::filesystem::path kTextModel = kGolden / "fixtures" / "checkpoints" / "chat";
const std::string kPicture = "media/type6_depth8_33x18.png", kOther = "media/rgb_64x48_444.jpg",
                  kSound = "audio/fixtures/sounds/rate_16000.wav";

// The small whole model of the tests; lives as long as the process.
class WholeModel {
 public:
  WholeModel()
      : folder_(std::filesystem::path(testing::TempDir()) /
                ("gemma3n_pipeline_" + std::to_string(getpid()))) {
    const std::filesystem::path source = GEMMA3N_CHECKPOINT;
    std::ifstream config(source / "config.json");
    golden::write_formula_checkpoint(Json::parse(config), folder_);
    for (const auto& file : std::filesystem::directory_iterator(source)) {
      if (file.path().filename() != "config.json") std::filesystem::copy(file.path(), folder_);
    }
  }
  ~WholeModel() { std::filesystem::remove_all(folder_); }

  static const std::filesystem::path& folder() {
    static const WholeModel instance;
    return instance.folder_;
  }

 private:
  std::filesystem::path folder_;
};

std::shared_ptr<const Image> picture(const std::string& file) {
  return std::make_shared<const Image>(load_image(kGolden / file));
}

std::shared_ptr<const AudioClip> sound(const std::string& file) {
  return std::make_shared<const AudioClip>(load_audio(kGolden / file));
}

const Pipeline& pipe(const std::string& task) {
  static std::map<std::string, Pipeline> loaded;
  auto at = loaded.find(task);
  if (at == loaded.end()) {
    const auto folder = task == "text-generation" ? kTextModel : WholeModel::folder();
    at = loaded.emplace(task, pipeline(task, folder)).first;
  }
  return at->second;
}

Part part_of(const Json& json) {
  const std::string type = json["type"];
  if (type == "image") return image_part(load_image(kGolden / json["file"].get<std::string>()));
  if (type == "audio") return audio_part(load_audio(kGolden / json["file"].get<std::string>()));
  return text_part(json["text"]);
}

Conversation conversation_of(const Json& json) {
  Conversation conversation;
  for (const auto& message : json) {
    conversation.push_back({message["role"], {}});
    for (const auto& part : message["content"]) {
      conversation.back().parts.push_back(part_of(part));
    }
  }
  return conversation;
}

Prompt prompt_of(const Json& json) {
  Prompt prompt = {.text = json["text"]};
  if (json.contains("images")) {
    for (const std::string file : json["images"]) prompt.images.push_back(picture(file));
  }
  if (json.contains("audio")) {
    for (const std::string file : json["audio"]) prompt.audio.push_back(sound(file));
  }
  return prompt;
}

PipelineOptions options_of(const Pipeline& pipe, const Json& json) {
  PipelineOptions options;
  auto& config = options.generation_config.emplace(pipe.generation_config());
  config.do_sample = false;
  config.max_new_tokens = 12;
  if (json.contains("stop_strings")) config.stop_strings = json["stop_strings"];
  options.return_full_text = json.value("return_full_text", true);
  options.skip_special_tokens = json.value("skip_special_tokens", true);
  if (json.contains("continue_final_message")) {
    options.continue_final_message = json["continue_final_message"].get<bool>();
  }
  return options;
}

// As the fixture has it: roles and texts.
Json shown(const Conversation& conversation) {
  Json messages = Json::array();
  for (const auto& message : conversation) {
    Json texts = Json::array();
    for (const auto& part : message.parts) {
      if (part.kind == Part::Kind::kText) texts.push_back(part.text);
    }
    messages.push_back({{"role", message.role}, {"texts", texts}});
  }
  return messages;
}

std::vector<Json> cases() {
  std::vector<Json> all;
  std::ifstream file(kGolden / "pipeline" / "cases.jsonl");
  for (std::string line; std::getline(file, line);) all.push_back(Json::parse(line));
  return all;
}

TEST(PipelineGolden, AnswersAsTransformers) {
  int checked = 0;
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.dump(-1, ' ', true));
    const auto& pipeline = pipe(c["task"]);
    const auto options = options_of(pipeline, c["options"]);
    const auto out = c.contains("prompt") ? pipeline(prompt_of(c["prompt"]), options)
                                          : pipeline(conversation_of(c["conversation"]), options);
    ASSERT_EQ(out.size(), 1u);
    const auto& expected = c["expected"];
    if (expected.contains("conversation")) {
      EXPECT_EQ(shown(out[0].conversation), expected["conversation"]);
    } else {
      EXPECT_EQ(out[0].generated_text, expected["generated_text"].get<std::string>());
    }
    ++checked;
  }
  EXPECT_EQ(checked, 27);
}

TEST(PipelineGolden, AnswersBatchesWithMediaAsItAnswersEach) {
  std::vector<Conversation> conversations;
  std::vector<Prompt> prompts;
  for (const auto& c : cases()) {
    if (c["task"] != "any-to-any") continue;
    if (c.contains("prompt")) prompts.push_back(prompt_of(c["prompt"]));
    if (c.contains("conversation")) conversations.push_back(conversation_of(c["conversation"]));
  }
  // Of another length: padded together, each would sound different.
  prompts.push_back(prompts.back());
  auto longer = *prompts.back().audio.at(0);
  longer.samples.insert(longer.samples.end(), 16000, 0.25f);
  prompts.back().audio = {std::make_shared<const AudioClip>(longer)};

  const auto& pipeline = pipe("any-to-any");
  const auto options = options_of(pipeline, Json::object());
  const auto texts = pipeline(prompts, options);
  const auto chats = pipeline(conversations, options);
  ASSERT_EQ(texts.size(), prompts.size());
  ASSERT_EQ(chats.size(), conversations.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(texts[i].at(0).new_tokens, pipeline(prompts[i], options).at(0).new_tokens);
  }
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    EXPECT_EQ(chats[i].at(0).new_tokens, pipeline(conversations[i], options).at(0).new_tokens);
  }
}

TEST(PipelineGolden, RefusesMediaInTextGeneration) {
  const Pipeline text = pipeline("text-generation", WholeModel::folder());
  EXPECT_FALSE(text.model().has_towers());
  const Conversation conversation = {{"user", {image_part(load_image(kGolden / kPicture))}}};
  try {
    text(conversation);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("any-to-any"), std::string::npos);
  }
}

TEST(PipelineGolden, RefusesMediaWithoutAPlaceAndPlacesWithoutMedia) {
  const auto& pipeline = pipe("any-to-any");
  EXPECT_THROW(pipeline(Prompt{.text = "no place", .images = {picture(kPicture)}}), Error);
  EXPECT_THROW(pipeline("<image_soft_token>"), Error);
}

// A chat with media says what a program says that starts afresh, and reads less.
TEST(ChatWithMedia, ReadsOnlyWhatIsNew) {
  const auto& pipeline = pipe("any-to-any");
  const auto options = options_of(pipeline, Json::object());
  Chat chat(pipeline.model(), pipeline.processor(), *options.generation_config);
  const std::vector<std::vector<Part>> messages = {
      {image_part(load_image(kGolden / kPicture)), text_part("what is this?")},
      {text_part("and?")},
      {image_part(load_image(kGolden / kOther)), audio_part(load_audio(kGolden / kSound))},
      {text_part("again")},
  };
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto asked = chat.messages();
    asked.push_back({"user", messages[i]});
    const auto expected = pipeline(asked, options).at(0);
    const auto reply = chat.reply(messages[i]);
    EXPECT_EQ(reply.new_tokens, expected.new_tokens) << i;
    EXPECT_EQ(reply.prompt_tokens, expected.prompt_tokens);
    EXPECT_EQ(reply.cached_tokens > 0, i > 0);
  }
}

// Played again, the same samples in another object are another sound; padding counts too.
TEST(ChatWithMedia, DoesNotTakeOneSoundForAnother) {
  const auto& pipeline = pipe("any-to-any");
  const auto options = options_of(pipeline, Json::object());
  Chat chat(pipeline.model(), pipeline.processor(), *options.generation_config);
  auto clip = load_audio(kGolden / kSound);
  chat.reply({audio_part(clip), text_part("what?")});
  clip.samples.insert(clip.samples.end(), 16000, 0.25f);
  auto asked = chat.messages();
  const std::vector<Part> longer = {audio_part(clip), text_part("and this?")};
  asked.push_back({"user", longer});
  const auto reply = chat.reply(longer);
  EXPECT_EQ(reply.new_tokens, pipeline(asked, options).at(0).new_tokens);
  EXPECT_EQ(reply.cached_tokens, 0u) << "the first sound is padded to the second's length now";
}

}  // namespace
}  // namespace gemma3n
