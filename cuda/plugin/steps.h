// The memory of steps, and their beginning and end.
#pragma once

#include "cuda/kernels/step_view.h"
#include "cuda/plugin/device.h"

namespace llmrt::cuda {

// Entries of the table.
void StepBytes(const backend::PluginStepNeeds* needs, int64_t* device_bytes, int64_t* host_bytes);
int32_t ReserveSteps(backend::PluginDevice* device, const backend::PluginStepNeeds* needs,
                     backend::PluginError* error);
void ReleaseSteps(backend::PluginDevice* device);
int32_t GetStepMemory(backend::PluginDevice* device, backend::PluginStepMemory* memory,
                      backend::PluginError* error);
int32_t BeginStep(backend::PluginDevice* device, const backend::PluginStepCounts* counts,
                  backend::PluginError* error);
int32_t EndStep(backend::PluginDevice* device, int64_t wait_us, int32_t* done,
                backend::PluginError* error);

// An array of the step's memory on the device.
template <typename T>
T* StepArray(const backend::PluginDevice& device, int64_t offset) {
  return reinterpret_cast<T*>(device.step_memory + static_cast<uint64_t>(offset));
}

StepView ViewOf(const backend::PluginDevice& device);

}  // namespace llmrt::cuda
