#include "tests/scheduler/simulator.h"

#include <algorithm>

namespace llmrt::scheduler {

void EpisodeCounts::Add(const EpisodeCounts& other) {
  steps += other.steps;
  steps_with_work += other.steps_with_work;
  rows += other.rows;
  validations += other.validations;
  turns += other.turns;
  finished += other.finished;
  preemptions += other.preemptions;
  evictions += other.evictions;
  recomputed += other.recomputed;
  copies += other.copies;
  seizures += other.seizures;
  forks += other.forks;
  rewinds += other.rewinds;
  cancels += other.cancels;
  destroys += other.destroys;
  drops += other.drops;
  trims += other.trims;
  rollbacks += other.rollbacks;
  pauses += other.pauses;
  scored_rows += other.scored_rows;
  longest_wait = std::max(longest_wait, other.longest_wait);
}

Simulator::Simulator(const EpisodeOptions& options)
    : options_(options),
      random_(options.seed + 1),
      cache_(options.num_blocks, options.block_size),
      scheduler_(cache_, options.limits),
      memory_(options.num_blocks, options.block_size) {
  // The full check costs about as much as the pool has blocks. Pools of up to 32 blocks get it
  // after each operation, larger ones in proportion more rarely. A mistake must be seen before it
  // does more harm than a checked structure can bear.
  if (options.mistake == Mistake::kNone) operations_per_validation_ += options.num_blocks / 33;
}

absl::Status Simulator::Run() {
  while (status_.ok() && counts_.steps < options_.steps) {
    ++counts_.steps;
    CallHosts();
    if (status_.ok()) Step();
  }
  if (!options_.abandoned) {
    draining_ = true;
    // A step that fails, or in which the oldest got less than it was given, is no progress; there
    // are not many times as many of these.
    int64_t needed = 0;
    for (const auto& session : sessions_) needed += StepsNeeded(*session);
    const int64_t last = counts_.steps + 1000 + 50 * needed;
    const auto idle = [this] {
      return std::all_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
        return session->activity == Activity::kResting;
      });
    };
    while (status_.ok() && !idle()) {
      ++counts_.steps;
      WakeSessions();
      if (status_.ok()) Step();
      Check(counts_.steps <= last, "requests are left although no more arrive", needed);
    }
  } else if (status_.ok()) {
    scheduler_.Plan(options_.limits.rows);
    if (random_.Chance(500)) RunOnDevice(true);
  }
  if (status_.ok()) EndAll();
  counts_.preemptions = scheduler_.num_preemptions();
  counts_.recomputed = scheduler_.tokens_recomputed();
  counts_.evictions = cache_.pool().num_evictions();
  return status_;
}

int64_t Simulator::PlannedIndex(const Session& session) const {
  const auto plan = scheduler_.planned();
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].request == &session) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace llmrt::scheduler
