// How much memory this process has had at once, as the system counts it.
#pragma once

#include <cstdint>

namespace llmrt::cli {

// From now on the peak is counted anew. Where the system does not allow that (containers may not),
// the peak goes on from the start of the process.
void ForgetPeakMemory();

// The most bytes of memory that the process had resident at once, shared pages of files included
// (VmHWM). 0 where unknown.
int64_t PeakMemoryBytes();

}  // namespace llmrt::cli
