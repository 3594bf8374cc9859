// What `gemma3n bench` has found out, case by case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gemma3n/system.h"
#include "work_model.h"

namespace gemma3n::cli {

struct Spread {
  double median = 0, min = 0, max = 0;
};
Spread spread_of(std::vector<double> numbers);  // one or more

struct BenchResult {
  std::string name;     // "decode after 512"
  std::string storage;  // what --quantize said: "none", "q8", "q4"
  int threads = 0;
  std::int64_t tokens = 0;   // that these seconds stand for; 0: none
  std::int64_t context = 0;  // of prefill and decode: the prompt's tokens
  Spread seconds = {};
  Work work = {};                   // empty: not known
  std::optional<Bound> limit = {};  // of this work

  double tokens_per_second() const { return static_cast<double>(tokens) / seconds.median; }
  // 1: as fast as the machine could be.
  std::optional<double> share() const;
};

struct BenchReport {
  std::string model;
  SystemInfo system;
  CacheStorage cache = CacheStorage::kF32;
  std::string size = "full";  // of the text model
  std::int64_t repeats = 0;
  std::int64_t decode_tokens = 0;
  std::vector<std::pair<int, MachineLimits>> limits;  // by number of threads
  std::vector<BenchResult> results;
};

}  // namespace gemma3n::cli
