// For tests: the processor time and the memory of a call. Sanitizers slow everything down and own
// the memory, so with them neither says anything.
#pragma once

#include <time.h>

#include <fstream>
#include <string>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GEMMA3N_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GEMMA3N_SANITIZED 1
#endif
#endif

namespace gemma3n {

#ifdef GEMMA3N_SANITIZED
inline constexpr bool kIsMeasured = false;
#else
inline constexpr bool kIsMeasured = true;
#endif

// From construction on.
class Measurement {
 public:
  Measurement() {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts again at what is resident
    resident_kib_ = status_kib("VmRSS:");
    start_ms_ = processor_ms();
  }

  // Of this thread.
  double elapsed_ms() const { return processor_ms() - start_ms_; }
  // The largest resident memory beyond that at construction.
  long peak_kib() const { return status_kib("VmHWM:") - resident_kib_; }

 private:
  static double processor_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
  }
  static long status_kib(const std::string& field) {
    std::ifstream status("/proc/self/status");
    long kib = 0;
    for (std::string word; status >> word;) {
      if (word == field) return status >> kib, kib;
    }
    return 0;
  }

  long resident_kib_ = 0;
  double start_ms_ = 0;
};

}  // namespace gemma3n
