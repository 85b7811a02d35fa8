// Where the memory of steps lies: one allocation on the device, and pinned memory on the host that
// holds its first part again, from which it is uploaded.
//
//   both:         what the core writes for a step (PluginStepMemory), counters, attention tiles;
//                 then the requests of a step's draws and their results
//   device only:  parts of draws, and what attention leaves of each split
#pragma once

#include <cstdint>

#include "backend/plugin_table.h"

namespace llmrt::cuda {

// Rows of a step whose splits may be spread over blocks: a few rows over a long context would
// otherwise leave most of the device idle; many rows fill it anyhow, and their splits would take
// gigabytes.
inline constexpr int64_t kSplitRowsMax = 8;

// Counters at the start: int32 each.
enum StepCounter : int32_t { kCountRows = 0, kCountTiles = 1 };

// Offsets in bytes.
struct StepLayout {
  int64_t counters;
  int64_t tokens;
  int64_t positions;
  int64_t sequences;
  int64_t logit_rows;
  int64_t table_starts;
  int64_t tiles;
  int64_t blocks;  // the last that begin_step uploads: only as far as it is used
  int64_t request_count;
  int64_t requests;
  int64_t results;
  int64_t host_bytes;  // all of the above
  int64_t parts;
  int64_t partial;
  int64_t device_bytes;
  int64_t splits_max;
};

StepLayout LayOutStep(const backend::PluginStepNeeds& needs);

}  // namespace llmrt::cuda
