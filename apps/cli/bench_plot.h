// Speed against context length, as a picture.
#pragma once

#include <string>

#include "bench_result.h"

namespace gemma3n::cli {

// An SVG of two plots, prefill and decode, with a curve for each storage and number of threads.
std::string bench_svg(const BenchReport& report);

}  // namespace gemma3n::cli
