// One block of threads: each thread is a fiber, the block is what schedules them.
//
// A thread runs until it calls a function that needs others (a barrier, a warp function). Which
// lane of which warp goes on then is random: sometimes warps stay together, sometimes one runs far
// ahead. What a kernel got right only by luck of one order shows in another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda_host/async_copies.h"
#include "cuda_host/exact_mma.h"
#include "cuda_host/fiber.h"
#include "cuda_host/kernel_registry.h"
#include "cuda_host/memory_map.h"
#include "cuda_host/random.h"
#include "cuda_host/shared_access_log.h"
#include "cuda_host/site.h"

namespace llmrt::cuda_host {

inline constexpr uint32_t kLanes = 32;
inline constexpr uint32_t kThreadsMax = 1024;
inline constexpr uint32_t kSharedBytesMax = 227 << 10;
inline constexpr uint32_t kAllLanes = 0xffffffffu;

struct GridPoint {
  uint32_t x, y, z;
};

// Why a launch failed, as CUresult names it.
enum class FaultKind { kNone, kIllegalAddress, kMisalignedAddress, kLaunchFailed };

struct Fault {
  FaultKind kind = FaultKind::kNone;
  std::string message;  // one line
};

// What a lane hands to the warp function that it waits in: pointers into its own stack.
struct Exchange {
  const void* input = nullptr;
  const void* more = nullptr;  // a matrix product's b
  void* output = nullptr;      // of a matrix product: d, read and written
  uint32_t lane = 0;           // a shuffle's source, a ballot's predicate
  uint32_t variant = 0;        // must be the same in all lanes: a type, a mutation
};

struct Lane {
  Fiber fiber;
  uint32_t thread = 0;  // in the block
  Call call = {};       // while it waits
  Exchange exchange;
  AsyncCopies copies;
};

struct LaunchConfig {
  const KernelEntry* kernel;
  const void* args;
  GridPoint grid;
  uint32_t threads;
  uint32_t shared_bytes;
  MatrixUnit matrix_unit;
  bool detects_races = true;
};

// The block that runs; kernels see it through device_host.h.
class Block {
 public:
  Block();

  // Runs block `index` of the grid to its end or to its first fault.
  void Run(const LaunchConfig& config, GridPoint index, Random* random, Fault* fault);

  // For the running thread:
  const Lane& lane() const { return *lane_; }
  GridPoint index() const { return index_; }
  const LaunchConfig& config() const { return *config_; }
  uint8_t* shared() { return shared_; }
  // Waits until all that the call needs have made it, and it is done.
  void Wait(const Call& call, const Exchange& exchange);
  // A fault if it cannot be accessed.
  void CheckAddress(const Call& call, uintptr_t address, size_t bytes, bool shared_only);
  bool Accessible(uintptr_t address, size_t bytes) {
    return shared_range_.Holds(address, bytes) || DeviceMemory().Holds(address, bytes);
  }
  void CopyAsync(const Call& call, void* shared, const void* global, bool valid);
  void CommitCopies() { lane_->copies.Commit(); }
  void WaitCopies(const Call& call, uint64_t newest);
  // Faults where the access races with another thread's; memory other than shared is not looked at.
  void NoteRead(const Call& call, uintptr_t address, size_t bytes, bool for_warp) {
    if (detects_races_ && shared_range_.Holds(address, bytes)) {
      CheckRace(call, log_.Read(address - shared_range_.begin, bytes,
                                lane_->thread | (for_warp ? SharedAccessLog::kWarpBit : 0)));
    }
  }
  void NoteWrite(const Call& call, uintptr_t address, size_t bytes, bool same) {
    if (detects_races_ && shared_range_.Holds(address, bytes)) {
      CheckRace(call, log_.Write(address - shared_range_.begin, bytes, lane_->thread, same));
    }
  }
  // Ends the block; the text (as of printf) follows the place. The fiber is left where it is, so
  // nothing that owns memory may live on its stack.
  [[noreturn]] void Fail(FaultKind kind, const Call& call, const char* format, ...)
      __attribute__((format(printf, 4, 5)));

 private:
  struct Warp {
    uint32_t ready = 0;    // lanes that can go on
    uint32_t waiting = 0;  // lanes in a call
  };

  static void ThreadMain();
  Lane* Next();
  void SettleWarp(uint32_t warp);
  void ReleaseBarrier();
  [[noreturn]] void FailStuck();
  void CheckRace(const Call& call, SharedAccessLog::Who other) {
    if (other != SharedAccessLog::kNobody) [[unlikely]]
      FailRace(call, other);
  }
  [[noreturn]] void FailRace(const Call& call, uint32_t other);

  FiberStacks stacks_;
  std::unique_ptr<Lane[]> lanes_;
  Warp warps_[kThreadsMax / kLanes];
  std::unique_ptr<uint8_t[]> shared_memory_;
  uint8_t* shared_;
  AddressRange shared_range_;
  SharedAccessLog log_{kSharedBytesMax};
  bool detects_races_ = true;

  const LaunchConfig* config_ = nullptr;
  GridPoint index_ = {};
  Random* random_ = nullptr;
  Fault* fault_ = nullptr;
  Fiber host_;
  Lane* lane_ = nullptr;  // that runs
  uint32_t warp_ = 0;     // that it belongs to
  uint32_t num_warps_ = 0;
  uint32_t runnable_ = 0;    // warps with ready lanes
  uint32_t at_barrier_ = 0;  // warps
  uint32_t done_warps_ = 0;
  uint32_t restless_ = 0;  // of 256: how often another warp goes on although this one could
};

// What every wrapper of device_host.h speaks to.
extern Block* running_block;

// Does what the calls of a complete warp ask for.
void PerformWarpCall(Lane* lanes, MatrixUnit unit);

}  // namespace llmrt::cuda_host
