// The memory behind the KV blocks as a simulator sees it: each slot holds the name of the token
// that was written there last. Knows nothing of holders, pins and generations, so that it is a
// witness of its own: a sequence either reads its own tokens through its block table or it does
// not.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace llmrt::scheduler {

class SimulatedMemory {
 public:
  SimulatedMemory(int32_t num_blocks, int32_t block_size);

  // Copies and writes from here on belong to the next step.
  void BeginStep() { ++step_; }
  // The first `slots` slots; the rest of the target becomes unreadable. False if this step already
  // wrote to one of the two blocks: copies come first, and no two of them meet.
  bool Copy(int32_t from, int32_t to, int64_t slots);
  // False if this step wrote the slot before.
  bool Write(int32_t block, int64_t slot, uint32_t token);
  // Whether the slots of `blocks` in turn begin with `tokens`.
  bool Reads(absl::Span<const int32_t> blocks, absl::Span<const uint32_t> tokens) const;

 private:
  size_t Cell(int32_t block, int64_t slot) const {
    return static_cast<size_t>(int64_t{block} * block_size_ + slot);
  }

  const int64_t block_size_;
  uint32_t step_ = 0;
  std::vector<uint32_t> tokens_;      // by slot; 0: nothing that anybody wrote
  std::vector<uint32_t> written_in_;  // by slot: the step
};

}  // namespace llmrt::scheduler
