// Runs the tests with the kernels GEMMA3N_ISA names; exit code 77 = this machine does not have
// them.
#include <gtest/gtest.h>

#include <cstdio>

#include "gemma3n/system.h"

int main(int argc, char** argv) {
  try {
    std::printf("kernels: %s\n", gemma3n::system_info().active_instruction_set.c_str());
  } catch (const gemma3n::Error& error) {
    std::printf("SKIPPED: %s\n", error.what());
    return 77;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
