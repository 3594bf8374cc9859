// Pipeline with a tiny text model; against transformers, and with media, in tests/golden/pipeline.
#include "gemma3n/pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/expect_error.h"

namespace gemma3n {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(GEMMA3N_CHECKPOINTS) / "chat";

const Pipeline& pipe() {
  static const Pipeline instance = pipeline("text-generation", kFolder);
  return instance;
}

GenerationConfig greedy(std::int64_t count) {
  auto config = pipe().generation_config();
  config.do_sample = false;
  config.max_new_tokens = count;
  return config;
}

PipelineOptions greedily(std::int64_t count) {
  PipelineOptions options;
  options.generation_config = greedy(count);
  return options;
}

TEST(Pipeline, HasTheDefaultsOfTransformers) {
  EXPECT_EQ(pipe().generation_config().max_new_tokens, 256);
  EXPECT_TRUE(pipe().generation_config().do_sample);
  EXPECT_EQ(pipe().generation_config().temperature, 1.0);  // in generation_config.json
  const auto plain = pipeline("text-generation", kFolder.parent_path() / "e2b_like");
  EXPECT_FALSE(plain.model().has_towers());
}

TEST(Pipeline, PutsAPromptInFrontOfItsText) {
  const auto full = pipe()("hello", greedily(5));
  ASSERT_EQ(full.size(), 1u);
  auto options = greedily(5);
  options.return_full_text = false;
  const auto fresh = pipe()("hello", options);
  EXPECT_EQ(full[0].generated_text, "hello" + fresh[0].generated_text);
  EXPECT_EQ(fresh[0].new_tokens, full[0].new_tokens);
  EXPECT_EQ(fresh[0].generated_text,
            pipe().processor().tokenizer().decode(full[0].new_tokens, true));
  EXPECT_EQ(full[0].prompt_tokens, pipe().processor().tokenizer().encode("hello").size());
  EXPECT_TRUE(full[0].conversation.empty());
}

TEST(Pipeline, AppendsTheAnswerToAConversation) {
  const Conversation conversation = {text_message("user", "hello")};
  const auto out = pipe()(conversation, greedily(5)).at(0);
  ASSERT_EQ(out.conversation.size(), 2u);
  EXPECT_EQ(out.conversation[1].role, "assistant");
  EXPECT_EQ(out.conversation[1].parts.at(0).text, out.generated_text);
  auto options = greedily(5);
  options.return_full_text = false;
  EXPECT_TRUE(pipe()(conversation, options).at(0).conversation.empty());
}

TEST(Pipeline, ContinuesAFinalMessageOfTheAssistant) {
  const Conversation conversation = {text_message("user", "hello"),
                                     text_message("assistant", "well")};
  const auto out = pipe()(conversation, greedily(5)).at(0);
  ASSERT_EQ(out.conversation.size(), 2u);
  EXPECT_EQ(out.conversation[1].parts.at(0).text, "well" + out.generated_text);
  const auto prompt =
      pipe().processor().chat_template().render(conversation, {.continue_final_message = true});
  EXPECT_EQ(out.prompt_tokens, pipe().processor().tokenizer().encode(prompt, false).size());

  auto options = greedily(5);
  options.continue_final_message = false;
  const auto apart = pipe()(conversation, options).at(0);
  EXPECT_EQ(apart.conversation.size(), 3u);
  EXPECT_NE(apart.prompt_tokens, out.prompt_tokens);
}

TEST(Pipeline, AnswersBatchesAsItAnswersEach) {
  const std::vector<Prompt> prompts = {{.text = "hello"}, {.text = ""}, {.text = "a b c d e"}};
  for (const std::size_t batch_size : {1u, 2u, 8u}) {
    auto options = greedily(6);
    options.batch_size = batch_size;
    const auto all = pipe()(prompts, options);
    ASSERT_EQ(all.size(), prompts.size());
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(all[i].at(0).new_tokens, pipe()(prompts[i], options).at(0).new_tokens);
    }
  }
  EXPECT_TRUE(pipe()(std::vector<Prompt>{}).empty());
}

