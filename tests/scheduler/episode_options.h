// One episode of the simulator: the limits of the engine that it plays and what its hosts do. All
// of it follows from one seed, so a failure is repeated by naming that.
#pragma once

#include <cstdint>
#include <string>

#include "scheduler/scheduler.h"

namespace llmrt::scheduler {

// xorshift64*: a step of the simulator draws some twenty numbers, and they need only be fast.
class SimulatorRandom {
 public:
  explicit SimulatorRandom(uint64_t seed);
  uint64_t Next();
  // 0 .. limit-1
  int64_t Below(int64_t limit) { return static_cast<int64_t>((Next() >> 11) % limit); }
  // first .. last
  int64_t Between(int64_t first, int64_t last) { return first + Below(last - first + 1); }
  // 1 .. last, as often between 1 and 2 as between last/2 and last.
  int64_t Length(int64_t last);
  bool Chance(int64_t per_thousand) { return Below(1000) < per_thousand; }

 private:
  uint64_t state_;
};

// Something that an engine could do wrong. The simulator must notice each of them.
enum class Mistake : uint8_t {
  kNone,
  kSkipCopy,        // runs a step without its copies on write
  kCopyLate,        // copies after the rows were written
  kSkipRow,         // does not write the last row of a chunk
  kWriteRowBeside,  // writes a row into the slot before its own
  kForgetClear,     // a session goes away and keeps its blocks
  kForgetRemove,    // a session is cleared while its request stands in line
  kForgetDrop,      // a request leaves in the middle of a step, with its assignment in the plan
  kForgetToken,     // a drawn token is not told to the scheduler
  kKeepLogitsFrom,  // rows that gave their logits are asked for them again
  kSkipRecompute,   // does not write again what was evicted
  kCommitFailure,   // commits a step that failed half way
  kNumMistakes,
};

const char* MistakeName(Mistake mistake);

struct EpisodeOptions {
  uint64_t seed = 0;
  int32_t num_blocks = 0;
  int32_t block_size = 0;  // tokens
  int64_t context = 0;     // tokens of a session at most; at most all slots
  SchedulerLimits limits;
  int64_t steps = 0;  // then no new work comes
  int64_t sessions_max = 0;
  int64_t turns_max = 0;   // of a session
  int64_t prompt_max = 0;  // tokens of a turn, likewise
  int64_t output_max = 0;
  int64_t think_max = 0;  // steps between two turns of a session
  int64_t burst_max = 0;  // sessions that arrive at a time

  // How often it happens, in a thousand steps.
  int64_t arrivals = 0;
  int64_t forks = 0;
  int64_t rewinds = 0;
  int64_t cancels = 0;
  int64_t destroys = 0;
  int64_t host_calls_inside = 0;  // one of the above between a plan and its commit
  int64_t failures = 0;           // the whole step
  int64_t trims = 0;
  int64_t pauses = 0;      // in a thousand assignments that were run
  int64_t scores = 0;      // in a thousand prompts: rows give logits before the last
  bool abandoned = false;  // ends in the middle of a step instead of running dry

  Mistake mistake = Mistake::kNone;
};

EpisodeOptions RandomEpisode(uint64_t seed);
std::string ToString(const EpisodeOptions& options);

}  // namespace llmrt::scheduler
