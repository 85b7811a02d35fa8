// device.h for host compilers: each thread is a fiber of the running block (block.h), each call can
// be recorded and changed (site.h), each address is checked.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "cuda/device/device.h"
#include "cuda_host/block.h"
#include "cuda_host/kernel_registry.h"
#include "cuda_host/site.h"

#define LLMRT_DEVICE inline
#define LLMRT_KERNEL(name, Args, threads)                                 \
  static void name(const Args& args);                                     \
  static const ::llmrt::cuda_host::KernelRegistration name##Registration( \
      #name, sizeof(Args), threads,                                       \
      [](const void* bytes) { name(*static_cast<const Args*>(bytes)); }); \
  static void name([[maybe_unused]] const Args& args)

namespace llmrt::cuda {

using cuda_host::Call;
using cuda_host::Location;
using cuda_host::MutationOf;
using cuda_host::running_block;
using cuda_host::Wrapper;

inline uint32_t MovedIndex(Wrapper wrapper, uint32_t index, const Location& at) {
  return index + (MutationOf({wrapper, 0, at}) == LLMRT_MUTATION_NEXT_INDEX ? 1 : 0);
}
inline uint32_t GrownSize(Wrapper wrapper, uint32_t size, const Location& at) {
  return MutationOf({wrapper, 0, at}) == LLMRT_MUTATION_DOUBLE ? 2 * size : size;
}
inline uint32_t ThreadIndex(Location at = Location::current()) {
  return MovedIndex(Wrapper::kThreadIndex, running_block->lane().thread, at);
}
inline uint32_t LaneIndex(Location at = Location::current()) {
  return MovedIndex(Wrapper::kLaneIndex, running_block->lane().thread % kWarpLanes, at);
}
inline uint32_t WarpIndex(Location at = Location::current()) {
  return MovedIndex(Wrapper::kWarpIndex, running_block->lane().thread / kWarpLanes, at);
}
inline uint32_t BlockThreads(Location at = Location::current()) {
  return GrownSize(Wrapper::kBlockThreads, running_block->config().threads, at);
}
inline uint32_t BlockIndexX(Location at = Location::current()) {
  return MovedIndex(Wrapper::kBlockIndexX, running_block->index().x, at);
}
inline uint32_t BlockIndexY(Location at = Location::current()) {
  return MovedIndex(Wrapper::kBlockIndexY, running_block->index().y, at);
}
inline uint32_t BlockIndexZ(Location at = Location::current()) {
  return MovedIndex(Wrapper::kBlockIndexZ, running_block->index().z, at);
}
inline uint32_t GridSizeX(Location at = Location::current()) {
  return GrownSize(Wrapper::kGridSizeX, running_block->config().grid.x, at);
}
inline uint32_t GridSizeY(Location at = Location::current()) {
  return GrownSize(Wrapper::kGridSizeY, running_block->config().grid.y, at);
}
inline uint32_t GridSizeZ(Location at = Location::current()) {
  return GrownSize(Wrapper::kGridSizeZ, running_block->config().grid.z, at);
}

// Where an access of `bytes` really goes.
inline uintptr_t AccessAddress(const void* p, const Call& call) {
  uintptr_t address = reinterpret_cast<uintptr_t>(p);
  if (MutationOf(call) == LLMRT_MUTATION_NEXT_ELEMENT) address += call.bytes;
  if (address % call.bytes != 0 || !running_block->Accessible(address, call.bytes)) {
    running_block->CheckAddress(call, address, call.bytes, false);
  }
  return address;
}
template <typename T>
T Load(const T* p, Location at = Location::current()) {
  static_assert(std::has_single_bit(sizeof(T)) && sizeof(T) <= 16);
  const Call call = {Wrapper::kLoad, sizeof(T), at};
  const uintptr_t address = AccessAddress(p, call);
  running_block->NoteRead(call, address, sizeof(T), false);
  T value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}
template <typename T>
void Store(T* p, T value, Location at = Location::current()) {
  static_assert(std::has_single_bit(sizeof(T)) && sizeof(T) <= 16);
  const Call call = {Wrapper::kStore, sizeof(T), at};
  void* target = reinterpret_cast<void*>(AccessAddress(p, call));
  running_block->NoteWrite(call, reinterpret_cast<uintptr_t>(target), sizeof(T),
                           std::memcmp(target, &value, sizeof(T)) == 0);
  std::memcpy(target, &value, sizeof(T));
}

inline uint8_t* SharedMemory() { return running_block->shared(); }

inline void SyncBlock(Location at = Location::current()) {
  Call call = {Wrapper::kSyncBlock, 0, at};
  const int mutation = MutationOf(call);
  if (mutation == LLMRT_MUTATION_WEAKEN) call.wrapper = Wrapper::kSyncWarp;
  if (mutation != LLMRT_MUTATION_SKIP) running_block->Wait(call, {});
}
inline void SyncWarp(Location at = Location::current()) {
  const Call call = {Wrapper::kSyncWarp, 0, at};
  if (MutationOf(call) != LLMRT_MUTATION_SKIP) running_block->Wait(call, {});
}

template <typename T>
T Shuffle(Wrapper wrapper, T value, uint32_t lane, const Location& at) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  const Call call = {wrapper, sizeof(T), at};
  if (MutationOf(call) == LLMRT_MUTATION_OTHER_LANE) lane ^= 1;
  T result;
  running_block->Wait(call, {.input = &value, .output = &result, .lane = lane});
  return result;
}
// Grids of a stream follow one another here, so the results of earlier ones are there.
inline void AwaitEarlierGrids() {}
inline void ReleaseLaterGrids() {}
template <typename T>
T ShuffleXor(T value, uint32_t lane_mask, Location at = Location::current()) {
  return Shuffle(Wrapper::kShuffleXor, value, running_block->lane().thread ^ lane_mask, at);
}
template <typename T>
T ShuffleFrom(T value, uint32_t source_lane, Location at = Location::current()) {
  return Shuffle(Wrapper::kShuffleFrom, value, source_lane, at);
}
inline uint32_t Ballot(bool predicate, Location at = Location::current()) {
  const Call call = {Wrapper::kBallot, 0, at};
  if (MutationOf(call) == LLMRT_MUTATION_INVERT) predicate = !predicate;
  uint32_t result;
  running_block->Wait(call, {.output = &result, .lane = predicate ? 1u : 0u});
  return result;
}

