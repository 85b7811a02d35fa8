// The KV of one sequence: which physical block holds its n-th run of block_size tokens. The table
// grows before a step writes into it and shrinks when tokens are taken back.
//
// Not thread-safe: the engine's lock guards it. A table does not know its pool; whoever drops one
// releases its blocks first.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kv/block_pool.h"

namespace llmrt::kv {

class BlockTable {
 public:
  explicit BlockTable(int32_t block_size) : block_size_(block_size) {}

  // Makes room for `num_tokens` tokens in all. On RESOURCE_EXHAUSTED nothing has changed.
  absl::Status Reserve(int64_t num_tokens, BlockPool& pool);
  // Gives back the blocks that hold no token below `num_tokens`.
  void Truncate(int64_t num_tokens, BlockPool& pool);

  absl::Span<const int32_t> blocks() const { return blocks_; }
  int64_t capacity() const { return static_cast<int64_t>(blocks_.size()) * block_size_; }

 private:
  int64_t BlocksFor(int64_t num_tokens) const {
    return (num_tokens + block_size_ - 1) / block_size_;
  }

  int32_t block_size_;  // tokens
  std::vector<int32_t> blocks_;
};

}  // namespace llmrt::kv
