#include "kv/paged_cache.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace llmrt::kv {

void PagedCache::ReserveTable(Sequence& sequence, int64_t num_tokens) const {
  const auto blocks = static_cast<size_t>(BlocksFor(num_tokens));
  sequence.blocks_.reserve(blocks);
  sequence.generations_.reserve(blocks);
}

void PagedCache::Append(Sequence& sequence, BlockRef ref) const {
  sequence.blocks_.push_back(ref.block);
  sequence.generations_.push_back(ref.generation);
}

void PagedCache::Truncate(Sequence& sequence, int64_t num_blocks) {
  while (static_cast<int64_t>(sequence.blocks_.size()) > num_blocks) {
    if (sequence.pinned_) {
      pool_.DropPinned(sequence.blocks_.back());
    } else {
      pool_.Drop(RefOf(sequence, sequence.blocks_.size() - 1));
    }
    sequence.blocks_.pop_back();
    sequence.generations_.pop_back();
  }
}

size_t PagedCache::CurrentBlocks(const Sequence& sequence) const {
  size_t count = 0;
  while (count < sequence.blocks_.size() && pool_.IsCurrent(RefOf(sequence, count))) ++count;
  return count;
}

int64_t PagedCache::NumCached(const Sequence& sequence) const {
  const auto blocks = static_cast<int64_t>(CurrentBlocks(sequence));
  return std::min(sequence.num_tokens_, blocks * block_size_);
}

void PagedCache::Pin(Sequence& sequence) {
  // What comes after an evicted block is of no use: attention reads all tokens before.
  const size_t kept = CurrentBlocks(sequence);
  Truncate(sequence, static_cast<int64_t>(kept));
  sequence.num_tokens_ =
      std::min(sequence.num_tokens_, static_cast<int64_t>(kept) * int64_t{block_size_});
  for (size_t i = 0; i < kept; ++i) pool_.Pin(RefOf(sequence, i));
  sequence.pinned_ = true;
}

void PagedCache::Unpin(Sequence& sequence) {
  // The last block becomes the least recently used one: it is the cheapest to compute again
  // without losing what comes after it.
  for (size_t i = sequence.blocks_.size(); i > 0; --i) pool_.Unpin(sequence.blocks_[i - 1]);
  sequence.pinned_ = false;
}

void PagedCache::Clear(Sequence& sequence) {
  Truncate(sequence, 0);
  sequence.num_tokens_ = 0;
  sequence.pinned_ = false;
}

void PagedCache::Rewind(Sequence& sequence, int64_t num_tokens) {
  if (num_tokens >= sequence.num_tokens_) return;
  Truncate(sequence, BlocksFor(num_tokens));
  sequence.num_tokens_ = num_tokens;
  const int64_t rest = num_tokens % block_size_;
  if (rest == 0) return;
  const BlockRef last = RefOf(sequence, sequence.blocks_.size() - 1);
  if (pool_.IsCurrent(last) && pool_.holders(last.block) == 1) {
    pool_.SetFilled(last.block, static_cast<int32_t>(rest));
  }
}

void PagedCache::Fork(const Sequence& parent, int64_t num_tokens, Sequence& child) {
  const int64_t shared = std::min(num_tokens, NumCached(parent));
  const int64_t blocks = BlocksFor(shared);
  ReserveTable(child, shared);
  for (size_t i = 0; i < static_cast<size_t>(blocks); ++i) {
    const BlockRef ref = RefOf(parent, i);
    pool_.Share(ref);
    Append(child, ref);
  }
  child.num_tokens_ = shared;
}

bool PagedCache::WritesSharedBlock(const Sequence& sequence) const {
  return sequence.num_tokens_ % block_size_ != 0 && pool_.holders(sequence.blocks_.back()) > 1;
}

int64_t PagedCache::TokensThatFit(const Sequence& sequence) const {
  const bool shared = WritesSharedBlock(sequence);
  const bool seizable = shared && pool_.pins(sequence.blocks_.back()) == 1;
  int64_t blocks = pool_.num_available();
  if (shared && blocks == 0 && !seizable) return 0;
  if (shared && blocks > 0) --blocks;
  const auto held = static_cast<int64_t>(sequence.blocks_.size());
  return (held + blocks) * block_size_ - sequence.num_tokens_;
}

