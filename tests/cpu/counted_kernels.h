// Backends for the tests, made of kernel tables that count their calls: at the end of a whole run
// every kernel of every tier of this machine must have been called, or the run fails (a kernel that
// no test reaches is a kernel that nothing checks). Before each call the worker's scratch, and the
// stack below, are filled with NaN.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/create_backend.h"
#include "cpu/kernel_table.h"
#include "memory/large_buffer.h"

namespace llmrt::cpu {

// The tiers that run here; amx also where the processor has AVX-512 VNNI but no AMX, with imitated
// tile registers.
std::vector<backend::CpuTier> TestedTiers();

// A backend over the counting table of `tier`. It and its memory live for the whole program; one
// for each (tier, threads).
backend::Backend& BackendFor(backend::CpuTier tier, int32_t threads);

// Its table.
const KernelTable& CountedKernels(backend::CpuTier tier);

// Unlimited memory that lives for the whole program.
memory::LargeMemory& TestMemory();

}  // namespace llmrt::cpu
