// What `gemma3n bench` tells of its results.
#pragma once

#include <string>

#include "bench_compare.h"
#include "bench_result.h"

namespace gemma3n::cli {

// The machine, its limits, a table with a line for each case, and which became slower.
// comparison: null if there is none.
std::string bench_table(const BenchReport& report, const Comparison* comparison);

// One object; its members are described in `gemma3n bench --help`.
std::string bench_json(const BenchReport& report, const Comparison* comparison);

}  // namespace gemma3n::cli
