// The KV of all sequences of an engine, in blocks: on demand, shared by forks, copied on write,
// kept while sequences rest, evicted when others need the room.
//
// A sequence rests or is pinned (it runs). Only a pinned one grows, by a transaction: Reserve takes
// the blocks for the next tokens; the step writes them; Commit counts them in, or Rollback makes
// everything as it was. Between steps a sequence holds exactly the blocks that its tokens need.
//
// Not thread-safe: the engine's lock guards it. Token counts and block numbers only: no tensors.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kv/block_pool.h"

namespace llmrt::kv {

// Which block holds a sequence's n-th run of block_size tokens. A sequence that goes away is
// cleared first: it does not know its cache.
class Sequence {
 public:
  Sequence() = default;
  Sequence(const Sequence&) = delete;  // holders are counted
  Sequence& operator=(const Sequence&) = delete;
  // Tokens whose KV was written. Of a resting sequence some may have been evicted since:
  // PagedCache::NumCached tells.
  int64_t num_tokens() const { return num_tokens_; }
  bool pinned() const { return pinned_; }
  // Physical block by logical block. Stays where it is from Reserve to Commit.
  absl::Span<const int32_t> blocks() const { return blocks_; }

 private:
  friend class PagedCache;
  std::vector<int32_t> blocks_;
  std::vector<uint32_t> generations_;  // by logical block, as in BlockRef
  int64_t num_tokens_ = 0;
  bool pinned_ = false;
};

// What one Reserve did.
struct Growth {
  bool reserved = false;
  int32_t blocks_before = 0;
  // Copy on write: the step begins with copying block `copy_from` to `copy_to`. kNoBlock: nothing.
  int32_t copy_from = kNoBlock;
  uint32_t copy_from_generation = 0;
  int32_t copy_to = kNoBlock;
};

class PagedCache {
 public:
  PagedCache(int32_t num_blocks, int32_t block_size) : pool_(num_blocks), block_size_(block_size) {}

  // Room in the sequence's table for `num_tokens` tokens: the only call, besides Fork, that
  // allocates memory. Without room Reserve allocates too.
  void ReserveTable(Sequence& sequence, int64_t num_tokens) const;

  // A resting sequence begins to run. It keeps the tokens up to its first evicted block.
  void Pin(Sequence& sequence);
  // It rests from now on: its blocks may be evicted, the last ones first.
  void Unpin(Sequence& sequence);
  // Gives all blocks back, of a pinned sequence too (which then rests).
  void Clear(Sequence& sequence);
  // Forgets all tokens from `num_tokens` on.
  void Rewind(Sequence& sequence, int64_t num_tokens);
  // Makes the empty, resting `child` share the first `num_tokens` tokens of `parent`, or as many of
  // them as are there. Not between a Reserve of the parent and its Commit: the block that the step
  // copies to holds nothing yet.
  void Fork(const Sequence& parent, int64_t num_tokens, Sequence& child);

  // Takes the blocks for `count` more tokens of a pinned sequence, evicting what rests. Not
  // `reserved`, and nothing changed, when too many blocks are pinned.
  Growth Reserve(Sequence& sequence, int64_t count);
  // `count` tokens were written.
  void Commit(Sequence& sequence, int64_t count, const Growth& growth);
  void Rollback(Sequence& sequence, const Growth& growth);
  // Widens a reservation to `count` tokens by up to `blocks_max` more blocks, as far as there are
  // any to take; returns the tokens that it holds now, at most `count`.
  int64_t Extend(Sequence& sequence, int64_t count, int64_t blocks_max);
  // Gives back what a reservation holds beyond `count` tokens, at least 1.
  void Trim(Sequence& sequence, int64_t count);

  // So many tokens Reserve takes now, copying a shared block where there is room for a copy. (By
  // seizing it instead it could take one block more.)
  int64_t TokensThatFit(const Sequence& sequence) const;
  // Blocks that become pinned if the sequence runs until it has `num_tokens` tokens.
  int64_t BlocksToPin(const Sequence& sequence, int64_t num_tokens) const;
  // Tokens that are still there.
  int64_t NumCached(const Sequence& sequence) const;

  const BlockPool& pool() const { return pool_; }
  int32_t block_size() const { return block_size_; }
  int64_t BlocksFor(int64_t num_tokens) const {
    return (num_tokens + block_size_ - 1) / block_size_;
  }

  // Checks the pool, and that holders and pins are those of `sequences`, which are all there are.
  // Between steps only. INTERNAL with the first violation.
  absl::Status Validate(absl::Span<const Sequence* const> sequences) const;

 private:
  BlockRef RefOf(const Sequence& sequence, size_t i) const {
    return {sequence.blocks_[i], sequence.generations_[i]};
  }
  void Append(Sequence& sequence, BlockRef ref) const;
  void Truncate(Sequence& sequence, int64_t num_blocks);
  bool WritesSharedBlock(const Sequence& sequence) const;
  // Of the sequence's blocks, the leading ones that were not evicted.
  size_t CurrentBlocks(const Sequence& sequence) const;

  BlockPool pool_;
  const int32_t block_size_;  // tokens
};

}  // namespace llmrt::kv