inline void CopyAsync16(void* shared, const void* global, bool valid,
                        Location at = Location::current()) {
  const Call call = {Wrapper::kCopyAsync16, 16, at};
  const int mutation = MutationOf(call);
  if (mutation == LLMRT_MUTATION_INVERT) valid = !valid;
  if (mutation == LLMRT_MUTATION_NEXT_ELEMENT) {
    global = reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(global) + 16);
  }
  running_block->CopyAsync(call, shared, global, valid);
}
inline void CommitCopies(Location at = Location::current()) {
  if (MutationOf({Wrapper::kCommitCopies, 0, at}) == LLMRT_MUTATION_SKIP) return;
  running_block->CommitCopies();
}
template <int N>
void WaitCopies(Location at = Location::current()) {
  const Call call = {Wrapper::kWaitCopies, N, at};
  const int mutation = MutationOf(call);
  if (mutation == LLMRT_MUTATION_SKIP) return;
  running_block->WaitCopies(call, mutation == LLMRT_MUTATION_WEAKEN ? N + 1 : N);
}

inline Wrapper OtherWayRound(Wrapper load) {
  if (load == Wrapper::kLoadMatrices4) return Wrapper::kLoadMatrices4Transposed;
  if (load == Wrapper::kLoadMatrices4Transposed) return Wrapper::kLoadMatrices4;
  return load == Wrapper::kLoadMatrices2 ? Wrapper::kLoadMatrices2Transposed
                                         : Wrapper::kLoadMatrices2;
}
inline void LoadMatrices(Wrapper wrapper, uint32_t* out, uint32_t count, const void* row,
                         const Location& at) {
  Call call = {wrapper, 2, at};
  uintptr_t address = reinterpret_cast<uintptr_t>(row);
  const int mutation = MutationOf(call);
  if (mutation == LLMRT_MUTATION_NEXT_ELEMENT) address += 16;
  if (mutation == LLMRT_MUTATION_TRANSPOSE) call.wrapper = OtherWayRound(wrapper);
  // Of the lanes, 8 a matrix name its rows.
  if (running_block->lane().thread % kWarpLanes < count * 8) {
    running_block->CheckAddress(call, address, 16, true);
    running_block->NoteRead(call, address, 16, true);
  }
  running_block->Wait(call, {.input = reinterpret_cast<const void*>(address), .output = out});
}
inline void LoadMatrices4(uint32_t (&out)[4], const void* row, Location at = Location::current()) {
  LoadMatrices(Wrapper::kLoadMatrices4, out, 4, row, at);
}
inline void LoadMatrices4Transposed(uint32_t (&out)[4], const void* row,
                                    Location at = Location::current()) {
  LoadMatrices(Wrapper::kLoadMatrices4Transposed, out, 4, row, at);
}
inline void LoadMatrices2(uint32_t (&out)[2], const void* row, Location at = Location::current()) {
  LoadMatrices(Wrapper::kLoadMatrices2, out, 2, row, at);
}
inline void LoadMatrices2Transposed(uint32_t (&out)[2], const void* row,
                                    Location at = Location::current()) {
  LoadMatrices(Wrapper::kLoadMatrices2Transposed, out, 2, row, at);
}

template <typename Element>
inline constexpr bool kIsBFloat16 = false;
template <>
inline constexpr bool kIsBFloat16<BFloat16> = true;

template <typename Element>
void MultiplyAccumulate(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                        Location at = Location::current()) {
  const Call call = {Wrapper::kMultiplyAccumulate, 2, at};
  const int mutation = MutationOf(call);
  if (mutation == LLMRT_MUTATION_SKIP) return;
  running_block->Wait(call, {.input = a,
                             .more = b,
                             .output = d,
                             .variant = (kIsBFloat16<Element> ? 1u : 0u) |
                                        (mutation == LLMRT_MUTATION_SWAP_ROWS ? 2u : 0u)});
}

template <typename Element>
uint32_t PackPair(float low, float high, Location at = Location::current()) {
  if (MutationOf({Wrapper::kPackPair, 2, at}) == LLMRT_MUTATION_SWAP_HALVES) std::swap(low, high);
  const auto round = [](float value) -> uint32_t {
    // The machine's NaN; the software conversions keep a NaN's own bits.
    if (numerics::IsNan(value)) return 0x7fff;
    return kIsBFloat16<Element> ? numerics::F32ToBF16(value) : numerics::F32ToF16(value);
  };
  return round(low) | round(high) << 16;
}

}  // namespace llmrt::cuda