TEST(Pipeline, NumbersTheSequencesOfAWholeCall) {
  const std::vector<Conversation> conversations(3, {text_message("user", "hello")});
  PipelineOptions options;
  options.generation_config = greedy(8);
  options.generation_config->do_sample = true;
  options.generation_config->num_return_sequences = 2;
  options.generation_config->eos_token_id = {};
  options.batch_size = 2;
  std::vector<std::string> heard(6);
  std::vector<int> tokens(6);
  options.generate.on_text = [&](std::size_t sequence, std::string_view text) {
    heard.at(sequence) += text;
    return true;
  };
  options.generate.on_token = [&](const GenerationStep& step) {
    ++tokens.at(step.sequence);
    return true;
  };
  const auto all = pipe()(conversations, options);
  ASSERT_EQ(all.size(), 3u);
  std::vector<std::vector<TokenId>> distinct;
  for (std::size_t i = 0; i < 6; ++i) {
    const auto& out = all[i / 2].at(i % 2);
    EXPECT_EQ(heard[i], out.generated_text);
    EXPECT_EQ(tokens[i], 8);
    EXPECT_EQ(std::ranges::count(distinct, out.new_tokens), 0) << "equal prompts, equal answers";
    distinct.push_back(out.new_tokens);
  }
}

TEST(Pipeline, LeavesPromptsUnansweredAfterACancellation) {
  const std::vector<Prompt> prompts(3, Prompt{.text = "hello"});
  auto options = greedily(6);
  options.batch_size = 1;
  int calls = 0;
  options.generate.on_token = [&](const GenerationStep&) { return ++calls < 8; };
  const auto all = pipe()(prompts, options);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].at(0).finish_reason, FinishReason::kLength);
  EXPECT_EQ(all[1].at(0).finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(all[1].at(0).new_tokens.size(), 2u);
  EXPECT_EQ(all[2].at(0).finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(all[2].at(0).generated_text, "hello");
}

TEST(Pipeline, ShowsSpecialTokensIfAsked) {
  const auto& tokenizer = pipe().processor().tokenizer();
  const TokenId turn = tokenizer.token_to_id("<end_of_turn>").value();
  auto options = greedily(2);
  options.return_full_text = false;
  options.generation_config->eos_token_id = {};
  options.generate.logits_processors.push_back([&](std::span<const TokenId>, std::span<float> x) {
    x[static_cast<std::size_t>(turn)] = 1000.0f;
  });
  EXPECT_EQ(pipe()("hello", options).at(0).generated_text, "");
  options.skip_special_tokens = false;
  EXPECT_EQ(pipe()("hello", options).at(0).generated_text, "<end_of_turn><end_of_turn>");
}

TEST(Pipeline, KeepsAStopString) {
  auto options = greedily(6);
  options.return_full_text = false;
  const auto& tokenizer = pipe().processor().tokenizer();
  const auto ids = pipe()("hello", options).at(0).new_tokens;
  const auto stop = tokenizer.decode(std::span(ids).subspan(1, 1));
  options.generation_config->stop_strings = {stop};
  const auto out = pipe()("hello", options).at(0);
  EXPECT_EQ(out.finish_reason, FinishReason::kStopString);
  EXPECT_LT(out.new_tokens.size(), ids.size());
  EXPECT_NE(out.generated_text.find(stop), std::string::npos);
}

TEST(Pipeline, TakesMaxNewTokensAsAnOptionOfItsOwn) {
  auto options = greedily(6);
  options.generation_config->eos_token_id = {};
  options.max_new_tokens = 3;
  EXPECT_EQ(pipe()("hello", options).at(0).new_tokens.size(), 3u);
}

TEST(Pipeline, RefusesWhatItCannotDo) {
  const auto refuses = [](ErrorCode code, const char* part, const PipelineOptions& options) {
    expect_error(code, part, [&] { pipe()("x", options); });
  };
  using enum ErrorCode;
  expect_error(kInvalidArgument, "text-to-poem", [] { pipeline("text-to-poem", kFolder); });
  expect_error(kUnsupported, "text model", [] { pipeline("any-to-any", kFolder); });
  expect_error(kInvalidArgument, "empty", [] { pipe()(Conversation{}); });
  refuses(kInvalidArgument, "batch_size", {.batch_size = 0});
  refuses(kInvalidArgument, "max_new_tokens", {.max_new_tokens = 0});
  GenerateOptions with_cache;
  with_cache.past_key_values = pipe().model().text().new_cache(1);
  refuses(kInvalidArgument, "past_key_values", {.generate = with_cache});
}

TEST(AnyModel, RefusesMediaWithoutTowers) {
  MediaInputs media;
  media.pixel_values = Tensor(DType::kF32, {1, 3, 4, 4});
  expect_error(ErrorCode::kUnsupported, "no towers",
               [&] { pipe().model().generate({{2}}, media, greedy(1)); });
}

}  // namespace
}  // namespace gemma3n
