// Which KV blocks are taken, by how many sequences, and which may be given to others. Blocks are
// numbers; the memory behind them belongs to the backend.
//
// A block is in one of three states:
//   pinned  at least one sequence that runs holds it: it stays where it is
//   cached  only resting sequences hold it: it is kept as long as nobody needs the room, and
//           evicted least recently used first
//   free    nobody holds it
//
// Eviction does not look for the holders. It raises the block's generation, so that their
// references no longer match; they find out when they next pin (so a step costs nothing for
// sessions that rest).
//
// Not thread-safe: the engine's lock guards it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace llmrt::kv {

inline constexpr int32_t kNoBlock = -1;

// A block as it was when it was taken.
struct BlockRef {
  int32_t block = kNoBlock;
  uint32_t generation = 0;
};

class BlockPool {
 public:
  // All storage is allocated here; nothing allocates later.
  explicit BlockPool(int32_t num_blocks);

  // What the constructor takes, for plans.
  static int64_t HeapBytes(int64_t num_blocks);

  // A free block, or else the cached one that was left longest ago; pinned once, by one holder.
  // kNoBlock when all blocks are pinned.
  BlockRef Allocate();

  bool IsCurrent(BlockRef ref) const { return At(ref.block).generation == ref.generation; }
  // One more holder, of a current block.
  void Share(BlockRef ref);
  // One pin more, for a holder that begins to run; false if the block was evicted.
  bool Pin(BlockRef ref);
  // The holder of a pin rests; with the last pin the block becomes the cached one used last.
  void Unpin(int32_t block);
  // A holder without a pin lets go; nothing happens if the block was evicted already.
  void Drop(BlockRef ref);
  // A holder with a pin lets go.
  void DropPinned(int32_t block);
  // Takes the block from all holders but the only one with a pin; returns that one's new reference.
  BlockRef Seize(int32_t block);

  // Slots of the block that hold a token, for the count of waste.
  void SetFilled(int32_t block, int32_t slots);

  int32_t num_blocks() const { return static_cast<int32_t>(entries_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(free_.size()); }
  int32_t num_cached() const { return num_cached_; }
  int32_t num_pinned() const { return num_blocks() - num_free() - num_cached_; }
  // What Allocate can give: free and cached blocks.
  int32_t num_available() const { return num_free() + num_cached_; }
  int64_t num_evictions() const { return num_evictions_; }
  // Tokens in pinned and cached blocks.
  int64_t tokens_stored() const { return tokens_stored_; }

  int32_t holders(int32_t block) const { return At(block).holders; }
  int32_t pins(int32_t block) const { return At(block).pins; }
  int32_t filled(int32_t block) const { return At(block).filled; }

  // Checks every invariant in O(num_blocks); INTERNAL with the first violation.
  absl::Status Validate() const;

 private:
  struct Entry {
    int32_t holders = 0;
    int32_t pins = 0;  // of the holders, those that run
    uint32_t generation = 0;
    int32_t filled = 0;
    // Neighbours among the cached blocks; `older` is evicted earlier.
    int32_t older = kNoBlock;
    int32_t newer = kNoBlock;
  };

  const Entry& At(int32_t block) const { return entries_[static_cast<size_t>(block)]; }
  Entry& At(int32_t block) { return entries_[static_cast<size_t>(block)]; }
  void AppendCached(int32_t block);
  void RemoveCached(int32_t block);
  void Free(int32_t block);

  std::vector<Entry> entries_;
  std::vector<int32_t> free_;  // a stack: the block freed last is warm in the cache
  int32_t oldest_cached_ = kNoBlock;
  int32_t newest_cached_ = kNoBlock;
  int32_t num_cached_ = 0;
  int64_t num_evictions_ = 0;
  int64_t tokens_stored_ = 0;
};

}  // namespace llmrt::kv
