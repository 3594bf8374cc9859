// A model to be timed: one storage, one number of threads.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench_plan.h"
#include "bench_result.h"
#include "gemma3n/pipeline.h"

namespace gemma3n::cli {

class BenchModel {
 public:
  // Loads it, or makes its random weights.   Throws: as ForConditionalGeneration::from_pretrained.
  BenchModel(const BenchPlan& plan, const std::string& storage, int threads);

  // Runs once what is not to be timed, as short as will do, so that weights and scratch are in
  // memory.
  void warm_up(const BenchRun& run) const;
  // Returns the seconds of each of run.cases.
  std::vector<double> time(const BenchRun& run) const;
  // What is known of each of run.cases without running it: all but times and limits.
  std::vector<BenchResult> describe(const BenchRun& run) const;

 private:
  std::vector<double> time_text(std::int64_t prompt_tokens, std::int64_t decode_tokens) const;
  std::vector<double> time_picture(std::int64_t size) const;
  std::vector<double> time_sound(std::int64_t seconds) const;
  std::vector<double> time_loading(std::int64_t prompt_tokens) const;

  const BenchPlan& plan_;
  std::string storage_;
  int threads_;
  std::optional<ForConditionalGeneration> whole_;  // if towers are timed
  std::optional<ForCausalLM> text_;
};

}  // namespace gemma3n::cli
