// The machine the library runs on, as far as it matters for speed.
#pragma once

#include <string>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

struct SystemInfo {
  std::string version;                        // of this library
  std::string compiler;                       // that built it
  std::string cpu;                            // model name, or "unknown"
  std::vector<std::string> instruction_sets;  // kernels this CPU can run: "portable", "avx2", ...
  std::string active_instruction_set;         // the one in use; GEMMA3N_ISA=NAME chooses
  int threads = 1;                            // cores this process may use
};
SystemInfo system_info();

// What this machine can do at best, measured now (about a second).
struct MachineLimits {
  double read_bytes_per_second = 0;  // streaming reads from memory, all threads together
  double f32_flops_per_second = 0;   // fused multiply-adds counted as two, all threads together
  double int8_ops_per_second = 0;    // likewise of 8-bit integers, by the kernels in use
};
MachineLimits measure_limits(int threads);

}  // namespace gemma3n
