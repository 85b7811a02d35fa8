#include "cuda_host/block.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace llmrt::cuda_host {
namespace {

constexpr size_t kSharedAlignment = 128;

// A barrier of the block skipped by one warp alone would hang the machine; here it is found when
// nothing can go on.
bool IsBlockBarrier(const Call& call) { return call.wrapper == Wrapper::kSyncBlock; }

bool SamePlace(const Call& a, const Call& b) {
  return a.wrapper == b.wrapper && a.bytes == b.bytes && a.location.line() == b.location.line() &&
         a.location.column() == b.location.column() &&
         (a.location.file_name() == b.location.file_name() ||
          std::strcmp(a.location.file_name(), b.location.file_name()) == 0);
}

// A call in words.
struct Description {
  explicit Description(const Call& call) {
    std::snprintf(text, sizeof(text), "%s at %s:%u", WrapperName(call.wrapper),
                  FileName(call.location.file_name()), call.location.line());
  }
  char text[160];
};

}  // namespace

Block* running_block = nullptr;

Block::Block()
    : lanes_(new Lane[kThreadsMax]),
      shared_memory_(new uint8_t[kSharedBytesMax + kSharedAlignment]),
      shared_(shared_memory_.get()) {
  shared_ += -reinterpret_cast<uintptr_t>(shared_) % kSharedAlignment;
}

void Block::Run(const LaunchConfig& config, GridPoint index, Random* random, Fault* fault) {
  config_ = &config;
  index_ = index;
  random_ = random;
  fault_ = fault;
  host_ = {};
  num_warps_ = config.threads / kLanes;
  runnable_ = at_barrier_ = done_warps_ = 0;
  constexpr uint32_t kRestlessness[] = {0, 8, 64, 256};
  restless_ = kRestlessness[random->Below(4)];
  std::memset(shared_, kPoison, config.shared_bytes);
  detects_races_ = config.detects_races;
  log_.BeginBlock();
  shared_range_ = {reinterpret_cast<uintptr_t>(shared_), config.shared_bytes};
  for (uint32_t thread = 0; thread < config.threads; ++thread) {
    Lane& lane = lanes_[thread];
    lane.thread = thread;
    lane.copies.Clear();
    if (!stacks_.Prepare(thread, ThreadMain, &lane.fiber)) {
      *fault = {FaultKind::kLaunchFailed, "no memory for the emulation's stacks"};
      return;
    }
  }
  for (uint32_t warp = 0; warp < num_warps_; ++warp) {
    warps_[warp] = {.ready = kAllLanes};
    runnable_ |= 1u << warp;
  }
  running_block = this;
  warp_ = random->PickBit(runnable_);
  lane_ = &lanes_[warp_ * kLanes + random->PickBit(kAllLanes)];
  SwitchFiber(&host_, &lane_->fiber);
  running_block = nullptr;
}

void Block::ThreadMain() {
  Block& block = *running_block;
  block.config_->kernel->run(block.config_->args);
  Lane& lane = *block.lane_;
  if (lane.copies.pending()) {
    block.Fail(FaultKind::kLaunchFailed, lane.call, "ended while copies of its own are pending");
  }
  block.warps_[block.warp_].ready &= ~(1u << lane.thread % kLanes);
  block.lane_ = block.Next();
  LeaveFiber(block.lane_ != nullptr ? &block.lane_->fiber : &block.host_);
}

void Block::Wait(const Call& call, const Exchange& exchange) {
  Lane& lane = *lane_;
  lane.call = call;
  lane.exchange = exchange;
  Warp& warp = warps_[warp_];
  warp.ready &= ~(1u << lane.thread % kLanes);
  warp.waiting |= 1u << lane.thread % kLanes;
  lane_ = Next();
  if (lane_ != &lane) SwitchFiber(&lane.fiber, lane_ != nullptr ? &lane_->fiber : &host_);
}

// The lane that goes on; null when all have ended. Sets warp_.
Lane* Block::Next() {
  if (warps_[warp_].ready == 0) SettleWarp(warp_);
  if (runnable_ == 0) {
    if (done_warps_ == num_warps_) return nullptr;
    FailStuck();
  }
  const bool stays = (runnable_ >> warp_ & 1) != 0 && random_->Below(256) >= restless_;
  if (!stays) warp_ = random_->PickBit(runnable_);
  return &lanes_[warp_ * kLanes + random_->PickBitQuickly(warps_[warp_].ready)];
}

