// Device memory: allocating it, and moving bytes to, from and within it. Entries of the table.
#pragma once

#include "cuda/plugin/device.h"

namespace llmrt::cuda {

int32_t Allocate(backend::PluginDevice* device, int64_t bytes, uint64_t* address,
                 backend::PluginError* error);
void Release(backend::PluginDevice* device, uint64_t address);
int32_t Upload(backend::PluginDevice* device, const backend::PluginUpload* params,
               backend::PluginError* error);
int32_t Download(backend::PluginDevice* device, void* to, uint64_t from, int64_t bytes,
                 backend::PluginError* error);
int32_t Copy(backend::PluginDevice* device, uint64_t to, uint64_t from, int64_t bytes,
             backend::PluginError* error);
int32_t MeasureReadBandwidth(backend::PluginDevice* device, uint64_t data, int64_t bytes,
                             double* bytes_per_second, backend::PluginError* error);

}  // namespace llmrt::cuda
