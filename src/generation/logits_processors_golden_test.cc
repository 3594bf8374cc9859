// Every case of tests/golden/fixtures/logits_processors.json: what transformers' own processors
// make of random scores. Written by tools/reference/logits_processors.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/mapped_file.h"
#include "checkpoint/json.h"
#include "checkpoint/safetensors.h"
#include "generation/logits_processors.h"

namespace gemma3n {
namespace {

const std::filesystem::path kFixtures = GEMMA3N_FIXTURES;

template <typename T>
std::vector<T> values(const SafetensorsFile& file, const Json& name) {
  const SafetensorsEntry* entry = file.find(*get_if<std::string>(name));
  EXPECT_NE(entry, nullptr);
  std::vector<T> out(entry->size / sizeof(T));
  std::memcpy(out.data(), file.bytes(*entry).data(), entry->size);
  return out;
}

// The options of a case as a GenerationConfig that asks for nothing else.
GenerationConfig config_of(const Json::Object& options, const Json& eos) {
  Json::Object object = options;
  object.push_back({"eos_token_id", eos});
  if (!find(object, "top_k")) object.push_back({"top_k", Json{std::int64_t{0}}});
  auto config = GenerationConfig::from_json(to_text(object));
  if (!find(object, "do_sample")) config.do_sample = true;  // a single filter
  return config;
}

std::int64_t padding_of(const Json::Object& test_case, std::size_t row) {
  const Json* padding = find(test_case, "padding");
  return padding ? *get_if<std::int64_t>(get_if<Json::Array>(*padding)->at(row)) : 0;
}

void expect_equal(std::span<const float> scores, std::span<const float> expected,
                  bool splits_ties) {
  std::size_t kept = 0, expected_kept = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    kept += std::isfinite(scores[i]);
    expected_kept += std::isfinite(expected[i]);
    if (splits_ties) continue;  // which of equal scores a sort drops is not defined
    if (std::isinf(expected[i])) {
      EXPECT_EQ(scores[i], expected[i]) << "token " << i;
    } else {
      EXPECT_FLOAT_EQ(scores[i], expected[i]) << "token " << i;
    }
  }
  EXPECT_EQ(kept, expected_kept);
}

class LogitsProcessorsGolden : public testing::Test {
 protected:
  LogitsProcessorsGolden()
      : file_(MappedFile(kFixtures / "logits_processors.safetensors"), "logits_processors"),
        description_(
            parse_json_object(read_text_file(kFixtures / "logits_processors.json", 1 << 20))) {}

  void run(const Json::Object& test_case) {
    const auto V =
        static_cast<std::size_t>(*get_if<std::int64_t>(*find(description_, "vocab_size")));
    const auto all_ids = values<std::int64_t>(file_, *find(test_case, "ids"));
    const auto all_scores = values<float>(file_, *find(test_case, "scores"));
    const auto all_expected = values<float>(file_, *find(test_case, "expected"));
    const std::size_t rows = all_scores.size() / V, T = all_ids.size() / rows;
    const auto prompt_length = *get_if<std::int64_t>(*find(test_case, "prompt_length"));
    const auto config = config_of(*get_if<Json::Object>(*find(test_case, "options")),
                                  *find(description_, "eos_token_id"));
    auto processors = make_logits_processors(config, V, {});
    for (auto& warper : make_logits_warpers(config)) processors.push_back(std::move(warper));
    for (std::size_t row = 0; row < rows; ++row) {
      const std::int64_t padding = padding_of(test_case, row);
      // Our batches have no padding: lengths that count it are not comparable.
      const std::vector<TokenId> ids(all_ids.begin() + static_cast<std::int64_t>(row * T) + padding,
                                     all_ids.begin() + static_cast<std::int64_t>((row + 1) * T));
      const auto prompt = static_cast<std::size_t>(prompt_length - padding);
      const auto first = all_scores.begin() + static_cast<std::int64_t>(row * V);
      std::vector<float> scores(first, first + static_cast<std::int64_t>(V));
      for (const auto& process : processors) process({ids, prompt}, scores);
      expect_equal(scores, std::span(all_expected).subspan(row * V, V),
                   find(test_case, "splits_ties") != nullptr);
    }
  }

  SafetensorsFile file_;
  Json::Object description_;
};

TEST_F(LogitsProcessorsGolden, AgreeWithTransformers) {
  const auto& cases = *get_if<Json::Array>(*find(description_, "cases"));
  EXPECT_GT(cases.size(), 100u);
  for (const Json& item : cases) {
    const auto& test_case = *get_if<Json::Object>(item);
    SCOPED_TRACE(*get_if<std::string>(*find(test_case, "name")));
    run(test_case);
  }
}

}  // namespace
}  // namespace gemma3n
