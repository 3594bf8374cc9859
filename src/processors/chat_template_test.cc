#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gemma3n/chat.h"

namespace gemma3n {
namespace {

constexpr const char* kEcho =
    "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}"
    "{{ '>' if add_generation_prompt }}";

std::string error_of(const std::function<void()>& run, ErrorCode code) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

// A folder of its own for each test.
class ChatTemplateFiles : public testing::Test {
 protected:
  ChatTemplateFiles() {
    folder_ =
        std::filesystem::path(testing::TempDir()) / ("chat_template_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ChatTemplateFiles() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::string render() const {
    return ChatTemplate::from_pretrained(folder_).render({{text_message("user", "hi")}});
  }
  std::filesystem::path folder_;
};

TEST(ChatTemplate, RendersMessagesOfTextAndMedia) {
  const std::vector<Message> messages = {
      text_message("user", "a"),
      {"assistant", {{Part::Kind::kImage, ""}, {Part::Kind::kText, "b"}}}};
  EXPECT_EQ(ChatTemplate(kEcho).render(messages, {.add_generation_prompt = true}),
            "[user:a][assistant:[{'type': 'image'}, {'type': 'text', 'text': 'b'}]]>");
}

TEST(ChatTemplate, VariablesWinOverSpecialTokens) {
  const ChatTemplate t("{{ bos_token }}{{ eos_token }}{{ tools }}{{ documents is defined }}",
                       R"({"bos_token": "<b>", "eos_token": "<e>"})");
  RenderOptions options;
  options.variables_json = R"({"eos_token": "!", "tools": [{"name": "f"}]})";
  EXPECT_EQ(t.render_json("[{}]", options), "<b>![{'name': 'f'}]True");
}

TEST(ChatTemplate, NullValuesAreDroppedAndReasoningHasThreeNames) {
  EXPECT_EQ(ChatTemplate("{{ messages[0].a is defined }}").render_json(R"([{"a": null}])"),
            "False");
  EXPECT_EQ(ChatTemplate("{{ messages[0].thinking }}{{ messages[0].reasoning_content }}")
                .render_json(R"([{"reasoning": "hm"}])"),
            "hmhm");
}

TEST(ChatTemplate, TheFinalMessageCanBeLeftOpen) {
  const RenderOptions open = {.continue_final_message = true};
  const std::vector<Message> messages = {text_message("assistant", "so far ")};
  EXPECT_EQ(ChatTemplate("<{{ messages[0].content }}>").render(messages, open), "<so far ");
  EXPECT_EQ(ChatTemplate("<{{ messages[0].content|trim }}>").render(messages, open), "<so far");
  EXPECT_EQ(
      ChatTemplate("{% for p in messages[0].content %}{{ p.text }}.{% endfor %}")
          .render_json(R"([{"content": [{"text": "a"}, {"text": "b"}, {"type": "image"}]}])", open),
      "a.b");
}

TEST(ChatTemplate, AnOpenMessageThatIsNotThereIsRefused) {
  const RenderOptions open = {.continue_final_message = true};
  const std::vector<Message> messages = {text_message("assistant", "text")};
  const auto refused = [&](const char* source, const RenderOptions& options) {
    return error_of([&] { ChatTemplate(source).render(messages, options); },
                    ErrorCode::kInvalidArgument);
  };
  EXPECT_NE(refused("content", open).find("does not appear"), std::string::npos);
  EXPECT_NE(refused("fixed", open).find("reads \"content\""), std::string::npos);
  EXPECT_NE(refused(kEcho, {.add_generation_prompt = true, .continue_final_message = true})
                .find("exclude each other"),
            std::string::npos);
}

TEST(ChatTemplate, ErrorsNameTheLineAndCarryTheTemplatesMessage) {
  const std::vector<Message> messages = {text_message("user", "x")};
  EXPECT_EQ(error_of([&] { ChatTemplate("\n\n{{ raise_exception('roles!') }}").render(messages); },
                     ErrorCode::kInvalidArgument),
            "chat template line 3: roles!");
  EXPECT_EQ(
      error_of([&] { ChatTemplate("{{ a.b }}").render(messages); }, ErrorCode::kInvalidArgument),
      "chat template line 1: 'a' is undefined");
  EXPECT_EQ(error_of([] { ChatTemplate("a\n{% endfor %}"); }, ErrorCode::kCorruptData),
            "chat template line 2: encountered unknown tag 'endfor'");
  EXPECT_NE(error_of([] { ChatTemplate("{% include 'x' %}"); }, ErrorCode::kUnsupported), "");
  EXPECT_NE(error_of([] { ChatTemplate("\xff"); }, ErrorCode::kCorruptData), "");
}

TEST(ChatTemplate, WrongRequestsAreRefused) {
  const ChatTemplate t(kEcho);
  for (const char* json : {"", "{}", "[", "[1]", "[]", R"([{"a": 1, "a": 2}])"})
    EXPECT_NE(error_of([&] { t.render_json(json); }, ErrorCode::kInvalidArgument), "") << json;
  for (const char* json : {"", "[]", R"({"tools": 1})", R"({"tools": [1]})", R"({"messages": []})",
                           R"({"a": 1, "a": 2})"}) {
    RenderOptions options;
    options.variables_json = json;
    EXPECT_NE(error_of([&] { t.render_json("[{}]", options); }, ErrorCode::kInvalidArgument), "")
        << json;
  }
  const std::vector<Message> broken = {text_message("user", "\xff")};
  EXPECT_NE(error_of([&] { t.render(broken); }, ErrorCode::kInvalidArgument), "");
}

TEST(ChatTemplate, ManyThreadsMayShareOne) {
  const ChatTemplate t(
      "{% macro f(x) %}{{ x|upper }}{% endmacro %}{% for i in range(50) %}"
      "{{ f(messages[0].content) }}{% endfor %}");
  const std::vector<Message> messages = {text_message("user", "a")};
  std::vector<std::string> results(4);
  std::vector<std::thread> threads;
  for (std::string& result : results) threads.emplace_back([&] { result = t.render(messages); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : results) EXPECT_EQ(result, std::string(50, 'A'));
}

TEST_F(ChatTemplateFiles, ANumberBeyond64BitsInTheConfigIsNobodysBusiness) {
  write("tokenizer_config.json",
        R"({"model_max_length": 1000000000000000019884624838656, "bos_token": "<b>",
            "other": 18446744073709551615, "chat_template": "{{ bos_token }}"})");
  EXPECT_EQ(render(), "<b>");
}

TEST_F(ChatTemplateFiles, TheJinjaFileWinsOverTheConfig) {
  write("tokenizer_config.json",
        R"({"chat_template": "config", "bos_token": {"content": "<bos>"}, "eos_token": null})");
  EXPECT_EQ(render(), "config");
  write("chat_template.jinja", "file {{ bos_token }}{{ eos_token is defined }}");
  EXPECT_EQ(render(), "file <bos>False");
}

TEST_F(ChatTemplateFiles, OfNamedTemplatesTheDefaultIsTaken) {
  write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}],
            "extra_special_tokens": {"image_token": "<image>"}})");
  EXPECT_EQ(render(), "d");
}

TEST_F(ChatTemplateFiles, ABaseModelHasNoTemplate) {
  EXPECT_NE(error_of([&] { render(); }, ErrorCode::kNotFound).find("no chat_template"),
            std::string::npos);
  write("tokenizer_config.json", R"({"chat_template": null})");
  error_of([&] { render(); }, ErrorCode::kNotFound);
}

TEST_F(ChatTemplateFiles, CorruptFilesAreNamed) {
  for (const char* json : {"", "[]", "{\"a\": 1, \"a\": 2}", R"({"chat_template": 3})",
                           R"({"chat_template": [{"name": "other", "template": "x"}]})"}) {
    write("tokenizer_config.json", json);
    EXPECT_NE(error_of([&] { render(); }, ErrorCode::kCorruptData).find("tokenizer_config.json"),
              std::string::npos)
        << json;
  }
}

TEST_F(ChatTemplateFiles, APipeIsNotRead) {
  ASSERT_EQ(mkfifo((folder_ / "chat_template.jinja").c_str(), 0600), 0);
  error_of([&] { render(); }, ErrorCode::kCorruptData);
}

}  // namespace
}  // namespace gemma3n
