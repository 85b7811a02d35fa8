// Who owns which KV block. Blocks are numbers; the memory behind them belongs to the backend. A
// block is free, or referenced by one or more tables: sharing raises the count, and the last
// release frees it.
//
// Not thread-safe: the engine's lock guards it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace llmrt::kv {

class BlockPool {
 public:
  // All storage is allocated here; nothing allocates later.
  explicit BlockPool(int32_t num_blocks);

  // A block with one reference. RESOURCE_EXHAUSTED when none is free.
  absl::StatusOr<int32_t> Allocate();
  // One more owner of a block that has at least one.
  void AddReference(int32_t block);
  // One owner less; true when that freed the block.
  bool Release(int32_t block);

  int32_t num_blocks() const { return static_cast<int32_t>(references_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(free_.size()); }
  int32_t num_used() const { return num_blocks() - num_free(); }
  int32_t references(int32_t block) const { return references_[static_cast<size_t>(block)]; }

  // Checks every invariant in O(num_blocks): a block is in the free list exactly once if its count
  // is zero, and not at all otherwise. INTERNAL with the first violation.
  absl::Status Validate() const;

 private:
  std::vector<int32_t> references_;  // by block
  std::vector<int32_t> free_;        // a stack: the block freed last is warm in the cache
};

}  // namespace llmrt::kv
