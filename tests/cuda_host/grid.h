// A launch: all blocks of a grid, one after the other in an order that the seed decides.
#pragma once

#include "cuda_host/block.h"

namespace llmrt::cuda_host {

// Runs until the end or the first fault. One at a time: the caller holds the driver's lock.
Fault RunGrid(const LaunchConfig& config, Random* random);

}  // namespace llmrt::cuda_host
