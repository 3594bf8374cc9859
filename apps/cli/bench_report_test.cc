#include "bench_report.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

TEST(Spread, IsMedianLeastAndMost) {
  const auto odd = spread_of({3, 1, 2});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 3);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).median, 2.5);
  EXPECT_EQ(spread_of({7}).max, 7);
}

BenchReport two_cases() {
  BenchReport report;
  report.model = "model\x1b";
  report.system.version = "9.8.7";
  report.system.cpu = "a processor";
  report.system.active_instruction_set = "avx2";
  report.limits = {{2, {10e9, 100e9, 400e9}}};
  report.results.resize(2);
  auto& text = report.results[0];
  text.name = "prefill 100";
  text.tokens = text.context = 100;
  text.seconds = {2, 1, 4};
  text.work.f32_ops = 50e9;
  text.limit = Bound{0.5, false};
  report.results[1].name = "load";
  report.results[1].seconds = {0.25, 0.25, 0.5};
  for (auto& result : report.results) {
    result.storage = "q4";
    result.threads = 2;
  }
  return report;
}

TEST(BenchTable, ShowsSpeedsTimesAndTheShareOfTheLimit) {
  EXPECT_EQ(
      bench_table(two_cases(), nullptr),
      "model^[, gemma3n 9.8.7 on a processor, avx2, size full, cache in f32\n"
      "2 threads: 10.0 GB/s from memory, 100.0 Gop/s f32, 400.0 Gop/s int8\n"
      "CASE         STORAGE  THREADS  MEDIAN   WORST    BEST  UNIT    LIMIT  REACHED  LIMITED BY\n"
      "prefill 100  q4             2   50.00   25.00  100.00  tok/s  200.00    25.0%  arithmetic\n"
      "load         q4             2  0.2500  0.5000  0.2500  s           -        -           "
      "-\n");
}

TEST(BenchTable, TellsWhatBecameSlower) {
  Comparison comparison = {"before.json", {"m", "1.0", "c", "avx2", {}}, 10};
  comparison.baseline.cases = {{"prefill 100", "q4", 2, 1.0}};
  const auto text = bench_table(two_cases(), &comparison);
  EXPECT_NE(text.find("before: before.json, m, gemma3n 1.0 on c, avx2, size full, cache in f32\n"),
            std::string::npos);
  EXPECT_NE(text.find("  100.00  0.500\n"), std::string::npos) << text;
  EXPECT_NE(text.find("       -      -\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("slower: prefill 100, q4, 2 threads: 0.500\n")) << text;
  comparison.baseline.cases[0].seconds = 2;
  EXPECT_TRUE(
      bench_table(two_cases(), &comparison).ends_with("no case is slower by more than 10%\n"));
}

}  // namespace
}  // namespace gemma3n::cli
