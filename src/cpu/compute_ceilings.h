// How fast all threads together multiply and add with each instruction that the processor has for
// it: the floor under a prompt's time. No kernel reaches these rates, since none of the loops
// converts, scales or writes anything.
#pragma once

#include <string_view>
#include <vector>

#include "cpu/thread_pool.h"

namespace llmrt::cpu {

struct ComputeRate {
  std::string_view name;             // "f32 avx512", "int8 vnni"; of static storage
  double operations_per_second = 0;  // multiplies and adds; the best of several turns
};

// Takes about 20 ms for each instruction. Empty on processors that this build has no loops for.
std::vector<ComputeRate> MeasureComputeRates(ThreadPool& pool);

}  // namespace llmrt::cpu
