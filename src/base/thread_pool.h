// The one pool of threads that all work is split over.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace gemma3n {

// Cores this process may run on (its affinity mask, not the machine's count).
int available_threads();

// Safe to use from many threads: calls take turns. A call from inside a task runs in that thread.
// Idle threads spin for some microseconds, then sleep.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // the caller is one of them; threads >= 1
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // body(chunk) for each chunk in [0, chunks), on any thread, in any order; returns when all are
  // done. Rethrows the first exception a body threw. A result must not depend on the number of
  // threads: either it belongs to one chunk alone, or the chunks are the same for any number.
  template <typename Body>
  void run(std::int64_t chunks, const Body& body) {
    if (chunks <= 0) return;
    if (chunks == 1 || workers_.empty() || inside_task_) {
      for (std::int64_t i = 0; i < chunks; ++i) body(i);
      return;
    }
    run_chunks(
        chunks,
        [](const void* context, std::int64_t chunk) {
          (*static_cast<const Body*>(context))(chunk);
        },
        &body);
  }

  // body(begin, end) over pieces of [0, count), each of `grain` items (the last may be shorter).
  template <typename Body>
  void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
    const std::int64_t chunks = (count + grain - 1) / grain;
    run(chunks, [&](std::int64_t chunk) {
      const std::int64_t begin = chunk * grain;
      body(begin, begin + grain < count ? begin + grain : count);
    });
  }

 private:
  using Task = void (*)(const void* context, std::int64_t chunk);
  void run_chunks(std::int64_t chunks, Task task, const void* context);
  void work();    // takes chunks of the call in flight until none are left
  void worker();  // a thread's life

  std::mutex one_call_;
  Task task_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<std::uint32_t> chunks_{0};
  // Which call is in flight (high half) and its next chunk (low half). Whoever raises the low half
  // owns that chunk, and by that keeps the call in flight until the chunk is done. So a thread that
  // wakes up late finds either work or a later call, never a finished one, and nobody waits for it.
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<std::uint32_t> done_{0};        // chunks of the call in flight
  std::atomic<std::uint32_t> generation_{0};  // counts calls; workers wait for it to change
  std::atomic<bool> stopping_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
  static thread_local bool inside_task_;
};

}  // namespace gemma3n
