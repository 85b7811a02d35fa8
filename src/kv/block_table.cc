#include "kv/block_table.h"

namespace llmrt::kv {

absl::Status BlockTable::Reserve(int64_t num_tokens, BlockPool& pool) {
  const size_t wanted = static_cast<size_t>(BlocksFor(num_tokens));
  const size_t before = blocks_.size();
  if (wanted <= before) return absl::OkStatus();
  // The only line that may throw; after it push_back cannot.
  if (wanted > blocks_.capacity()) blocks_.reserve(wanted + wanted / 2);
  while (blocks_.size() < wanted) {
    absl::StatusOr<int32_t> block = pool.Allocate();
    if (!block.ok()) {
      Truncate(static_cast<int64_t>(before) * block_size_, pool);
      return block.status();
    }
    blocks_.push_back(*block);
  }
  return absl::OkStatus();
}

void BlockTable::Truncate(int64_t num_tokens, BlockPool& pool) {
  const size_t kept = static_cast<size_t>(BlocksFor(num_tokens));
  while (blocks_.size() > kept) {
    pool.Release(blocks_.back());
    blocks_.pop_back();
  }
}

}  // namespace llmrt::kv
