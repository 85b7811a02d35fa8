#include "kv/block_pool.h"

#include "absl/strings/str_cat.h"
#include "memory/counted_heap.h"

namespace llmrt::kv {

BlockPool::BlockPool(int32_t num_blocks) {
  entries_.resize(static_cast<size_t>(num_blocks));
  free_.reserve(static_cast<size_t>(num_blocks));
  // The stack hands out ascending numbers at first, which keeps early sequences contiguous.
  for (int32_t block = num_blocks - 1; block >= 0; --block) free_.push_back(block);
}

int64_t BlockPool::HeapBytes(int64_t num_blocks) {
  return memory::HeapBytesOf(num_blocks * int64_t{sizeof(Entry)}) +
         memory::HeapBytesOf(num_blocks * int64_t{sizeof(int32_t)});
}

BlockRef BlockPool::Allocate() {
  int32_t block = oldest_cached_;
  if (!free_.empty()) {
    block = free_.back();
    free_.pop_back();
  } else if (block != kNoBlock) {
    RemoveCached(block);
    SetFilled(block, 0);
    ++num_evictions_;
  } else {
    return {};
  }
  Entry& entry = At(block);
  entry.holders = 1;
  entry.pins = 1;
  return {block, ++entry.generation};
}

void BlockPool::Share(BlockRef ref) { ++At(ref.block).holders; }

bool BlockPool::Pin(BlockRef ref) {
  if (!IsCurrent(ref)) return false;
  if (At(ref.block).pins++ == 0) RemoveCached(ref.block);
  return true;
}

void BlockPool::Unpin(int32_t block) {
  if (--At(block).pins == 0) AppendCached(block);
}

void BlockPool::Drop(BlockRef ref) {
  if (!IsCurrent(ref) || --At(ref.block).holders > 0) return;
  RemoveCached(ref.block);
  Free(ref.block);
}

void BlockPool::DropPinned(int32_t block) {
  Entry& entry = At(block);
  --entry.holders;
  if (--entry.pins > 0) return;
  if (entry.holders > 0) {
    AppendCached(block);
  } else {
    Free(block);
  }
}

BlockRef BlockPool::Seize(int32_t block) {
  Entry& entry = At(block);
  entry.holders = 1;
  return {block, ++entry.generation};
}

void BlockPool::SetFilled(int32_t block, int32_t slots) {
  Entry& entry = At(block);
  tokens_stored_ += slots - entry.filled;
  entry.filled = slots;
}

void BlockPool::AppendCached(int32_t block) {
  Entry& entry = At(block);
  entry.older = newest_cached_;
  entry.newer = kNoBlock;
  (newest_cached_ == kNoBlock ? oldest_cached_ : At(newest_cached_).newer) = block;
  newest_cached_ = block;
  ++num_cached_;
}

void BlockPool::RemoveCached(int32_t block) {
  Entry& entry = At(block);
  (entry.older == kNoBlock ? oldest_cached_ : At(entry.older).newer) = entry.newer;
  (entry.newer == kNoBlock ? newest_cached_ : At(entry.newer).older) = entry.older;
  entry.older = entry.newer = kNoBlock;
  --num_cached_;
}

void BlockPool::Free(int32_t block) {
  SetFilled(block, 0);
  ++At(block).generation;  // references that were left behind match no more
  free_.push_back(block);  // never allocates: the capacity is num_blocks
}

absl::Status BlockPool::Validate() const {
  std::vector<int32_t> listed(entries_.size(), 0);
  for (const int32_t block : free_) {
    if (block < 0 || block >= num_blocks() || At(block).holders != 0) {
      return absl::InternalError(absl::StrCat("the free list names block ", block));
    }
    ++listed[static_cast<size_t>(block)];
  }
  int32_t cached = 0;
  for (int32_t block = oldest_cached_; block != kNoBlock; block = At(block).newer) {
    if (++cached > num_cached_ || At(block).holders < 1 || At(block).pins != 0) {
      return absl::InternalError(absl::StrCat("the list of cached blocks is wrong at ", block));
    }
    ++listed[static_cast<size_t>(block)];
  }
  int64_t stored = 0;
  for (int32_t block = 0; block < num_blocks(); ++block) {
    const Entry& entry = At(block);
    stored += entry.filled;
    const bool counts = entry.pins >= 0 && entry.holders >= entry.pins &&
                        listed[static_cast<size_t>(block)] == (entry.pins == 0 ? 1 : 0);
    if (!counts || (entry.holders == 0 && entry.filled != 0)) {
      return absl::InternalError(absl::StrCat(
          "block ", block, " has ", entry.holders, " holders, ", entry.pins, " pins, ",
          entry.filled, " tokens and is listed ", listed[static_cast<size_t>(block)], " times"));
    }
  }
  if (cached != num_cached_ || stored != tokens_stored_) {
    return absl::InternalError(absl::StrCat("counts ", num_cached_, " cached, ", tokens_stored_,
                                            " tokens; there are ", cached, " and ", stored));
  }
  return absl::OkStatus();
}

}  // namespace llmrt::kv
