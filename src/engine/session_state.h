// What the step loop knows of a session. Guarded by the engine core's lock; while a stream is in
// flight only the step loop changes `tokens`, and may read them without the lock.
#pragma once

#include <cstdint>
#include <vector>

#include "kv/paged_cache.h"

namespace llmrt::engine {

struct SessionState {
  explicit SessionState(int64_t context_length) : context_length(context_length) {}

  const int64_t context_length;  // tokens
  std::vector<int32_t> tokens;   // committed: prompts and generated tokens
  std::vector<int32_t> pending;  // appended, not yet submitted
  kv::Sequence sequence;         // the KV of the leading tokens
  bool in_flight = false;        // a stream runs on it
  bool abandoned = false;        // the host let go of it while a stream was in flight
};

}  // namespace llmrt::engine
