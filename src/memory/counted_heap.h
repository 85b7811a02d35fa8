// The count of the library's small heap: everything that `operator new` gave and `delete` has not
// taken back. Linking this file replaces those operators. In the shared library the replacements
// are hidden symbols, so the host keeps its own and only the library's objects are counted; in a
// program that links the static libraries they serve the whole program.
//
// Under AddressSanitizer and ThreadSanitizer the operators stay the sanitizer's own: the counts
// read 0 and FailHeapAllocation does nothing (HeapIsCounted tells).
#pragma once

#include <cstdint>

namespace llmrt::memory {

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
