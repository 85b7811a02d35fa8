// Engines and steps on the emulated device: the real plugin, found in the build tree, on the driver
// of tests/cuda_host. Programs that use this find that driver by their search path, and skip where
// another one is loaded: they steer it, and count on what it says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/create_backend.h"
#include "engine/options.h"
#include "memory/large_buffer.h"
#include "tests/cuda/test_device.h"
#include "tests/model/step_runner.h"

namespace llmrt::testing {

// Null where the driver that this program finds is not the emulation.
const cuda::Emulation* FindEmulation();

// True where there is no emulation; the running test has then been marked skipped, or failed under
// CI=true, and is to return.
bool SkipWithoutEmulation();

// The controls; the test has asked SkipWithoutEmulation before.
const cuda::Emulation& TheEmulation();

// The driver's own functions, for what a host does with them.
const cuda::DriverTable& TheDriver();

// Where the build put libllmrt_cuda.so.
std::string PluginFolder();

// Options of an engine on cuda:0.
engine::EngineOptions CudaOptions();

// The backend of cuda:0; throws where it cannot be made.
std::unique_ptr<backend::Backend> MakeCudaBackend(memory::LargeMemory& memory);

// Options of a StepRunner on cuda:0.
RunnerOptions CudaRunner(backend::KvType kv_type);

// What lives on the emulated device.
LlmrtEmulationCounts Counts();

// Everything but `bytes` in one line, for comparisons with EXPECT_EQ.
std::string Describe(const LlmrtEmulationCounts& counts);

}  // namespace llmrt::testing
