// The count of the library's small heap: everything that `operator new` gave and `delete` has not
// taken back, of the whole process and by account. What a thread allocates is charged to the
// account of its innermost ScopedHeapAccount and refunded to the same one whoever frees it; outside
// of such a scope it is the process' own (handles, options, sources). Linking this file replaces
// those operators. In the shared library the replacements are hidden symbols, so the host keeps its
// own and only the library's objects are counted; in a program that links the static libraries they
// serve the whole program.
//
// Under AddressSanitizer and ThreadSanitizer the operators stay the sanitizer's own: the counts
// read 0, accounts are not charged, and FailHeapAllocation does nothing (HeapIsCounted tells).
#pragma once

#include <algorithm>
#include <cstdint>

#include "memory/budget.h"

namespace llmrt::memory {

// What `operator new` puts before each allocation: whom it is charged to, and how much.
inline constexpr int64_t kHeapHeaderBytes = 16;

// What malloc takes for `bytes`: glibc's chunks carry 8 bytes of their own, are multiples of 16 and
// at least 32. A formula rather than malloc_usable_size, which may give a larger chunk that happens
// to lie around: the same allocations are counted alike in every run, and before they are made.
constexpr int64_t ChunkBytes(int64_t bytes) {
  return std::max<int64_t>(32, (bytes + 8 + 15) / 16 * 16);
}
// What `new` of `bytes` counts as, for plans.
constexpr int64_t HeapBytesOf(int64_t bytes) { return ChunkBytes(bytes + kHeapHeaderBytes); }

// The calling thread's allocations are charged to `account` while this lives; null: to nobody. Of
// its limit `keep_free_bytes` are left to scopes that do not keep them free: what merely asks for
// more cannot take the last memory from what is under way. The account must outlive the scope.
// Trivial to end, like all that a thread holds of the library.
class ScopedHeapAccount {
 public:
  explicit ScopedHeapAccount(Budget* account, int64_t keep_free_bytes = 0);
  explicit ScopedHeapAccount(const BudgetRef& account, int64_t keep_free_bytes = 0)
      : ScopedHeapAccount(account.get(), keep_free_bytes) {}
  ScopedHeapAccount(const ScopedHeapAccount&) = delete;
  ScopedHeapAccount& operator=(const ScopedHeapAccount&) = delete;
  ~ScopedHeapAccount();

 private:
  Budget* const before_;
  const int64_t keep_free_before_;
};

// The last allocation of this thread that an account refused, for the message of the
// std::bad_alloc that came of it; limit_bytes 0: there was none.
struct HeapRefusal {
  int64_t bytes = 0;
  int64_t used_bytes = 0;  // of the limit, by the time it was looked at
  int64_t limit_bytes = 0;
};
HeapRefusal LastHeapRefusal();
void ForgetHeapRefusal();

// Live bytes as the allocator holds them (its rounding up included), and the most there ever were.
// Any thread, at any time, static initialization included.
int64_t HeapBytes();
int64_t HeapPeakBytes();

// Sets the peak back to what is live now. For measuring one operation; a process has one peak.
void ResetHeapPeak();

// Allocations so far; for tests that make each of them fail in turn.
int64_t HeapAllocations();

// For tests: of the allocations that the calling thread makes from now on, the one after the next
// `skip` throws std::bad_alloc (or gives null where it is nothrow), once. A negative `skip` ends
// that.
void FailHeapAllocation(int64_t skip);

bool HeapIsCounted();

}  // namespace llmrt::memory
