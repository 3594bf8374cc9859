// Times all cases of a plan.
#pragma once

#include "bench_plan.h"
#include "bench_result.h"

namespace gemma3n::cli {

// The repeats of all cases take turns, so that a slow minute of the machine does not become one
// case's slowness. Models that together need more than a quarter of the machine's memory are loaded
// and timed one after the other. Shows progress on standard error.
BenchReport measure_bench(const BenchPlan& plan);

}  // namespace gemma3n::cli
