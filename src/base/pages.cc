#include "base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace gemma3n {
namespace {

void advise(const void* data, std::size_t size, int advice) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + size) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

void advise_random_access(const void* data, std::size_t size) { advise(data, size, MADV_RANDOM); }

void release_mapped_pages(const void* data, std::size_t size) { advise(data, size, MADV_DONTNEED); }

}  // namespace gemma3n
