// Picks a kernel table once, at first use.
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"
#include "kernels/kernels.h"

#ifdef GEMMA3N_X86_KERNELS
#include <cpuid.h>

#include "kernels/x86_tables.h"
#endif

namespace gemma3n {

#ifdef GEMMA3N_X86_KERNELS
namespace {

bool cpu_has_f16c() {  // clang 14 does not know this name in __builtin_cpu_supports
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool cpu_has_avx_vnni() {  // nor this one
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kAvxVnni = 1u << 4;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnni) != 0;
}

}  // namespace
#endif

std::span<const KernelTable* const> supported_kernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found = {&portable_kernels()};
#ifdef GEMMA3N_X86_KERNELS
    __builtin_cpu_init();
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    if (avx2) found.push_back(&avx2_kernels());
    if (avx2 && cpu_has_avx_vnni()) found.push_back(&avx2_vnni_kernels());
    if (avx2 && avx512) found.push_back(&avx512_kernels());
    if (avx2 && avx512 && __builtin_cpu_supports("avx512vnni")) {
      found.push_back(&avx512_vnni_kernels());
    }
#endif
    return found;
  }();
  return tables;
}

const KernelTable& active_kernels() {
  static const KernelTable& chosen = []() -> const KernelTable& {
    const char* wanted = std::getenv("GEMMA3N_ISA");
    if (wanted == nullptr || *wanted == '\0') return *supported_kernels().back();
    std::string names;
    for (const KernelTable* table : supported_kernels()) {
      if (std::string_view(table->name) == wanted) return *table;
      names.append(names.empty() ? "" : ", ").append(table->name);
    }
    fail(ErrorCode::kUnsupported, "GEMMA3N_ISA=", wanted, ": expected one of ", names,
         " (what this machine can run)");
  }();
  return chosen;
}

}  // namespace gemma3n
