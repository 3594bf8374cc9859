#include "eval_dataset.h"

#include <gtest/gtest.h>

#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

EvalItem parse(std::string_view line) {
  return parse_item(line, {.transcribe_prompt = "Write it down."});
}

TEST(EvalItem, OfMessagesIsAConversation) {
  const auto item = parse(R"({"messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "image", "path": "a.png"}, {"type": "text", "text": "What?"}]},
    {"role": "assistant", "content": "A cat."},
    {"role": "user", "content": [{"type": "audio", "audio": "b.wav"}, {"type": "image", "url": "http://x/c.png"}]}],
    "expected": ["yes", "no"], "category": "pets", "metric": "contains", "id": 7, "max_tokens": 5, "other": {}})");
  ASSERT_EQ(item.messages.size(), 4u);
  EXPECT_EQ(item.messages[0].role, "system");
  EXPECT_EQ(item.messages[1].parts[0].kind, Part::Kind::kImage);
  EXPECT_EQ(item.messages[1].parts[0].text, "a.png");
  EXPECT_EQ(item.messages[1].parts[1].text, "What?");
  EXPECT_EQ(item.messages[3].parts[0].kind, Part::Kind::kAudio);
  EXPECT_EQ(item.messages[3].parts[1].text, "http://x/c.png");
  EXPECT_EQ(item.expected, (std::vector<std::string>{"yes", "no"}));
  EXPECT_EQ(item.category, "pets");
  EXPECT_EQ(item.metric, Metric::kContains);
  EXPECT_EQ(item.id, "7");
  EXPECT_EQ(item.max_tokens, 5);
}

TEST(EvalItem, OfAChartIsAPictureAndAQuestion) {
  for (const char* line :
       {R"({"image": "a.png", "query": "How many?", "label": ["3"], "human_or_machine": 0})",
        R"({"image": {"path": "a.png"}, "question": "How many?", "answer": "3"})"}) {
    const auto item = parse(line);
    ASSERT_EQ(item.messages.size(), 1u);
    EXPECT_EQ(item.messages[0].parts[0].kind, Part::Kind::kImage);
    EXPECT_EQ(item.messages[0].parts[0].text, "a.png");
    EXPECT_EQ(item.messages[0].parts[1].text, "How many?");
    EXPECT_EQ(item.expected, std::vector<std::string>{"3"});
    EXPECT_EQ(item.metric, Metric::kRelaxed);
  }
}

TEST(EvalItem, OfSpeechIsASoundAndThePrompt) {
  const auto item = parse(
      R"({"audio": {"path": "a.wav", "array": [0, 1]}, "transcription": "hello", "raw_transcription": "Hello."})");
  EXPECT_EQ(item.messages[0].parts[0].kind, Part::Kind::kAudio);
  EXPECT_EQ(item.messages[0].parts[0].text, "a.wav");
  EXPECT_EQ(item.messages[0].parts[1].text, "Write it down.");
  EXPECT_EQ(item.expected, std::vector<std::string>{"hello"});
  EXPECT_EQ(item.metric, Metric::kWer);
  EXPECT_EQ(parse(R"({"audio": "a.wav", "raw_transcription": "b"})").expected[0], "b");
  EXPECT_EQ(parse(R"({"audio": "a.wav", "text": "c", "transcription": null})").expected[0], "c");
}

TEST(EvalItem, TakesTheOptionsMetricUnlessItNamesItsOwn) {
  const DatasetOptions options = {.metric = Metric::kContains};
  const std::string item = R"({"messages": [{"role": "user", "content": "a"}], "expected": "b")";
  EXPECT_EQ(parse_item(item + "}", options).metric, Metric::kContains);
  EXPECT_EQ(parse_item(item + R"(, "metric": "wer"})", options).metric, Metric::kWer);
}

