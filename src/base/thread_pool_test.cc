#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

namespace gemma3n {
namespace {

TEST(ThreadPool, RunsEachChunkOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      pool.parallel_for(count, 3, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& v : visits) EXPECT_EQ(v, 1);
    }
  }
}

TEST(ThreadPool, RethrowsWhatABodyThrewAndWorksAgain) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.run(8,
                        [](std::int64_t i) {
                          if (i == 3) throw std::runtime_error("three");
                        }),
               std::runtime_error);
  std::atomic<int> sum{0};
  pool.run(4, [&](std::int64_t i) { sum += static_cast<int>(i); });
  EXPECT_EQ(sum, 6);
}

TEST(ThreadPool, NestedCallsRunInTheirOwnThread) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  pool.run(4, [&](std::int64_t) { pool.run(3, [&](std::int64_t) { ++count; }); });
  EXPECT_EQ(count, 12);
}

TEST(ThreadPool, TakesCallsFromManyThreads) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) pool.run(5, [&](std::int64_t) { ++count; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(count, 4 * 200 * 5);
}

// Calls of one and of many chunks in turn: a thread that comes late must not take a chunk of a call
// that is over, or of the next one by the wrong count.
TEST(ThreadPool, LateThreadsFindTheCallInFlight) {
  ThreadPool pool(4);
  for (int round = 0; round < 3000; ++round) {
    const std::int64_t chunks = round % 2 == 0 ? 2 : 37;
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(chunks));
    pool.run(chunks, [&](std::int64_t i) { ++visits.at(static_cast<std::size_t>(i)); });
    for (const auto& v : visits) ASSERT_EQ(v, 1);
  }
}

TEST(ThreadPool, KnowsAtLeastOneCore) { EXPECT_GE(available_threads(), 1); }

}  // namespace
}  // namespace gemma3n
