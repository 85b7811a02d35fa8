// Steps recorded as graphs, which the device launches as one.
#pragma once

#include "cuda/plugin/device.h"

namespace llmrt::cuda {

// Entries of the table.
int32_t BeginRecording(backend::PluginDevice* device, int32_t slot, backend::PluginError* error);
int32_t EndRecording(backend::PluginDevice* device, backend::PluginError* error);
int32_t Replay(backend::PluginDevice* device, int32_t slot, backend::PluginError* error);

// With the context current.
void AbandonRecording(backend::PluginDevice& device);
void ReleaseGraphs(backend::PluginDevice& device);

}  // namespace llmrt::cuda
