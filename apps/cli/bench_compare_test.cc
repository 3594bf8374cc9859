#include "bench_compare.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "bench_report.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

class BenchCompare : public testing::Test {
 protected:
  ~BenchCompare() override { std::remove(file.c_str()); }

  Baseline read(const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
    return read_baseline(file);
  }
  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << text;
      std::string message = error.what();
      EXPECT_TRUE(message.starts_with(file)) << message;
      return message.substr(file.size());
    }
    ADD_FAILURE() << "accepted: " << text;
    return "";
  }
  static std::string report(const std::string& cases) {
    return R"({"format": "gemma3n bench 1", "model": "m", "version": "0.1", "cpu": "c",
               "instruction_set": "avx2", "cases": )" +
           cases + "}";
  }

  const std::string file = testing::TempDir() + "bench_compare_test.json";
};

BenchResult result(const char* name, int threads, double seconds) {
  BenchResult r;
  r.name = name;
  r.storage = "q4";
  r.threads = threads;
  r.seconds = {seconds, seconds, seconds};
  return r;
}

TEST_F(BenchCompare, ReadsWhatAReportWrites) {
  BenchReport written;
  written.model = "a \"model\"";
  written.system = system_info();
  written.size = "half";
  written.cache = CacheStorage::kInt8;
  written.results = {result("prefill 8", 1, 0.25), result("prefill 8", 2, 0.125)};
  const auto baseline = read(bench_json(written, nullptr));
  EXPECT_EQ(baseline.model, written.model);
  EXPECT_EQ(baseline.version, written.system.version);
  EXPECT_EQ(baseline.size, "half");
  EXPECT_EQ(baseline.cache, "int8");
  ASSERT_EQ(baseline.cases.size(), 2u);
  ASSERT_NE(baseline.find("prefill 8", "q4", 2), nullptr);
  EXPECT_EQ(baseline.find("prefill 8", "q4", 2)->seconds, 0.125);
  EXPECT_EQ(baseline.find("prefill 8", "q4", 3), nullptr);
  EXPECT_EQ(baseline.find("prefill 8", "q8", 2), nullptr);
  EXPECT_EQ(baseline.find("prefill 9", "q4", 2), nullptr);
}

TEST_F(BenchCompare, ACaseIsSlowerBeyondTheTolerance) {
  Comparison comparison = {"before.json", {}, 10};
  comparison.baseline.cases = {{"prefill 8", "q4", 1, 0.9}};
  EXPECT_DOUBLE_EQ(*comparison.ratio(result("prefill 8", 1, 0.45)), 2);
  EXPECT_FALSE(comparison.is_slower(result("prefill 8", 1, 0.45)));
  EXPECT_FALSE(comparison.is_slower(result("prefill 8", 1, 0.99)));
  EXPECT_TRUE(comparison.is_slower(result("prefill 8", 1, 1.01)));  // 0.9 / 1.01 < 0.9
  EXPECT_FALSE(comparison.ratio(result("prefill 8", 2, 9)));        // a new case
  EXPECT_FALSE(comparison.is_slower(result("prefill 8", 2, 9)));
  comparison.tolerance_percent = 0;
  EXPECT_FALSE(comparison.is_slower(result("prefill 8", 1, 0.9)));
  EXPECT_TRUE(comparison.is_slower(result("prefill 8", 1, 0.91)));
}

TEST_F(BenchCompare, OneCommonCaseIsNeeded) {
  BenchPlan plan;
  plan.storages = {"none", "q4"};
  plan.threads = {1, 2};
  plan.runs = {{BenchRun::Kind::kText, 8, {"prefill 8", "decode after 8"}}};
  Baseline baseline;
  baseline.cases = {{"prefill 8", "q8", 1, 1.0}};
  EXPECT_THROW(check_common_case(baseline, plan, "f"), Error);
  baseline.cases.push_back({"decode after 8", "q4", 2, 1.0});
  EXPECT_NO_THROW(check_common_case(baseline, plan, "f"));
}

TEST_F(BenchCompare, RefusesWhatIsNoReport) {
  EXPECT_EQ(refusal(""), ": expected what bench --json prints, got what is no JSON at byte 1");
  EXPECT_EQ(refusal("{\"format\": "),
            ": expected what bench --json prints, got what is no JSON at byte 12");
  EXPECT_EQ(refusal("{\"a\": 1e999}"),
            ": expected what bench --json prints, got a number that is out of range");
  EXPECT_EQ(refusal("[]"), ": expected an object, got array");
  EXPECT_EQ(refusal("{}"), ": expected \"format\", which is not there");
  EXPECT_EQ(refusal(R"({"format": "gemma3n bench 2"})"),
            R"(: "format": expected "gemma3n bench 1", got "gemma3n bench 2")");
  EXPECT_EQ(refusal(R"({"format": 1})"), ": \"format\": expected a string, got number");
  EXPECT_EQ(refusal(R"({"format": "gemma3n bench 1", "model": "m"})"),
            ": expected \"version\", which is not there");
  EXPECT_EQ(read(report("[]")).size, "full");
  EXPECT_EQ(read(report("[]")).cache, "f32");
  EXPECT_EQ(refusal(report("[], \"size\": 1")), ": \"size\": expected a string, got number");
  EXPECT_EQ(refusal(report("{}")), ": \"cases\": expected an array, got object");
  EXPECT_EQ(refusal(report("[1]")), ": cases[0]: expected an object, got number");
  EXPECT_EQ(refusal(report("[{}]")), ": cases[0]: expected \"case\", which is not there");
  const auto one = [&](const std::string& threads, const std::string& seconds) {
    return report(R"([{"case": "a", "storage": "q4", "threads": )" + threads +
                  ", \"seconds\": " + seconds + "}]");
  };
  EXPECT_EQ(read(one("1", "1")).cases.size(), 1u);
  EXPECT_EQ(refusal(one("1", "null")), ": cases[0]: \"seconds\": expected a number, got null");
  EXPECT_EQ(refusal(one("1", "0")), ": cases[0]: \"seconds\": expected a number above 0, got 0");
  EXPECT_EQ(refusal(one("1", "-1")), ": cases[0]: \"seconds\": expected a number above 0, got -1");
  EXPECT_EQ(refusal(one("1.5", "1")), ": cases[0]: \"threads\": expected a whole number, got 1.5");
  EXPECT_EQ(refusal(one("1e300", "1")),
            ": cases[0]: \"threads\": expected a whole number, got 1e+300");
  EXPECT_EQ(refusal(std::string(100000, '[')), ": expected at most 8 levels of JSON");
  EXPECT_THROW(read(std::string((16u << 20) + 1, ' ')), Error);
  EXPECT_THROW(read_baseline(testing::TempDir() + "no such file"), Error);
}

}  // namespace
}  // namespace gemma3n::cli
