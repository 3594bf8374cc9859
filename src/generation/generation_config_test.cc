#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <limits>

#include "gemma3n/generation.h"

namespace gemma3n {
namespace {

// The code and message of the Error that `function` throws.
struct Failure {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};
template <typename Function>
Failure failure_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

Failure json_failure(std::string_view json) {
  return failure_of([&] { GenerationConfig::from_json(json); });
}

TEST(GenerationConfig, ReadsTheFileOfAnInstructionTunedCheckpoint) {
  const auto config = GenerationConfig::from_json(R"({
    "bos_token_id": 2, "cache_implementation": "hybrid", "do_sample": true,
    "eos_token_id": [1, 106], "pad_token_id": 0, "top_k": 64, "top_p": 0.95,
    "temperature": 1.0, "transformers_version": "4.53.0.dev0"})");
  EXPECT_EQ(config.bos_token_id, 2);
  EXPECT_EQ(config.pad_token_id, 0);
  EXPECT_EQ(config.eos_token_id, (std::vector<TokenId>{1, 106}));
  EXPECT_EQ(config.cache_implementation, "hybrid");
  EXPECT_TRUE(config.do_sample);
  EXPECT_EQ(config.top_k, 64);
  EXPECT_EQ(config.top_p, 0.95);
  EXPECT_EQ(config.max_new_tokens, std::nullopt);
}

TEST(GenerationConfig, TakesOneValueForAListAndNullForADefault) {
  const auto config = GenerationConfig::from_json(
      R"({"eos_token_id": 1, "stop_strings": "END", "top_k": null, "max_length": null, "temperature": 1})");
  EXPECT_EQ(config.eos_token_id, std::vector<TokenId>{1});
  EXPECT_EQ(config.stop_strings, std::vector<std::string>{"END"});
  EXPECT_EQ(config.top_k, 50);
  EXPECT_EQ(config.temperature, 1.0);
}

TEST(GenerationConfig, SurvivesAJourneyThroughJson) {
  GenerationConfig config;
  config.max_new_tokens = 7;
  config.do_sample = true;
  config.temperature = 0.7;
  config.top_p = 0.9;
  config.bad_words_ids = {{1, 2}, {3}};
  config.stop_strings = {"a\n", "\xC3\xA9"};
  config.eos_token_id = {1, 106};
  config.pad_token_id = 0;
  config.num_return_sequences = 3;
  config.cache_implementation = "static";
  config.cache_storage = CacheStorage::kInt8;
  config.output_scores = true;
  config.num_assistant_tokens = 7;
  config.num_assistant_tokens_schedule = "constant";
  config.assistant_confidence_threshold = 0.25;
  const std::string json = config.to_json();
  const auto copy = GenerationConfig::from_json(json);
  EXPECT_EQ(copy.to_json(), json);
  EXPECT_EQ(copy.temperature, 0.7);
  EXPECT_EQ(copy.cache_storage, CacheStorage::kInt8);
  EXPECT_EQ(copy.num_assistant_tokens, 7);
  EXPECT_EQ(copy.num_assistant_tokens_schedule, "constant");
  EXPECT_EQ(copy.assistant_confidence_threshold, 0.25);
  EXPECT_EQ(copy.bad_words_ids, config.bad_words_ids);
  EXPECT_EQ(copy.stop_strings, config.stop_strings);
  EXPECT_EQ(copy.max_length, std::nullopt);
}

TEST(GenerationConfig, RefusesOptionsThatWouldChangeTheOutput) {
  for (const char* option :
       {"\"num_beams\": 4", "\"penalty_alpha\": 0.6", "\"guidance_scale\": 1.5",
        "\"constraints\": []", "\"force_words_ids\": [[1]]", "\"prompt_lookup_num_tokens\": 3",
        "\"suppress_tokens\": [5]", "\"forced_eos_token_id\": 1", "\"sequence_bias\": [[[1], 2.0]]",
        "\"num_beams\": \"1\"", "\"watermarking_config\": {}", "\"epsilon_cutoff\": 0.1",
        "\"is_assistant\": true", "\"use_mtp\": 0", "\"encoder_no_repeat_ngram_size\": 2"}) {
    const Failure failure = json_failure("{" + std::string(option) + "}");
    EXPECT_EQ(failure.code, ErrorCode::kUnsupported) << option;
    const std::string_view key = std::string_view(option).substr(1);
    EXPECT_TRUE(failure.message.starts_with(key.substr(0, key.find('"')))) << failure.message;
  }
  EXPECT_EQ(json_failure(R"({"cache_implementation": "quantized"})").code, ErrorCode::kUnsupported);
}

TEST(GenerationConfig, AcceptsTheSameOptionsAtTheValueWhereTheyDoNothing) {
  EXPECT_NO_THROW(GenerationConfig::from_json(
      R"({"num_beams": 1, "penalty_alpha": null, "guidance_scale": 1, "diversity_penalty": 0.0,
          "encoder_repetition_penalty": 1.0, "epsilon_cutoff": 0, "is_assistant": false,
          "length_penalty": 2.0, "use_cache": false, "early_stopping": true, "an_unknown_key": {}})"));
}

TEST(GenerationConfig, NamesTheKeyOfAWrongType) {
  for (const char* option :
       {"\"top_k\": \"many\"", "\"top_k\": 1.5", "\"do_sample\": 1", "\"temperature\": \"hot\"",
        "\"eos_token_id\": -1", "\"eos_token_id\": 2147483648", "\"eos_token_id\": [1, \"x\"]",
        "\"pad_token_id\": true", "\"bad_words_ids\": [1]", "\"stop_strings\": [1]",
        "\"max_new_tokens\": []", "\"cache_implementation\": 3", "\"cache_storage\": \"int4\""}) {
    const Failure failure = json_failure("{" + std::string(option) + "}");
    EXPECT_EQ(failure.code, ErrorCode::kInvalidArgument) << option;
    const std::string_view key = std::string_view(option).substr(1);
    EXPECT_TRUE(failure.message.starts_with(key.substr(0, key.find('"')))) << failure.message;
  }
}

TEST(GenerationConfig, RefusesWhatIsNotOneJsonObject) {
  for (const char* json : {"", "[]", "{", "{\"top_k\": 1, \"top_k\": 2}", "{\"top_k\": NaN}",
                           "{\"top_p\": 1e999}", "null", "{} {}"}) {
    EXPECT_EQ(json_failure(json).code, ErrorCode::kCorruptData) << json;
  }
  const std::string deep(100000, '[');
  EXPECT_EQ(json_failure("{\"x\": " + deep).code, ErrorCode::kCorruptData);
}

// One option at a value outside its range, and a word the message must have.
struct BadOption {
  const char* name;
  std::function<void(GenerationConfig&)> set;
};

TEST(GenerationConfig, ValidatesEveryRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const BadOption options[] = {
      {"max_new_tokens", [](auto& c) { c.max_new_tokens = 0; }},
      {"max_length", [](auto& c) { c.max_length = -1; }},
      {"min_new_tokens", [](auto& c) { c.min_new_tokens = -1; }},
      {"min_length", [](auto& c) { c.min_length = -1; }},
      {"temperature", [](auto& c) { c.temperature = 0; }},
      {"temperature", [=](auto& c) { c.temperature = nan; }},
      {"temperature", [=](auto& c) { c.temperature = infinity; }},
      {"temperature", [](auto& c) { c.temperature = 1e-60; }},
      {"repetition_penalty", [](auto& c) { c.repetition_penalty = -1; }},
      {"top_k", [](auto& c) { c.top_k = -1; }},
      {"top_p", [](auto& c) { c.top_p = 1.1; }},
      {"top_p", [=](auto& c) { c.top_p = nan; }},
      {"min_p", [](auto& c) { c.min_p = -0.1; }},
      {"typical_p", [](auto& c) { c.typical_p = 0; }},
      {"no_repeat_ngram_size", [](auto& c) { c.no_repeat_ngram_size = -2; }},
      {"bad_words_ids", [](auto& c) { c.bad_words_ids = {{}}; }},
      {"bad_words_ids", [](auto& c) { c.bad_words_ids = {{-1}}; }},
      {"stop_strings", [](auto& c) { c.stop_strings = {""}; }},
      {"stop_strings", [](auto& c) { c.stop_strings = {"\xFF"}; }},
      {"eos_token_id", [](auto& c) { c.eos_token_id = {-1}; }},
      {"pad_token_id", [](auto& c) { c.pad_token_id = -1; }},
      {"bos_token_id", [](auto& c) { c.bos_token_id = -1; }},
      {"num_return_sequences", [](auto& c) { c.num_return_sequences = 0; }},
      {"num_return_sequences", [](auto& c) { c.num_return_sequences = 2; }},
      {"num_return_sequences",
       [](auto& c) {
         c.do_sample = true;
         c.num_return_sequences = std::int64_t{1} << 60;
       }},
      {"prefill_chunk_size", [](auto& c) { c.prefill_chunk_size = -1; }},
      {"num_assistant_tokens", [](auto& c) { c.num_assistant_tokens = 0; }},
      {"num_assistant_tokens", [](auto& c) { c.num_assistant_tokens = 257; }},
      {"num_assistant_tokens_schedule", [](auto& c) { c.num_assistant_tokens_schedule = "x"; }},
      {"assistant_confidence_threshold", [](auto& c) { c.assistant_confidence_threshold = -1; }},
      {"assistant_confidence_threshold", [=](auto& c) { c.assistant_confidence_threshold = nan; }},
  };
  EXPECT_NO_THROW(GenerationConfig().validate());
  for (const auto& [name, set] : options) {
    GenerationConfig config;
    set(config);
    const Failure failure = failure_of([&] { config.validate(); });
    EXPECT_EQ(failure.code, ErrorCode::kInvalidArgument) << name;
    EXPECT_TRUE(failure.message.starts_with("generation config: " + std::string(name) + ": "))
        << failure.message;
  }
}

// A model directory that lives as long as the test.
class GenerationConfigFiles : public testing::Test {
 protected:
  GenerationConfigFiles()
      : dir_(std::filesystem::path(testing::TempDir()) /
             ("generation_config_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(dir_);
  }
  ~GenerationConfigFiles() override { std::filesystem::remove_all(dir_); }
  void write(const char* name, std::string_view text) { std::ofstream(dir_ / name) << text; }

  std::filesystem::path dir_;
};

TEST_F(GenerationConfigFiles, PreferGenerationConfigJson) {
  write("generation_config.json", R"({"eos_token_id": [1, 106]})");
  write("config.json", R"({"eos_token_id": 5})");
  EXPECT_EQ(GenerationConfig::from_pretrained(dir_).eos_token_id, (std::vector<TokenId>{1, 106}));
}

TEST_F(GenerationConfigFiles, FallBackToTheTokensOfConfigJson) {
  write("config.json",
        R"({"eos_token_id": [1, 106], "text_config": {"eos_token_id": 1, "pad_token_id": 3}})");
  const auto config = GenerationConfig::from_pretrained(dir_);
  EXPECT_EQ(config.eos_token_id, (std::vector<TokenId>{1, 106}));
  EXPECT_EQ(config.pad_token_id, 3);
  EXPECT_EQ(config.bos_token_id, 2);  // the default of the text model's config
  EXPECT_FALSE(config.do_sample);
}

TEST_F(GenerationConfigFiles, LeaveTheCallersDefaultsWhereTheySayNothing) {
  GenerationConfig defaults;
  defaults.do_sample = true;
  defaults.temperature = 0.7;
  write("generation_config.json", R"({"do_sample": false, "temperature": null})");
  auto config = GenerationConfig::from_pretrained(dir_, defaults);
  EXPECT_FALSE(config.do_sample);
  EXPECT_EQ(config.temperature, 0.7);
  std::filesystem::remove(dir_ / "generation_config.json");
  write("config.json", R"({"eos_token_id": 7})");
  config = GenerationConfig::from_pretrained(dir_, defaults);
  EXPECT_TRUE(config.do_sample);
  EXPECT_EQ(config.eos_token_id, std::vector<TokenId>{7});
}

TEST_F(GenerationConfigFiles, AreNamedInErrors) {
  EXPECT_EQ(failure_of([&] { GenerationConfig::from_pretrained(dir_); }).code,
            ErrorCode::kNotFound);
  write("generation_config.json", R"({"top_k": "x"})");
  EXPECT_EQ(failure_of([&] { GenerationConfig::from_pretrained(dir_); }).message,
            "generation_config.json: top_k: expected an integer, got \"x\"");
}

}  // namespace
}  // namespace gemma3n
