// Chat with a tiny text model; with pictures and sounds in tests/golden/pipeline.
#include <gtest/gtest.h>

#include "gemma3n/pipeline.h"

namespace gemma3n {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(GEMMA3N_CHECKPOINTS) / "chat";

const AnyModel& model() {
  static const AnyModel instance = AnyModel::from_pretrained(kFolder);
  return instance;
}

const Processor& processor() {
  static const Processor instance = Processor::from_pretrained(kFolder);
  return instance;
}

GenerationConfig greedy(std::int64_t count) {
  auto config = GenerationConfig::from_pretrained(kFolder);
  config.do_sample = false;
  config.max_new_tokens = count;
  return config;
}

// What a program says that starts afresh.
GenerateOutput answer_to(const Conversation& conversation, const GenerationConfig& config) {
  const auto inputs =
      processor().apply_chat_template(conversation, {.add_generation_prompt = true});
  return model().generate(inputs.input_ids, {}, config, &processor().tokenizer());
}

TEST(Chat, AnswersAsAProgramThatStartsAfresh) {
  for (const std::string cache : {"dynamic", "static"}) {
    auto config = greedy(6);
    config.cache_implementation = cache;
    Chat chat(model(), processor(), config);
    chat.set_system("be brief");
    for (const std::string text : {"hello", "and then?", "good bye"}) {
      auto asked = chat.messages();
      asked.push_back(text_message("user", text));
      const auto expected = answer_to(asked, config);
      const auto reply = chat.reply(text);
      EXPECT_EQ(reply.generated_text, expected.text[0]);
      EXPECT_EQ(reply.new_tokens, expected.new_tokens[0]);
      EXPECT_EQ(reply.finish_reason, expected.finish_reasons[0]);
      EXPECT_EQ(reply.prompt_tokens, expected.prompt_tokens);
      EXPECT_EQ(reply.conversation.size(), asked.size() + 1);
      EXPECT_EQ(chat.messages().back().role, "assistant");
      EXPECT_EQ(chat.messages().back().parts.at(0).text, reply.generated_text);
    }
  }
}

TEST(Chat, ReadsOnlyWhatIsNew) {
  Chat chat(model(), processor(), greedy(6));
  const auto first = chat.reply("hello");
  EXPECT_EQ(first.cached_tokens, 0u);
  const auto second = chat.reply("and then?");
  EXPECT_GE(second.cached_tokens, first.prompt_tokens);
  EXPECT_LT(second.cached_tokens, second.prompt_tokens);
}

TEST(Chat, EachSizeKeepsItsCaches) {
  const MatFormerConfig two_layers = {
      .name = "two layers", .intermediate_size = {48, 48}, .skipped_layers = {2}};
  Chat chat(model(), processor(), greedy(6));
  const auto answer_alone = [&](const std::string& text, bool is_small) {
    auto asked = chat.messages();
    asked.push_back(text_message("user", text));
    const auto inputs = processor().apply_chat_template(asked, {.add_generation_prompt = true});
    return (is_small ? model().sliced(two_layers) : model())
        .generate(inputs.input_ids, {}, greedy(6), &processor().tokenizer())
        .text[0];
  };
  std::size_t round = 0;
  for (const bool is_small : {false, true, true, false, true}) {
    chat.set_size(is_small ? std::optional(two_layers) : std::nullopt);
    const std::string text = "hello " + std::to_string(round);
    const auto expected = answer_alone(text, is_small);
    const auto reply = chat.reply(text);
    EXPECT_EQ(reply.generated_text, expected) << round;
    EXPECT_EQ(reply.cached_tokens == 0, round < 2) << round;  // each size's first
    ++round;
  }
  EXPECT_THROW(chat.reply("hello", {.size = two_layers}), Error);
  EXPECT_THROW(chat.set_size(MatFormerConfig{.intermediate_size = {1}}), Error);
  EXPECT_EQ(chat.reply("go on").generated_text.empty(), false);
}

// Assistants come, change and go; one answer is cancelled.
TEST(Chat, AnswersTheSameWithAssistants) {
  LoadOptions four_bits;
  four_bits.quantization = Quantization::kInt4;
  const auto sketch = ForCausalLM::from_pretrained(kFolder, four_bits);
  for (const std::string cache : {"dynamic", "static"}) {
    auto config = greedy(8);
    config.assistant_confidence_threshold = 0.0;
    config.cache_implementation = cache;
    Chat chat(model(), processor(), config), alone(model(), processor(), config);
    const std::optional<ForCausalLM> assistants[] = {model().text(), model().text(), sketch, {},
                                                     sketch,         sketch,         sketch};
    for (std::size_t turn = 0; turn < std::size(assistants); ++turn) {
      GenerateOptions options;
      options.on_token = [&, left = turn == 4 ? 3 : 100](const GenerationStep&) mutable {
        return --left > 0;
      };
      const std::string text = "turn " + std::to_string(turn);
      const auto expected = alone.reply(text, options);
      options.assistant_model = assistants[turn];
      const auto reply = chat.reply(text, options);
      EXPECT_EQ(reply.new_tokens, expected.new_tokens) << turn;
      EXPECT_EQ(reply.cached_tokens, expected.cached_tokens) << turn;
    }
  }
}

TEST(Chat, ForgetsButForTheSystemMessage) {
  Chat chat(model(), processor(), greedy(4));
  chat.set_system("be brief");
  const auto first = chat.reply("hello");
  chat.reply("more");
  chat.reset();
  ASSERT_EQ(chat.messages().size(), 1u);
  EXPECT_EQ(chat.system(), "be brief");
  EXPECT_EQ(chat.reply("hello").new_tokens, first.new_tokens);
  chat.set_system("");
  EXPECT_TRUE(chat.messages().empty());
}

TEST(Chat, RemembersACancelledAnswerAsFarAsItWent) {
  auto config = greedy(60);
  config.eos_token_id = {};
  Chat chat(model(), processor(), config);
  std::string heard;
  const auto reply = chat.reply("hello", {.on_text = [&](std::size_t, std::string_view text) {
                                  heard += text;
                                  return false;
                                }});
  EXPECT_EQ(reply.finish_reason, FinishReason::kCancelled);
  EXPECT_LT(reply.new_tokens.size(), 60u);
  ASSERT_EQ(chat.messages().size(), 2u);
  EXPECT_TRUE(chat.messages()[1].parts[0].text.starts_with(heard));
}

TEST(Chat, ForgetsAMessageWhoseAnswerDidNotBegin) {
  Chat chat(model(), processor(), greedy(6));
  const auto reply = chat.reply("hello", {.on_prefill = [](double) { return false; }});
  EXPECT_EQ(reply.finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(chat.messages().empty());
  EXPECT_EQ(chat.reply("hello").generated_text,
            answer_to({text_message("user", "hello")}, greedy(6)).text[0]);
}

TEST(Chat, IsAsBeforeAfterARefusal) {
  Chat chat(model(), processor(), greedy(6));
  chat.reply("hello");
  const auto before = chat.messages().size();
  std::string tale;
  for (int i = 0; i < 2000; ++i) tale += "long ";
  EXPECT_THROW(chat.reply(tale), Error);
  EXPECT_THROW(chat.reply("x", {.on_text = [](std::size_t, std::string_view) -> bool {
                            throw Error(ErrorCode::kInvalidArgument, "no paper");
                          }}),
               Error);
  EXPECT_EQ(chat.messages().size(), before);
  auto asked = chat.messages();
  asked.push_back(text_message("user", "again"));
  EXPECT_EQ(chat.reply("again").generated_text, answer_to(asked, greedy(6)).text[0]);
}

TEST(Chat, DrawsEachAnswerAnew) {
  auto config = greedy(12);
  config.do_sample = true;
  config.seed = 5;
  Chat chat(model(), processor(), config);
  const auto first = chat.reply("hello");
  EXPECT_EQ(first.new_tokens, answer_to({text_message("user", "hello")}, config).new_tokens[0]);
  chat.reset();
  ++config.seed;
  const auto second = chat.reply("hello");
  EXPECT_EQ(second.new_tokens, answer_to({text_message("user", "hello")}, config).new_tokens[0]);
  EXPECT_NE(second.new_tokens, first.new_tokens);
}

TEST(Chat, RefusesWhatIsNoConversation) {
  auto config = greedy(4);
  config.do_sample = true;
  config.num_return_sequences = 2;
  EXPECT_THROW(Chat(model(), processor(), config), Error);
  EXPECT_THROW(Chat(model(), Processor(processor().tokenizer()), greedy(4)), Error);
  Chat chat(model(), processor(), greedy(4));
  EXPECT_THROW(chat.reply("x", {.past_key_values = model().text().new_cache(1)}), Error);
  EXPECT_THROW(chat.reply("x", {.assistant_past_key_values = model().text().new_cache(1)}), Error);
}

}  // namespace
}  // namespace gemma3n
