#include "gemma3n/system.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <thread>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace gemma3n {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best of a few runs of body(thread) on all threads, in units of work per second.
template <typename Body>
double best_rate(ThreadPool& pool, double work_per_thread, const Body& body) {
  constexpr int kRuns = 4;
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    pool.run(pool.size(), body);
    best = std::max(best, work_per_thread * pool.size() / seconds_since(start));
  }
  return best;
}

}  // namespace

SystemInfo system_info() {
  SystemInfo info;
  info.version = GEMMA3N_VERSION;
#if defined(__clang__)
  info.compiler = "clang " __clang_version__;
#else
  info.compiler = "g++ " __VERSION__;
#endif
  info.cpu = cpu_name();
  for (const KernelTable* table : supported_kernels())
    info.instruction_sets.emplace_back(table->name);
  info.active_instruction_set = active_kernels().name;
  info.threads = available_threads();
  return info;
}

MachineLimits measure_limits(int threads) {
  if (threads < 1) fail(ErrorCode::kInvalidArgument, "threads: expected at least 1, got ", threads);
  const KernelTable& k = active_kernels();
  ThreadPool pool(threads);
  std::atomic<std::uint64_t> sink{0};  // keeps the loops alive
  MachineLimits limits;

  // Together well above any last-level cache.
  const std::size_t words =
      (std::size_t{1} << 30) / sizeof(std::uint64_t) / static_cast<std::size_t>(threads);
  std::vector<std::unique_ptr<std::uint64_t[]>> memory;
  for (int t = 0; t < threads; ++t) memory.push_back(std::make_unique<std::uint64_t[]>(words));
  limits.read_bytes_per_second =
      best_rate(pool, static_cast<double>(words * sizeof(std::uint64_t)), [&](std::int64_t t) {
        sink ^= k.xor_words(memory[static_cast<std::size_t>(t)].get(), words);
      });

  constexpr std::size_t kSteps = std::size_t{1} << 24;
  constexpr double kFlopsPerStep = 2.0 * 8 * kFmaChains;
  limits.f32_flops_per_second = best_rate(pool, kFlopsPerStep * kSteps, [&](std::int64_t) {
    sink += static_cast<std::uint64_t>(k.fma_chains(kSteps));
  });

  constexpr std::size_t kInt8Steps = std::size_t{1} << 18;
  constexpr double kOpsPerStep = 2.0 * 4 * 8 * kInt8Factors * kInt8Chains;
  limits.int8_ops_per_second = best_rate(pool, kOpsPerStep * kInt8Steps,
                                         [&](std::int64_t) { sink += k.int8_chains(kInt8Steps); });
  return limits;
}

}  // namespace gemma3n
