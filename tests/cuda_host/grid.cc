#include "cuda_host/grid.h"

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "numerics/fp_mode.h"

namespace llmrt::cuda_host {

Fault RunGrid(const LaunchConfig& config, Random* random) {
  static const std::unique_ptr<Block> block = std::make_unique<Block>();
  const numerics::ScopedFpMode mode;
  Fault fault;
  const uint64_t count = uint64_t{config.grid.x} * config.grid.y * config.grid.z;
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (uint64_t i = count; i > 1; --i) {
    std::swap(order[i - 1], order[random->Below(static_cast<uint32_t>(i))]);
  }
  BeginKernelCalls(config.kernel->name);
  for (const uint32_t number : order) {
    const GridPoint index = {number % config.grid.x, number / config.grid.x % config.grid.y,
                             number / config.grid.x / config.grid.y};
    block->Run(config, index, random, &fault);
    if (fault.kind != FaultKind::kNone) break;
  }
  EndKernelCalls();
  return fault;
}

}  // namespace llmrt::cuda_host