// Lanes of the warp all stand still: they have ended, wait for the block, or do what they came for.
void Block::SettleWarp(uint32_t index) {
  Warp& warp = warps_[index];
  Lane* lanes = &lanes_[index * kLanes];
  runnable_ &= ~(1u << index);
  if (warp.waiting == 0) {
    ++done_warps_;
    return;
  }
  const uint32_t first = static_cast<uint32_t>(std::countr_zero(warp.waiting));
  lane_ = &lanes[first];  // whom a message names
  const Call& call = lanes[first].call;
  if (warp.waiting != kAllLanes) {
    Fail(FaultKind::kLaunchFailed, call, "%d lanes of this warp ended without it",
         32 - std::popcount(warp.waiting));
  }
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    if (SamePlace(call, lanes[lane].call) &&
        lanes[lane].exchange.variant == lanes[first].exchange.variant) {
      continue;
    }
    Fail(FaultKind::kLaunchFailed, call, "lane %u of this warp is in %s", lane,
         Description(lanes[lane].call).text);
  }
  if (IsBlockBarrier(call)) {
    if (++at_barrier_ == num_warps_) ReleaseBarrier();
    return;
  }
  if (call.wrapper == Wrapper::kSyncWarp) log_.SyncWarp(index);
  PerformWarpCall(lanes, config_->matrix_unit);
  warp.ready = kAllLanes;
  warp.waiting = 0;
  runnable_ |= 1u << index;
}

void Block::ReleaseBarrier() {
  for (uint32_t warp = 1; warp < num_warps_; ++warp) {
    const Call& call = lanes_[warp * kLanes].call;
    if (SamePlace(lanes_[0].call, call)) continue;
    lane_ = &lanes_[0];
    Fail(FaultKind::kLaunchFailed, lanes_[0].call, "warp %u is in %s", warp,
         Description(call).text);
  }
  for (uint32_t warp = 0; warp < num_warps_; ++warp) {
    warps_[warp] = {.ready = kAllLanes};
    runnable_ |= 1u << warp;
  }
  at_barrier_ = 0;
  log_.SyncBlock();
}

// Some warps are in a barrier and the others have ended.
void Block::FailStuck() {
  for (uint32_t warp = 0; warp < num_warps_; ++warp) {
    if (warps_[warp].waiting == 0) continue;
    lane_ = &lanes_[warp * kLanes];
    Fail(FaultKind::kLaunchFailed, lane_->call, "%u warps ended without it", done_warps_);
  }
  __builtin_unreachable();
}

void Block::Fail(FaultKind kind, const Call& call, const char* format, ...) {
  char what[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(what, sizeof(what), format, arguments);
  va_end(arguments);
  char message[640];
  std::snprintf(message, sizeof(message), "%s: block (%u, %u, %u), thread %u, %s: %s",
                config_->kernel->name, index_.x, index_.y, index_.z, lane_->thread,
                Description(call).text, what);
  fault_->kind = kind;
  fault_->message = message;
  LeaveFiber(&host_);
}

void Block::FailRace(const Call& call, uint32_t other) {
  Fail(FaultKind::kLaunchFailed, call,
       "races with thread %u for these bytes of shared memory: no barrier lies between", other);
}

void Block::WaitCopies(const Call& call, uint64_t newest) {
  lane_->copies.Wait(newest, [&](const uint8_t* target) {
    NoteWrite(call, reinterpret_cast<uintptr_t>(target), AsyncCopies::kBytes, false);
  });
}

void Block::CheckAddress(const Call& call, uintptr_t address, size_t bytes, bool shared_only) {
  if (address < 4096) Fail(FaultKind::kIllegalAddress, call, "null pointer");
  if (address % bytes != 0) {
    Fail(FaultKind::kMisalignedAddress, call, "address is not aligned to %zu bytes", bytes);
  }
  if (shared_range_.Holds(address, bytes)) return;
  if (!shared_only && DeviceMemory().Holds(address, bytes)) return;
  const ptrdiff_t offset = static_cast<ptrdiff_t>(address - shared_range_.begin);
  AddressRange before;
  if (shared_only || (offset >= -4096 && offset < ptrdiff_t{kSharedBytesMax})) {
    Fail(FaultKind::kIllegalAddress, call,
         "%zu bytes outside of this block's shared memory (byte %td of %zu)", bytes, offset,
         shared_range_.bytes);
  }
  if (!DeviceMemory().Before(address, &before)) {
    Fail(FaultKind::kIllegalAddress, call, "%zu bytes outside of device memory", bytes);
  }
  Fail(FaultKind::kIllegalAddress, call,
       "%zu bytes outside of device memory (byte %zu of an allocation of %zu)", bytes,
       address - before.begin, before.bytes);
}

void Block::CopyAsync(const Call& call, void* shared, const void* global, bool valid) {
  CheckAddress(call, reinterpret_cast<uintptr_t>(shared), AsyncCopies::kBytes, true);
  const uintptr_t source = reinterpret_cast<uintptr_t>(global);
  if (source % AsyncCopies::kBytes != 0) CheckAddress(call, source, AsyncCopies::kBytes, false);
  if (valid) {
    CheckAddress(call, source, AsyncCopies::kBytes, false);
    if (shared_range_.Holds(source, 1)) {
      Fail(FaultKind::kIllegalAddress, call, "the source is shared memory");
    }
  }
  NoteWrite(call, reinterpret_cast<uintptr_t>(shared), AsyncCopies::kBytes, false);
  lane_->call = call;
  lane_->copies.Issue(static_cast<uint8_t*>(shared),
                      valid ? static_cast<const uint8_t*>(global) : nullptr,
                      (random_->Next() & 1) != 0);
}

}  // namespace llmrt::cuda_host
