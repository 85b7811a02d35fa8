#include "kv/block_pool.h"

#include "absl/strings/str_cat.h"

namespace llmrt::kv {

BlockPool::BlockPool(int32_t num_blocks) {
  references_.resize(static_cast<size_t>(num_blocks), 0);
  free_.reserve(static_cast<size_t>(num_blocks));
  // The stack hands out ascending numbers at first, which keeps early sequences contiguous.
  for (int32_t block = num_blocks - 1; block >= 0; --block) free_.push_back(block);
}

absl::StatusOr<int32_t> BlockPool::Allocate() {
  if (free_.empty()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "all ", num_blocks(),
        " KV blocks are in use; release sessions, raise memory_budget_bytes or plan for "
        "more sessions"));
  }
  const int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

void BlockPool::AddReference(int32_t block) { ++references_[static_cast<size_t>(block)]; }

bool BlockPool::Release(int32_t block) {
  if (--references_[static_cast<size_t>(block)] > 0) return false;
  free_.push_back(block);  // never allocates: the capacity is num_blocks
  return true;
}

absl::Status BlockPool::Validate() const {
  std::vector<int32_t> listed(references_.size(), 0);
  for (const int32_t block : free_) {
    if (block < 0 || block >= num_blocks()) {
      return absl::InternalError(absl::StrCat("free list names block ", block));
    }
    ++listed[static_cast<size_t>(block)];
  }
  for (size_t block = 0; block < references_.size(); ++block) {
    if (references_[block] < 0 || listed[block] != (references_[block] == 0 ? 1 : 0)) {
      return absl::InternalError(absl::StrCat("block ", block, " has ", references_[block],
                                              " references and is free ", listed[block], " times"));
    }
  }
  return absl::OkStatus();
}

}  // namespace llmrt::kv
