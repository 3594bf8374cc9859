// Chat templates against transformers: fixtures by tools/reference/make_template_fixtures.py.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gemma3n/chat.h"

namespace gemma3n {
namespace {

using Json = nlohmann::ordered_json;

const std::filesystem::path kFixtures = GEMMA3N_FIXTURES;
constexpr const char* kSpecialTokens =
    R"({"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"})";

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<Json> read_lines(const char* name) {
  std::ifstream file(kFixtures / name);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

const std::map<std::string, ChatTemplate>& templates() {
  static const auto all = [] {
    std::map<std::string, ChatTemplate> found;
    for (const auto& entry : std::filesystem::directory_iterator(kFixtures / "templates"))
      found.emplace(entry.path().stem().string(), ChatTemplate(read(entry.path()), kSpecialTokens));
    return found;
  }();
  return all;
}

struct Outcome {
  bool is_error = false;
  std::string text;  // or the message
};

Outcome render(const ChatTemplate& chat_template, const Json& line) {
  RenderOptions options;
  options.add_generation_prompt = line.value("add_generation_prompt", false);
  options.continue_final_message = line.value("continue_final_message", false);
  options.variables_json = line.value("variables", Json::object()).dump();
  try {
    return {false, chat_template.render_json(line.at("messages").dump(), options)};
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return {true, error.what()};
  }
}

// As zlib's crc32.
std::string checksum(const std::string& text) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%08x", ~crc);
  return digits.data();
}

TEST(ChatTemplateGolden, TextsEqualTransformers) {
  const auto conversations = read_lines("conversations.jsonl");
  const auto expected = read_lines("expected_text.jsonl");
  ASSERT_GE(conversations.size(), 1000u);
  ASSERT_GE(expected.size(), 1400u);
  for (const Json& line : expected) {
    const std::string name = line.at("template");
    const std::size_t i = line.at("conversation");
    const Outcome outcome = render(templates().at(name), conversations.at(i));
    EXPECT_EQ(outcome.is_error, line.contains("error")) << name << " " << i << ": " << outcome.text;
    if (line.contains("text")) {
      EXPECT_EQ(outcome.text, line.at("text").get<std::string>()) << name << " " << i;
    } else {
      // What the template itself says; empty for errors of Python's own wording.
      EXPECT_NE(outcome.text.find(line.at("error").get<std::string>()), std::string::npos)
          << name << " " << i << ": " << outcome.text;
    }
  }
}

TEST(ChatTemplateGolden, ChecksumsOfAllTemplatesEqualTransformers) {
  const auto conversations = read_lines("conversations.jsonl");
  const Json expected = Json::parse(read(kFixtures / "expected_checksum.json"));
  ASSERT_GE(expected.size(), 21u);
  ASSERT_EQ(expected.size(), templates().size());
  for (const auto& [name, sums] : expected.items()) {
    ASSERT_EQ(sums.size(), conversations.size());
    std::size_t texts = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const Outcome outcome = render(templates().at(name), conversations[i]);
      texts += outcome.is_error ? 0 : 1;
      EXPECT_EQ(outcome.is_error ? "error" : checksum(outcome.text), sums[i].get<std::string>())
          << name << " " << i << ": " << outcome.text;
    }
    EXPECT_GT(texts, sums.size() / 4) << name << " renders too few of the conversations";
  }
}

}  // namespace
}  // namespace gemma3n
