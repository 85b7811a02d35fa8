// Replaces every form of global operator new and delete by malloc and free with a count. The
// counters are trivially initialized atomics: objects of any translation unit may allocate before
// main.
#include "memory/counted_heap.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LLMRT_HEAP_IS_COUNTED 0
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LLMRT_HEAP_IS_COUNTED 0
#endif
#ifndef LLMRT_HEAP_IS_COUNTED
#define LLMRT_HEAP_IS_COUNTED 1
#endif

namespace llmrt::memory {
namespace {

constinit std::atomic<int64_t> live_bytes{0};
constinit std::atomic<int64_t> peak_bytes{0};
constinit std::atomic<int64_t> allocations{0};
// Trivial, so a thread that ends has nothing of the library to run, even after it was unloaded.
constinit thread_local int64_t allocations_until_failure = -1;

}  // namespace

int64_t HeapBytes() { return live_bytes.load(std::memory_order_relaxed); }
int64_t HeapPeakBytes() { return peak_bytes.load(std::memory_order_relaxed); }
int64_t HeapAllocations() { return allocations.load(std::memory_order_relaxed); }
void ResetHeapPeak() { peak_bytes.store(HeapBytes(), std::memory_order_relaxed); }
void FailHeapAllocation(int64_t skip) { allocations_until_failure = skip < 0 ? -1 : skip; }
bool HeapIsCounted() { return LLMRT_HEAP_IS_COUNTED != 0; }

#if LLMRT_HEAP_IS_COUNTED
namespace {

bool MustFail() {
  if (allocations_until_failure < 0) return false;
  return allocations_until_failure-- == 0;  // leaves -1 behind: it fails once
}

void Count(void* pointer) {
  const auto bytes = static_cast<int64_t>(malloc_usable_size(pointer));
  const int64_t live = live_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  allocations.fetch_add(1, std::memory_order_relaxed);
  int64_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (peak < live && !peak_bytes.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void* AllocateOrNull(std::size_t bytes, std::size_t alignment) {
  if (MustFail()) return nullptr;
  if (bytes == 0) bytes = 1;  // two objects never share an address
  void* pointer = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    pointer = std::malloc(bytes);
  } else if (posix_memalign(&pointer, std::max(alignment, sizeof(void*)), bytes) != 0) {
    pointer = nullptr;
  }
  if (pointer != nullptr) Count(pointer);
  return pointer;
}

void* AllocateOrThrow(std::size_t bytes, std::size_t alignment) {
  void* pointer = AllocateOrNull(bytes, alignment);
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

void Free(void* pointer) noexcept {
  if (pointer == nullptr) return;
  live_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(pointer)),
                       std::memory_order_relaxed);
  std::free(pointer);
}

constexpr std::size_t kPlain = alignof(std::max_align_t);
constexpr std::size_t Bytes(std::align_val_t alignment) {
  return static_cast<std::size_t>(alignment);
}

}  // namespace
#endif  // LLMRT_HEAP_IS_COUNTED

}  // namespace llmrt::memory

#if LLMRT_HEAP_IS_COUNTED
// clang-format off
namespace heap = llmrt::memory;

void* operator new(std::size_t n) { return heap::AllocateOrThrow(n, heap::kPlain); }
void* operator new[](std::size_t n) { return heap::AllocateOrThrow(n, heap::kPlain); }
void* operator new(std::size_t n, std::align_val_t a) { return heap::AllocateOrThrow(n, heap::Bytes(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return heap::AllocateOrThrow(n, heap::Bytes(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return heap::AllocateOrNull(n, heap::kPlain); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return heap::AllocateOrNull(n, heap::kPlain); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return heap::AllocateOrNull(n, heap::Bytes(a)); }
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return heap::AllocateOrNull(n, heap::Bytes(a)); }

void operator delete(void* p) noexcept { heap::Free(p); }
void operator delete[](void* p) noexcept { heap::Free(p); }
void operator delete(void* p, std::size_t) noexcept { heap::Free(p); }
void operator delete[](void* p, std::size_t) noexcept { heap::Free(p); }
void operator delete(void* p, std::align_val_t) noexcept { heap::Free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { heap::Free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { heap::Free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { heap::Free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { heap::Free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { heap::Free(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { heap::Free(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { heap::Free(p); }
// clang-format on
#endif  // LLMRT_HEAP_IS_COUNTED
