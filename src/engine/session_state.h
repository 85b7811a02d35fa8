// What the step loop knows of a session. Guarded by the engine core's lock; while a stream is in
// flight only the step loop changes `tokens`, and may read them without the lock.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kv/paged_cache.h"
#include "memory/counted_heap.h"
#include "speculation/prompt_lookup.h"

namespace llmrt::engine {

struct SessionState {
  explicit SessionState(int64_t context_length, bool draft_lookup = false)
      : context_length(context_length) {
    if (draft_lookup) lookup = std::make_unique<speculation::PromptLookup>(context_length);
  }

  // Of a full session, for plans: tokens and, in a conversation's next turns, as many pending ones,
  // and the block table; with prompt lookup, its index. Each array grows to the session's context
  // at most.
  static int64_t HeapBytes(int64_t context_length, int32_t block_size, bool draft_lookup) {
    constexpr int64_t kSharedCounts = 16;
    constexpr int64_t kId = sizeof(int32_t);
    const int64_t blocks = (context_length + block_size - 1) / block_size;
    return memory::HeapBytesOf(sizeof(SessionState) + kSharedCounts) +
           2 * memory::HeapBytesOf(context_length * kId) + 2 * memory::HeapBytesOf(blocks * kId) +
           (draft_lookup ? memory::HeapBytesOf(sizeof(speculation::PromptLookup)) +
                               speculation::PromptLookup::HeapBytes(context_length)
                         : 0);
  }

  const int64_t context_length;                       // tokens
  std::vector<int32_t> tokens;                        // committed: prompts and generated tokens
  std::vector<int32_t> pending;                       // appended, not yet submitted
  kv::Sequence sequence;                              // the KV of the leading tokens
  std::unique_ptr<speculation::PromptLookup> lookup;  // of tokens; null where it is off
  bool in_flight = false;                             // a stream runs on it
  bool abandoned = false;  // the host let go of it while a stream was in flight
};

}  // namespace llmrt::engine