Growth PagedCache::Reserve(Sequence& sequence, int64_t count) {
  Growth growth;
  const int64_t wanted = BlocksFor(sequence.num_tokens_ + count);
  const auto held = static_cast<int64_t>(sequence.blocks_.size());
  const bool shared = WritesSharedBlock(sequence);
  const int64_t available = pool_.num_available();
  if (shared && wanted - held + 1 > available && wanted - held <= available &&
      pool_.pins(sequence.blocks_.back()) == 1) {
    // No room for a copy, and the others who hold the block only rest: they lose it, as they would
    // by eviction.
    const BlockRef mine = pool_.Seize(sequence.blocks_.back());
    sequence.generations_.back() = mine.generation;
    // What they had behind this sequence's own tokens is gone with them.
    pool_.SetFilled(mine.block, static_cast<int32_t>(sequence.num_tokens_ % block_size_));
  } else if (wanted - held + (shared ? 1 : 0) > available) {
    return growth;
  } else if (shared) {
    const BlockRef copy = pool_.Allocate();
    growth.copy_from = sequence.blocks_.back();
    growth.copy_from_generation = sequence.generations_.back();
    growth.copy_to = copy.block;
    sequence.blocks_.back() = copy.block;
    sequence.generations_.back() = copy.generation;
  }
  growth.blocks_before = static_cast<int32_t>(held);
  for (int64_t i = held; i < wanted; ++i) Append(sequence, pool_.Allocate());
  growth.reserved = true;
  return growth;
}

void PagedCache::Commit(Sequence& sequence, int64_t count, const Growth& growth) {
  if (growth.copy_from != kNoBlock) pool_.DropPinned(growth.copy_from);
  const int64_t first = sequence.num_tokens_ / block_size_;
  sequence.num_tokens_ += count;
  for (int64_t i = first; i < static_cast<int64_t>(sequence.blocks_.size()); ++i) {
    const int64_t slots = std::min<int64_t>(block_size_, sequence.num_tokens_ - i * block_size_);
    pool_.SetFilled(sequence.blocks_[static_cast<size_t>(i)], static_cast<int32_t>(slots));
  }
}

void PagedCache::Rollback(Sequence& sequence, const Growth& growth) {
  Truncate(sequence, growth.blocks_before);
  if (growth.copy_from == kNoBlock) return;
  pool_.DropPinned(growth.copy_to);
  sequence.blocks_.back() = growth.copy_from;
  sequence.generations_.back() = growth.copy_from_generation;
}

int64_t PagedCache::Extend(Sequence& sequence, int64_t count, int64_t blocks_max) {
  const int64_t wanted = BlocksFor(sequence.num_tokens_ + count);
  const auto held = static_cast<int64_t>(sequence.blocks_.size());
  const int64_t more =
      std::clamp<int64_t>(wanted - held, 0, std::min<int64_t>(blocks_max, pool_.num_available()));
  for (int64_t i = 0; i < more; ++i) Append(sequence, pool_.Allocate());
  return std::min(count, (held + more) * block_size_ - sequence.num_tokens_);
}

void PagedCache::Trim(Sequence& sequence, int64_t count) {
  Truncate(sequence, BlocksFor(sequence.num_tokens_ + count));
}

int64_t PagedCache::BlocksToPin(const Sequence& sequence, int64_t num_tokens) const {
  if (sequence.pinned_)
    return BlocksFor(num_tokens) - static_cast<int64_t>(sequence.blocks_.size());
  const size_t kept = CurrentBlocks(sequence);
  int64_t already = 0;
  for (size_t i = 0; i < kept; ++i) already += pool_.pins(sequence.blocks_[i]) > 0 ? 1 : 0;
  return BlocksFor(num_tokens) - already;
}

absl::Status PagedCache::Validate(absl::Span<const Sequence* const> sequences) const {
  absl::Status status = pool_.Validate();
  if (!status.ok()) return status;
  std::vector<int32_t> holders(static_cast<size_t>(pool_.num_blocks()), 0);
  std::vector<int32_t> pins(static_cast<size_t>(pool_.num_blocks()), 0);
  for (const Sequence* sequence : sequences) {
    if (static_cast<int64_t>(sequence->blocks_.size()) != BlocksFor(sequence->num_tokens_)) {
      return absl::InternalError(absl::StrCat("a sequence of ", sequence->num_tokens_,
                                              " tokens holds ", sequence->blocks_.size(),
                                              " blocks"));
    }
    for (size_t i = 0; i < sequence->blocks_.size(); ++i) {
      const bool current = pool_.IsCurrent(RefOf(*sequence, i));
      if (!current && sequence->pinned_) {
        return absl::InternalError(
            absl::StrCat("block ", sequence->blocks_[i], " of a pinned sequence was evicted"));
      }
      if (!current) continue;
      ++holders[static_cast<size_t>(sequence->blocks_[i])];
      if (sequence->pinned_) ++pins[static_cast<size_t>(sequence->blocks_[i])];
    }
  }
  for (int32_t block = 0; block < pool_.num_blocks(); ++block) {
    const auto i = static_cast<size_t>(block);
    if (pool_.holders(block) == holders[i] && pool_.pins(block) == pins[i]) continue;
    return absl::InternalError(absl::StrCat("block ", block, " counts ", pool_.holders(block),
                                            " holders and ", pool_.pins(block), " pins; there are ",
                                            holders[i], " and ", pins[i]));
  }
  return absl::OkStatus();
}

}  // namespace llmrt::kv
