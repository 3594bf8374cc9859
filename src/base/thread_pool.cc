#include "base/thread_pool.h"

#include <sched.h>

#include <utility>

namespace gemma3n {
namespace {

constexpr int kSpins = 4000;  // some tens of microseconds
constexpr std::uint32_t kNoChunk = 0xFFFFFFFF;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns once `value` differs from `old`: spins first, since the next call usually comes at once.
void wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

thread_local bool ThreadPool::inside_task_ = false;

int available_threads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    if (const int count = CPU_COUNT(&allowed); count > 0) return count;
  }
  const unsigned count = std::thread::hardware_concurrency();
  return count > 0 ? static_cast<int>(count) : 1;
}

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { worker(); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::run_chunks(std::int64_t chunks, Task task, const void* context) {
  const std::lock_guard lock(one_call_);
  const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  const std::uint64_t first_ticket = static_cast<std::uint64_t>(generation) << 32;
  // Closed while the fields change: no thread can take a chunk by the last call's ticket any more.
  ticket_.exchange(first_ticket | kNoChunk, std::memory_order_acq_rel);
  task_ = task;
  context_ = context;
  chunks_.store(static_cast<std::uint32_t>(chunks), std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(first_ticket, std::memory_order_release);
  generation_.store(generation, std::memory_order_release);
  generation_.notify_all();
  work();
  for (std::uint32_t done = done_.load(std::memory_order_acquire); done != chunks;
       done = done_.load(std::memory_order_acquire)) {
    wait_for_change(done_, done);
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::work() {
  inside_task_ = true;
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint32_t chunks = chunks_.load(std::memory_order_relaxed);
    const auto chunk = static_cast<std::uint32_t>(ticket);
    if (chunk >= chunks) break;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    try {
      task_(context_, chunk);
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks) done_.notify_one();
    ticket = ticket_.load(std::memory_order_acquire);
  }
  inside_task_ = false;
}

void ThreadPool::worker() {
  std::uint32_t seen = 0;
  for (;;) {
    wait_for_change(generation_, seen);
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    work();
  }
}

}  // namespace gemma3n
