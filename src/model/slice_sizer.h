// How much work makes a slice of the duration that is wanted. It learns the rate of each kind of
// work from slices that were timed, so that a slow machine, a busy neighbour or a long context
// shortens slices instead of stretching the time between two looks at the clock.
//
// Pure arithmetic, no clock of its own. Where a step is cut changes no bit, so neither does what is
// learned here.
#pragma once

#include <cstdint>
#include <vector>

namespace llmrt::model {

class SliceSizer {
 public:
  // Work comes in kinds [0, num_kinds) whose costs need not be comparable. `threads` share it.
  SliceSizer(int num_kinds, int64_t threads);

  // The cost of a slice that should take about `target_ns`; at least 1.
  int64_t CostFor(int kind, int64_t target_ns) const;

  // A slice of `cost` took `elapsed_ns`.
  void Record(int kind, int64_t cost, int64_t elapsed_ns);

 private:
  std::vector<double> rates_;  // by kind: cost per nanosecond
};

}  // namespace llmrt::model
