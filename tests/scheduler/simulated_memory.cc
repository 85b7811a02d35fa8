#include "tests/scheduler/simulated_memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace llmrt::scheduler {

SimulatedMemory::SimulatedMemory(int32_t num_blocks, int32_t block_size)
    : block_size_(block_size),
      tokens_(static_cast<size_t>(num_blocks) * static_cast<size_t>(block_size), 0),
      written_in_(tokens_.size(), 0) {}

bool SimulatedMemory::Copy(int32_t from, int32_t to, int64_t slots) {
  bool untouched = from != to;
  for (int64_t slot = 0; slot < block_size_; ++slot) {
    untouched &= written_in_[Cell(from, slot)] != step_ && written_in_[Cell(to, slot)] != step_;
    tokens_[Cell(to, slot)] = slot < slots ? tokens_[Cell(from, slot)] : 0;
    // The step writes behind what it copied, so only the copied slots are taken.
    if (slot < slots) written_in_[Cell(to, slot)] = step_;
  }
  return untouched;
}

bool SimulatedMemory::Write(int32_t block, int64_t slot, uint32_t token) {
  const size_t cell = Cell(block, slot);
  tokens_[cell] = token;
  return std::exchange(written_in_[cell], step_) != step_;
}

bool SimulatedMemory::Reads(absl::Span<const int32_t> blocks,
                            absl::Span<const uint32_t> tokens) const {
  size_t done = 0;
  for (const int32_t block : blocks) {
    const size_t count = std::min(tokens.size() - done, static_cast<size_t>(block_size_));
    if (count == 0) break;
    const uint32_t* held = tokens_.data() + Cell(block, 0);
    if (std::memcmp(held, tokens.data() + done, count * sizeof(uint32_t)) != 0) return false;
    done += count;
  }
  return done == tokens.size();
}

}  // namespace llmrt::scheduler
