#include "ceilings/ceilings.h"

#include <chrono>
#include <memory>

#include "absl/status/statusor.h"
#include "cpu/compute_ceilings.h"
#include "cpu/read_bandwidth.h"
#include "cpu/thread_pool.h"
#include "memory/large_buffer.h"

namespace llmrt::ceilings {
namespace {

// Long enough for every pattern to have some dozens of turns with two cores.
constexpr auto kReadDuration = std::chrono::milliseconds(200);

}  // namespace

Ceilings Measure(int32_t threads) {
  Ceilings ceilings;
  const absl::StatusOr<std::unique_ptr<cpu::ThreadPool>> pool = cpu::ThreadPool::Create(threads);
  if (!pool.ok()) return ceilings;
  memory::LargeMemory memory(0);
  for (const cpu::ReadRate& rate : cpu::MeasureReadRates(**pool, memory, kReadDuration)) {
    ceilings.reads.push_back({.streams = rate.pattern.streams,
                              .prefetch = rate.pattern.prefetch,
                              .bytes_per_second = rate.bytes_per_second});
  }
  for (const cpu::ComputeRate& rate : cpu::MeasureComputeRates(**pool)) {
    ceilings.computes.push_back({std::string(rate.name), rate.operations_per_second});
  }
  return ceilings;
}

}  // namespace llmrt::ceilings
