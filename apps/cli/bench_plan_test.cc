#include "bench_plan.h"

#include <gtest/gtest.h>

#include <functional>

#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

BenchArguments e2b() {
  BenchArguments arguments;
  arguments.synthetic = "e2b";
  return arguments;
}

std::vector<std::string> case_names(const BenchPlan& plan) {
  std::vector<std::string> names;
  for (const auto& run : plan.runs) names.insert(names.end(), run.cases.begin(), run.cases.end());
  return names;
}

using Names = std::vector<std::string>;

TEST(BenchPlan, WithoutOptionsIsAPromptOf512AndWhatFollowsIt) {
  const auto plan = bench_plan(e2b());
  EXPECT_TRUE(plan.is_synthetic);
  EXPECT_EQ(case_names(plan), (Names{"prefill 512", "decode after 512"}));
  EXPECT_EQ(plan.storages, Names{"none"});
  EXPECT_EQ(plan.threads.size(), 1u);
  EXPECT_EQ(plan.decode_tokens, 64);
  EXPECT_EQ(plan.repeats, 3);
  EXPECT_FALSE(plan.needs_towers());
}

TEST(BenchPlan, ListsAreCasesStoragesAndThreads) {
  auto arguments = e2b();
  arguments.contexts = {8, 16};
  arguments.quantize = "q8,q4,none";
  arguments.threads = {2, 1};
  arguments.audio_seconds = {3};
  const auto plan = bench_plan(arguments);
  EXPECT_EQ(case_names(plan), (Names{"prefill 8", "decode after 8", "prefill 16", "decode after 16",
                                     "sound 3 s features", "sound 3 s tower"}));
  EXPECT_EQ(plan.storages, (Names{"q8", "q4", "none"}));
  EXPECT_EQ(plan.threads, (std::vector<int>{2, 1}));
  EXPECT_TRUE(plan.needs_towers());
}

TEST(BenchPlan, MediaAloneAreTimedWithoutText) {
  auto arguments = e2b();
  arguments.image = arguments.audio = true;
  EXPECT_EQ(case_names(bench_plan(arguments)),
            (Names{"picture 768 features", "picture 768 tower", "sound 30 s features",
                   "sound 30 s tower", "sound 2 s features", "sound 2 s tower"}));
}

TEST(BenchPlan, APlotHasContextsOfItsOwnThatFit) {
  auto arguments = e2b();
  arguments.wants_curve = true;
  EXPECT_EQ(bench_plan(arguments).runs.size(), 4u);
  EXPECT_EQ(bench_plan(arguments).runs.back().size, 32000);
  arguments.decode_tokens = 20000;
  EXPECT_EQ(bench_plan(arguments).runs.back().size, 8192);
}

TEST(BenchPlan, LoadingIsTimedForAFolder) {
  BenchArguments arguments;
  arguments.model = GEMMA3N_CHECKPOINTS "/chat";
  arguments.load = true;
  EXPECT_EQ(case_names(bench_plan(arguments)), (Names{"load", "load and first token"}));
}

TEST(BenchPlan, RefusesWhatCannotBeTimed) {
  const auto expect_refusal = [](const char* message, ErrorCode code,
                                 const std::function<void(BenchArguments&)>& change) {
    auto arguments = e2b();
    change(arguments);
    try {
      bench_plan(arguments);
      ADD_FAILURE() << "expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_STREQ(error.what(), message);
    }
  };
  const auto kWrong = ErrorCode::kInvalidArgument;
  expect_refusal("expected either MODEL or --synthetic; see gemma3n bench --help", kWrong,
                 [](auto& a) { a.model = "folder"; });
  expect_refusal("--synthetic: expected e2b or e4b, got 'e3b'", kWrong,
                 [](auto& a) { a.synthetic = "e3b"; });
  expect_refusal("--load: expected MODEL, not --synthetic", kWrong, [](auto& a) { a.load = true; });
  expect_refusal("--quantize: expected each word once, got 'q4' twice", kWrong,
                 [](auto& a) { a.quantize = "q4,q8,q4"; });
  expect_refusal("--threads: expected each number once, got 2 twice", kWrong, [](auto& a) {
    a.threads = {2, 2};
  });
  expect_refusal("--contexts: expected each number once, got 8 twice", kWrong, [](auto& a) {
    a.contexts = {8, 16, 8};
  });
  expect_refusal("--contexts: expected 1 to 32768, got 0", kWrong,
                 [](auto& a) { a.contexts = {0}; });
  expect_refusal("--decode-tokens: expected 1 to 32768, got 0", kWrong,
                 [](auto& a) { a.decode_tokens = 0; });
  expect_refusal("--repeat: expected 1 to 1000, got 0", kWrong, [](auto& a) { a.repeats = 0; });
  expect_refusal("--image-size: expected 1 to 4096, got 4097", kWrong,
                 [](auto& a) { a.image_sizes = {4097}; });
  expect_refusal("--audio-seconds: expected 1 to 30, got 31", kWrong,
                 [](auto& a) { a.audio_seconds = {31}; });
  expect_refusal("--plot: expected two or more of --contexts", kWrong, [](auto& a) {
    a.wants_curve = true;
    a.contexts = {512};
  });
  expect_refusal(
      "--contexts: with the tokens to decode, expected at most 32703 in a context of 32768, got "
      "32704",
      ErrorCode::kContextFull, [](auto& a) { a.contexts = {32704}; });
  for (const char* list : {"", "q4,", ",q4", "q5", "q4 ,q8"}) {
    auto arguments = e2b();
    arguments.quantize = list;
    EXPECT_THROW(bench_plan(arguments), Error) << list;
  }
}

}  // namespace
}  // namespace gemma3n::cli
