// An earlier report of `gemma3n bench --json`, and how this one compares with it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bench_plan.h"
#include "bench_result.h"

namespace gemma3n::cli {

// The "format" of a report; another number when a field changes its meaning.
constexpr const char* kBenchFormat = "gemma3n bench 1";

struct BaselineCase {
  std::string name, storage;
  int threads = 0;
  double seconds = 0;  // median
};

struct Baseline {
  std::string model, version, cpu, instruction_set;
  std::vector<BaselineCase> cases = {};
  std::string size = "full", cache = "f32";

  // Null if it is not there.
  const BaselineCase* find(const std::string& name, const std::string& storage, int threads) const;
};

// Throws: kNotFound; kInvalidArgument for a file that is too long; kCorruptData, naming file, case
// and field, for what is no such report.
Baseline read_baseline(const std::filesystem::path& file);

// Throws: kInvalidArgument if no case of the plan is in the baseline.
void check_common_case(const Baseline& baseline, const BenchPlan& plan, const std::string& file);

struct Comparison {
  std::string file;
  Baseline baseline;
  double tolerance_percent = 0;

  const BaselineCase* before(const BenchResult& result) const;
  // Of the earlier time to this one: below 1 is slower.   Absent: a new case.
  std::optional<double> ratio(const BenchResult& result) const;
  bool is_slower(const BenchResult& result) const;  // by more than the tolerance
};

}  // namespace gemma3n::cli
