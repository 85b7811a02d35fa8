// What the step loop knows of a session. Guarded by the engine core's lock; while a stream is in
// flight only the step loop changes `tokens` and `cached`, and may read them without the lock.
#pragma once

#include <cstdint>
#include <vector>

#include "kv/block_table.h"

namespace llmrt::engine {

struct SessionState {
  SessionState(int64_t context_length, int32_t block_size)
      : context_length(context_length), table(block_size) {}

  const int64_t context_length;  // tokens
  std::vector<int32_t> tokens;   // committed: prompts and generated tokens
  std::vector<int32_t> pending;  // appended, not yet submitted
  kv::BlockTable table;
  int64_t cached = 0;      // of `tokens`, how many have their KV in the table's blocks
  bool in_flight = false;  // a stream runs on it
  bool abandoned = false;  // the host let go of it while a stream was in flight
};

}  // namespace llmrt::engine
