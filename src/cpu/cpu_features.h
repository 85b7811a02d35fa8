// What this machine can do, asked at run time: instructions, cores, caches, memory.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "backend/create_backend.h"

namespace llmrt::cpu {

// True if the processor has AVX2, FMA and F16C and the system saves the wide registers.
bool HasAvx2();
// The same for AVX-512 F, BW, DQ and VL beside those, and for AVX-512 VNNI on top.
bool HasAvx512();
bool HasVnni();
// Asks the system for permission to use AMX, once for the process, where the processor has it for
// int8 and bfloat16 besides AVX-512 VNNI; true if it may be used.
bool UseAmx();

// Whether this machine runs the kernels of a tier.
bool RunsTier(backend::CpuTier tier);

std::string_view TierName(backend::CpuTier tier);

// The tier to run: the best one here for kBest, else `asked`. FAILED_PRECONDITION if the machine
// lacks it, UNIMPLEMENTED if this build has no kernels for it.
absl::StatusOr<backend::CpuTier> PickTier(backend::CpuTier asked);

// Physical cores that the process may run on (its affinity mask; hyper-threads of one core count
// once, where the system tells them apart). At least 1.
int32_t CountUsableCores();

// Bytes of the last level of cache that the process may fill: of all its instances (large
// processors have several) beside the cores that the process may run on. 0 where unknown.
int64_t LastLevelCacheBytes();

// Bytes of memory that the system would still give out without swapping, at most what the control
// group of the process may have. 0 where unknown.
int64_t AvailableMemoryBytes();

}  // namespace llmrt::cpu
