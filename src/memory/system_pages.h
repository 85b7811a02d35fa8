// Memory from the system itself: what LargeMemory hands out where the host has no hooks. Counting
// is large_buffer.h's business.
//
// Weights are written once and read in every step, so what matters is that they are cheap to touch
// first and to walk later: pieces of some size are mappings of their own, for which huge pages are
// asked. A page of 2 MiB instead of 512 small ones costs a quarter of the time on first touch, and
// as many fewer entries of the TLB. Mappings that are made one after the other usually lie next to
// each other, so a huge page may span two buffers: make all first, then write.
#pragma once

#include <cstdint>

namespace llmrt::memory {

// Uninitialized or zero, on a boundary of kAlignment; null when the system has none. Beyond `bytes`
// at most the rest of a small page is taken.
void* AllocatePages(int64_t bytes);

// `bytes` as it was asked for. The memory is the system's again when this returns.
void ReleasePages(void* data, int64_t bytes);

}  // namespace llmrt::memory
