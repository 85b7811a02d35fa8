// The ops of a step: from the table's parameters to launches. Entries of the table.
#pragma once

#include "cuda/plugin/device.h"

namespace llmrt::cuda {

int32_t Embed(backend::PluginDevice* device, const backend::PluginEmbed* params,
              backend::PluginError* error);
int32_t RmsNorm(backend::PluginDevice* device, const backend::PluginRmsNorm* params,
                backend::PluginError* error);
int32_t Prepare(backend::PluginDevice* device, const backend::PluginPrepare* params,
                backend::PluginError* error);
int32_t MatMul(backend::PluginDevice* device, const backend::PluginMatMul* params,
               backend::PluginError* error);
int32_t RopeStore(backend::PluginDevice* device, const backend::PluginRopeStore* params,
                  backend::PluginError* error);
int32_t Attention(backend::PluginDevice* device, const backend::PluginAttention* params,
                  backend::PluginError* error);
int32_t SwiGlu(backend::PluginDevice* device, const backend::PluginSwiGlu* params,
               backend::PluginError* error);
int32_t MoveRows(backend::PluginDevice* device, const backend::PluginMoveRows* params,
                 backend::PluginError* error);
int32_t Draw(backend::PluginDevice* device, uint64_t logits,
             const backend::PluginDrawRequest* requests, int64_t count,
             backend::PluginError* error);
int32_t DrawResults(backend::PluginDevice* device, backend::PluginDrawResult* results,
                    int64_t count, backend::PluginError* error);

}  // namespace llmrt::cuda
