#include "memory/system_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "memory/large_buffer.h"

// The sanitizers see a write past the end of what malloc gave, not past a mapping.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LLMRT_MAPS_PAGES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LLMRT_MAPS_PAGES 0
#endif
#endif
#ifndef LLMRT_MAPS_PAGES
#define LLMRT_MAPS_PAGES 1
#endif

namespace llmrt::memory {
namespace {

// From here on a mapping; below, the rest of its last page would be a share worth counting. What
// malloc would do by itself until it has seen larger ones freed, and then keep.
constexpr int64_t kMappedBytesMin = 256 << 10;

constexpr bool IsMapped(int64_t bytes) { return LLMRT_MAPS_PAGES != 0 && bytes >= kMappedBytesMin; }

constexpr size_t RoundUp(int64_t bytes, int64_t step) {
  return static_cast<size_t>((bytes + step - 1) / step * step);
}

}  // namespace

void* AllocatePages(int64_t bytes) {
  // aligned_alloc wants a multiple of the alignment; the padding (under 64 bytes) is not counted,
  // so that the count equals the plan to the byte.
  if (!IsMapped(bytes)) return std::aligned_alloc(kAlignment, RoundUp(bytes, kAlignment));
  const size_t length = RoundUp(bytes, sysconf(_SC_PAGESIZE));
  void* const data =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  // Advice: a system without huge pages gives small ones.
  madvise(data, length, MADV_HUGEPAGE);
#endif
  return data;
}

void ReleasePages(void* data, int64_t bytes) {
  if (IsMapped(bytes)) {
    munmap(data, RoundUp(bytes, sysconf(_SC_PAGESIZE)));
  } else {
    std::free(data);
  }
}

}  // namespace llmrt::memory
