// What the step loop knows of a session. Guarded by the engine core's lock; while a stream is in
// flight only the step loop changes `tokens`, and may read them without the lock.
#pragma once

#include <cstdint>
#include <vector>

#include "kv/paged_cache.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {

struct SessionState {
  explicit SessionState(int64_t context_length) : context_length(context_length) {}

  // Of a full session, for plans: tokens and, in a conversation's next turns, as many pending ones,
  // and the block table. Each array grows to the session's context at most.
  static int64_t HeapBytes(int64_t context_length, int32_t block_size) {
    constexpr int64_t kSharedCounts = 16;
    constexpr int64_t kId = sizeof(int32_t);
    const int64_t blocks = (context_length + block_size - 1) / block_size;
    return memory::HeapBytesOf(sizeof(SessionState) + kSharedCounts) +
           2 * memory::HeapBytesOf(context_length * kId) + 2 * memory::HeapBytesOf(blocks * kId);
  }

  const int64_t context_length;  // tokens
  std::vector<int32_t> tokens;   // committed: prompts and generated tokens
  std::vector<int32_t> pending;  // appended, not yet submitted
  kv::Sequence sequence;         // the KV of the leading tokens
  bool in_flight = false;        // a stream runs on it
  bool abandoned = false;        // the host let go of it while a stream was in flight
};

}  // namespace llmrt::engine
