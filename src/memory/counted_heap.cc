// Replaces every form of global operator new and delete by malloc and free with a count. The
// counters are trivially initialized atomics: objects of any translation unit may allocate before
// main.
//
// Each allocation is preceded by a header of 16 bytes, which keeps malloc's alignment: the account
// that it was charged to and the bytes that were charged. So delete refunds the right account from
// any thread and any scope. An over-aligned allocation has `alignment` bytes before it, the header
// in the last 16 of them; delete is told the alignment again and finds the start.
#include "memory/counted_heap.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "memory/budget.h"

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
// Whoever set it keeps the account alive for as long as it is set.
constinit thread_local Budget* current_account = nullptr;
constinit thread_local int64_t keep_free = 0;  // bytes of its limit
constinit thread_local HeapRefusal last_refusal = {};

}  // namespace

int64_t HeapBytes() { return live_bytes.load(std::memory_order_relaxed); }
int64_t HeapPeakBytes() { return peak_bytes.load(std::memory_order_relaxed); }
int64_t HeapAllocations() { return allocations.load(std::memory_order_relaxed); }
void ResetHeapPeak() { peak_bytes.store(HeapBytes(), std::memory_order_relaxed); }
void FailHeapAllocation(int64_t skip) { allocations_until_failure = skip < 0 ? -1 : skip; }

ScopedHeapAccount::ScopedHeapAccount(Budget* account, int64_t keep_free_bytes)
    : before_(current_account), keep_free_before_(keep_free) {
  current_account = account;
  keep_free = keep_free_bytes;
}

ScopedHeapAccount::~ScopedHeapAccount() {
  current_account = before_;
  keep_free = keep_free_before_;
}

HeapRefusal LastHeapRefusal() { return last_refusal; }
void ForgetHeapRefusal() { last_refusal = {}; }

bool HeapIsCounted() { return LLMRT_HEAP_IS_COUNTED != 0; }

#if LLMRT_HEAP_IS_COUNTED
namespace {

bool MustFail() {
  if (allocations_until_failure < 0) return false;
  return allocations_until_failure-- == 0;  // leaves -1 behind: it fails once
}

struct Header {
  Budget* account;  // null: the process' own
  int64_t bytes;    // charged
};
static_assert(sizeof(Header) == kHeapHeaderBytes);

std::size_t LeadFor(std::size_t alignment) { return std::max(alignment, sizeof(Header)); }

bool Charge(Budget* account, int64_t bytes) {
  if (account == nullptr || account->Charge(bytes, keep_free)) return true;
  const Budget& limiting = account->limiting();
  last_refusal = {bytes, limiting.used_bytes(), limiting.limit_bytes()};
  return false;
}

void Count(int64_t bytes) {
  const int64_t live = live_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  allocations.fetch_add(1, std::memory_order_relaxed);
  int64_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (peak < live && !peak_bytes.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void* AllocateOrNull(std::size_t bytes, std::size_t alignment) {
  if (MustFail()) return nullptr;
  if (bytes >= static_cast<std::size_t>(kAddressSpaceBytes)) return nullptr;
  const std::size_t lead = LeadFor(alignment);
  const int64_t charged = ChunkBytes(static_cast<int64_t>(bytes + lead));
  Budget* const account = current_account;
  if (!Charge(account, charged)) return nullptr;
  void* start = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    start = std::malloc(bytes + lead);
  } else if (posix_memalign(&start, alignment, bytes + lead) != 0) {
    start = nullptr;
  }
  if (start == nullptr) {
    if (account != nullptr) account->Refund(charged);
    return nullptr;
  }
  if (account != nullptr) account->Retain();
  Count(charged);
  char* const pointer = static_cast<char*>(start) + lead;
  new (pointer - sizeof(Header)) Header{account, charged};
  return pointer;
}

void* AllocateOrThrow(std::size_t bytes, std::size_t alignment) {
  void* pointer = AllocateOrNull(bytes, alignment);
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

void Free(void* pointer, std::size_t alignment) noexcept {
  if (pointer == nullptr) return;
  char* const after = static_cast<char*>(pointer);
  const Header header = *reinterpret_cast<const Header*>(after - sizeof(Header));
  std::free(after - LeadFor(alignment));
  live_bytes.fetch_sub(header.bytes, std::memory_order_relaxed);
  if (header.account == nullptr) return;
  header.account->Refund(header.bytes);
  header.account->Release();
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

void operator delete(void* p) noexcept { heap::Free(p, heap::kPlain); }
void operator delete[](void* p) noexcept { heap::Free(p, heap::kPlain); }
void operator delete(void* p, std::size_t) noexcept { heap::Free(p, heap::kPlain); }
void operator delete[](void* p, std::size_t) noexcept { heap::Free(p, heap::kPlain); }
void operator delete(void* p, std::align_val_t a) noexcept { heap::Free(p, heap::Bytes(a)); }
void operator delete[](void* p, std::align_val_t a) noexcept { heap::Free(p, heap::Bytes(a)); }
void operator delete(void* p, std::size_t, std::align_val_t a) noexcept { heap::Free(p, heap::Bytes(a)); }
void operator delete[](void* p, std::size_t, std::align_val_t a) noexcept { heap::Free(p, heap::Bytes(a)); }
void operator delete(void* p, const std::nothrow_t&) noexcept { heap::Free(p, heap::kPlain); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { heap::Free(p, heap::kPlain); }
void operator delete(void* p, std::align_val_t a, const std::nothrow_t&) noexcept { heap::Free(p, heap::Bytes(a)); }
void operator delete[](void* p, std::align_val_t a, const std::nothrow_t&) noexcept { heap::Free(p, heap::Bytes(a)); }
// clang-format on
#endif  // LLMRT_HEAP_IS_COUNTED
