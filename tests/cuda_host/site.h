// Sites: where a kernel calls a function of device.h. They are recorded on request, and one of them
// can be changed (control.h has the kinds of changes).
#pragma once

#include <cstdint>
#include <source_location>

#include "cuda_host/control.h"

namespace llmrt::cuda_host {

using Location = std::source_location;

enum class Wrapper : uint8_t {
  kThreadIndex,
  kLaneIndex,
  kWarpIndex,
  kBlockThreads,
  kBlockIndexX,
  kBlockIndexY,
  kBlockIndexZ,
  kGridSizeX,
  kGridSizeY,
  kGridSizeZ,
  kLoad,
  kStore,
  kSyncBlock,
  kSyncWarp,
  kShuffleXor,
  kShuffleFrom,
  kBallot,
  kCopyAsync16,
  kCommitCopies,
  kWaitCopies,
  kLoadMatrices4,
  kLoadMatrices4Transposed,
  kLoadMatrices2,
  kLoadMatrices2Transposed,
  kMultiplyAccumulate,
  kPackPair,
};

const char* WrapperName(Wrapper wrapper);
// Mutations that make sense for it, bit k for kind k.
uint32_t MutationKinds(Wrapper wrapper);

struct Call {
  Wrapper wrapper;
  uint8_t bytes;  // of the type; 0 where the function has none
  Location location;
};

// True while calls must be looked at one by one: sites are recorded, or the kernel that runs has
// the planted mutation.
extern bool watching_calls;

// The mutation of this call, kinds as in control.h.
int VisitCall(const Call& call);
inline int MutationOf(const Call& call) {
  if (!watching_calls) [[likely]]
    return LLMRT_MUTATION_NONE;
  return VisitCall(call);
}

// Before a kernel runs and after.
void BeginKernelCalls(const char* kernel);
void EndKernelCalls();

// What control.h offers; the caller holds the driver's lock.
void RecordSites(bool on);
void ResetSites();
uint32_t SiteCount();
bool DescribeSite(uint32_t index, LlmrtEmulationSite* out);
bool PlantMutation(uint32_t index, int kind);
void UnplantMutation();
uint64_t PlantedHits();

// The file's name without its folders.
const char* FileName(const char* path);

}  // namespace llmrt::cuda_host
