// What the command line sees of this folder: the rates at which the processor reads memory and
// multiplies, measured with threads of its own, in words of the standard library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llmrt::ceilings {

// One way to read (src/cpu/read_bandwidth.h).
struct ReadCeiling {
  int32_t streams = 0;  // a thread
  bool prefetch = false;
  double bytes_per_second = 0;
};

// One instruction (src/cpu/compute_ceilings.h); data is random, never zero.
struct ComputeCeiling {
  std::string name;  // "int8 vnni"
  double operations_per_second = 0;
};

struct Ceilings {
  std::vector<ReadCeiling> reads;        // empty where it cannot be measured
  std::vector<ComputeCeiling> computes;  // empty where there are no loops for the processor
};

// By `threads` threads, the caller among them, in about half a second. Empty if the system refuses
// them. The buffer that is read is given back.
Ceilings Measure(int32_t threads);

}  // namespace llmrt::ceilings