TEST(EvalItem, ThatIsMalformedIsRefusedWithWhatWasExpected) {
  const std::string user = R"({"role": "user", "content": "a"})";
  const auto with_messages = [](const std::string& messages) {
    return R"({"expected": "b", "messages": )" + messages + "}";
  };
  const auto with = [&](const std::string& more) {
    return R"({"messages": [)" + user + "], " + more + "}";
  };
  const auto with_content = [&](const std::string& content) {
    return with_messages(R"([{"role": "user", "content": )" + content + "}]");
  };
  const std::pair<std::string, const char*> cases[] = {
      {"{", "no JSON at byte"},
      {"{} {}", "no JSON at byte 4"},
      {R"({"a": NaN})", "no JSON at byte"},
      {R"({"a": 1e999})", "out of range"},
      {"{\"a\": \"\xff\"}", "no JSON at byte"},
      {R"({"a": "\ud800"})", "no JSON at byte"},
      {R"({"a": )" + std::string(100000, '[') + std::string(100000, ']') + "}",
       "at most 32 levels"},
      {"[]", "expected a JSON object, got array"},
      {"{}", "\"audio\" and \"transcription\""},
      {R"({"image": "a.png", "query": "b"})", "\"query\" and \"label\""},
      {R"({"image": 3, "query": "b", "label": "c"})", "\"image\": expected a path or a URL"},
      {R"({"image": {"bytes": ""}, "query": "b", "label": "c"})", "\"image\": expected a path"},
      {R"({"image": "", "query": "b", "label": "c"})", "got ''"},
      {R"({"image": "a\u0000b", "query": "b", "label": "c"})", "got 'a'"},
      {R"({"image": "a.png", "query": ["b"], "label": "c"})",
       "\"query\": expected a string, got array"},
      {R"({"image": "a.png", "query": "b", "label": 3})", "\"label\": expected a string or a list"},
      {R"({"audio": "a.wav", "text": ""})", "\"text\": expected a text, got an empty one"},
      {with_messages("[]"), "expected a list of messages"},
      {with_messages(R"("hi")"), "expected a list of messages"},
      {with_messages("[3]"), "expected objects in the list, got number"},
      {with_messages(R"([{"content": "a"}])"), "expected a \"role\""},
      {with_messages(R"([{"role": 3, "content": "a"}])"), "\"role\": expected a string"},
      {with_messages(R"([{"role": "user"}])"), "\"content\": expected a string or a list"},
      {with_messages("[" + user + R"(, {"role": "assistant", "content": "a"}])"),
       "got role 'assistant'"},
      {with_content("3"), "\"content\": expected a string or a list"},
      {with_content("[3]"), "expected objects in the list"},
      {with_content("[{}]"), "expected text, image or audio, got ''"},
      {with_content(R"([{"type": "video"}])"), "got 'video'"},
      {with_content(R"([{"type": "text"}])"), "expected a \"text\""},
      {with_content(R"([{"type": "image"}])"), "expected a \"path\" or \"url\""},
      {with_content(R"([{"type": "audio", "path": 3}])"), "\"path\": expected a path or a URL"},
      {with(R"("id": 3)"), "expected \"expected\" beside \"messages\""},
      {with(R"("expected": [])"), "\"expected\": expected a text"},
      {with(R"("expected": ["a", " "])"), "\"expected\": expected a text"},
      {with(R"("expected": ["a", 3])"), "\"expected\": expected a string, got number"},
      {with(R"("expected": "a", "metric": "bleu")"),
       "expected exact, relaxed, contains or wer, got 'bleu'"},
      {with(R"("expected": "a", "category": 3)"), "\"category\": expected a string"},
      {with(R"("expected": "a", "id": 1.5)"), "\"id\": expected a string"},
      {with(R"("expected": "a", "max_tokens": 0)"), "\"max_tokens\": expected a whole number"},
      {with(R"("expected": "a", "max_tokens": 1.5)"), "\"max_tokens\": expected a whole number"},
      {with(R"("expected": "a", "max_tokens": "5")"), "\"max_tokens\": expected a whole number"},
      {with(R"("expected": "a", "max_tokens": 99999999999)"),
       "\"max_tokens\": expected a whole number"},
  };
  for (const auto& [line, message] : cases) {
    try {
      parse(line);
      ADD_FAILURE() << line.substr(0, 200);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos)
          << line.substr(0, 200) << "\n"
          << error.what();
    }
  }
}

TEST(MediaSource, IsRelativeToTheDataset) {
  EXPECT_EQ(media_source("data", "a.png"), "data/a.png");
  EXPECT_EQ(media_source("data", "/b/a.png"), "/b/a.png");
  EXPECT_EQ(media_source("", "-"), "./-");
  EXPECT_EQ(media_source("data", "https://x/a.png"), "https://x/a.png");
  EXPECT_EQ(media_source("data", "data:image/png;base64,AA=="), "data:image/png;base64,AA==");
}

}  // namespace
}  // namespace gemma3n::cli
