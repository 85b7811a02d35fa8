// Who touched which bytes of a block's shared memory last, and whether a barrier lies between: two
// threads that touch the same bytes, one of them writing, without SyncBlock between (SyncWarp, if
// they are of one warp) race. Barriers are the only order: shuffles, ballots and matrix functions
// let lanes meet here, as warps mostly do on the machine, but order no memory.
//
// Looked at in units of two bytes; accesses of one byte are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace llmrt::cuda_host {

class SharedAccessLog {
 public:
  // A thread of the block; all lanes of a warp as one (matrix loads) have kWarpBit set.
  using Who = uint32_t;
  static constexpr Who kWarpBit = 1u << 16;
  static constexpr Who kNobody = ~0u;

  explicit SharedAccessLog(size_t bytes) : units_(bytes / 2) {}

  void BeginBlock();
  void SyncBlock() { block_sync_ = ++now_; }
  void SyncWarp(uint32_t warp) { warp_sync_[warp] = ++now_; }
  // The thread that an access races with, or kNobody. `same` says that a write changes nothing:
  // threads may agree on a value.
  Who Read(size_t offset, size_t bytes, Who who);
  Who Write(size_t offset, size_t bytes, Who who, bool same);

 private:
  // `many` marks readers of more than one warp.
  static constexpr Who kMany = 1u << 17;
  struct Unit {
    uint32_t write_time = 0;
    Who writer = kNobody;
    uint32_t read_time = 0;
    Who reader = kNobody;
  };
  static uint32_t WarpOf(Who who) { return (who & 0xffff) / 32; }
  // Whether something done by `other` at `time` is over for `who`.
  bool Before(uint32_t time, Who other, Who who) const {
    if (time < block_sync_ || other == kNobody) return true;
    if (other == who && (who & kWarpBit) == 0) return true;
    if ((other & kMany) != 0 || WarpOf(other) != WarpOf(who)) return false;
    return time < warp_sync_[WarpOf(who)];
  }

  std::vector<Unit> units_;
  uint32_t now_ = 0;  // grows with every barrier
  uint32_t block_sync_ = 0;
  uint32_t warp_sync_[32] = {};
};

}  // namespace llmrt::cuda_host
