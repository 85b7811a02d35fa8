// Plays the engine's part over the paged cache and the scheduler, without a model: sessions arrive,
// speak in turns, fork, rewind, are cancelled, paused and destroyed, also while a step is planned;
// steps are trimmed and fail. After each operation it checks what must hold:
//   memory      before a step, each sequence in it reads exactly its own tokens through its block
//               table; no two rows share a slot; nobody's tokens are overwritten
//   blocks      pinned, cached and free ones are all there are; holders and pins are those of the
//               sequences; tokens stored are those of the sequences; nothing is left in the end
//   budget      rows and logit rows of a step
//   progress    a line that is not empty gives a step that moves the oldest request; only the
//               youngest are preempted; no request waits longer than scheduler.h promises; all
//               finish once no more arrive
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kv/paged_cache.h"
#include "scheduler/scheduler.h"
#include "tests/scheduler/episode_options.h"
#include "tests/scheduler/simulated_memory.h"

namespace llmrt::scheduler {

// How often an episode came to each place worth coming to.
struct EpisodeCounts {
  int64_t steps = 0;
  int64_t steps_with_work = 0;
  int64_t rows = 0;
  int64_t validations = 0;  // of everything
  int64_t turns = 0;
  int64_t finished = 0;
  int64_t preemptions = 0;
  int64_t evictions = 0;
  int64_t recomputed = 0;
  int64_t copies = 0;
  int64_t seizures = 0;
  int64_t forks = 0;
  int64_t rewinds = 0;
  int64_t cancels = 0;
  int64_t destroys = 0;
  int64_t drops = 0;
  int64_t trims = 0;
  int64_t rollbacks = 0;
  int64_t pauses = 0;
  int64_t scored_rows = 0;
  int64_t longest_wait = 0;  // steps

  void Add(const EpisodeCounts& other);
};

class Simulator {
 public:
  explicit Simulator(const EpisodeOptions& options);

  // One whole episode. INTERNAL with the first violation and the step that it was found in.
  absl::Status Run();
  const EpisodeCounts& counts() const { return counts_; }

 private:
  enum class Activity : uint8_t { kResting, kInLine, kPaused };

  struct Session : Request {
    kv::Sequence cached;
    std::vector<uint32_t> tokens;  // each one's own name; a fork has its parent's
    Activity activity = Activity::kResting;
    int64_t outputs_left = 0;  // of the stream in flight
    int64_t turns_left = 0;
    int64_t wakes_at = 0;     // the step of its next turn, or of its resumption
    int64_t scored_from = 0;  // rows from here on still owe their logits
    // While it waits in line: the count of useful steps that it was put there at, and how many more
    // of them may pass.
    bool waits = false;
    int64_t waits_since = 0;
    int64_t wait_bound = 0;
    int64_t preemptions_seen = 0;
  };

  // What the hosts do; simulator_hosts.cc.
  void CallHosts();
  void CallHostsInsideStep();
  void CallAtRandom(int64_t cancels, int64_t destroys, int64_t forks, int64_t rewinds);
  void Arrive();
  Session& AddSession();
  void WakeSessions();
  void StartTurn(Session& session);
  void Join(Session& session);  // the line
  void Leave(Session& session, Activity activity, int64_t steps_away);
  void Destroy(size_t index);
  void Fork(const Session& parent);
  void Rewind(Session& session);
  void EndAll();

  // One step; simulator_step.cc.
  void Step();
  void TrimAtRandom();
  // Runs what is planned, or with `garbage` writes tokens that nobody knows, as a step does that
  // fails half way.
  void RunOnDevice(bool garbage);
  void CopyBlocks(absl::Span<const Assignment> plan);
  void WriteRows(const Assignment& assignment, bool garbage);
  void CommitStep();
  void Deliver(const Assignment& assignment);
  void Draw(Session& session);

  // The checks; simulator_checks.cc.
  void Check(bool holds, const char* what, int64_t value = 0);
  void Check(const absl::Status& status);
  void CheckPlan(int64_t prefill_rows);
  void CheckAssignment(const Assignment& assignment);
  void CheckWhoRuns();
  void CheckSeizures();
  // After each operation: everything where it costs little, else everything each so many operations
  // and the pool's counts in between.
  void Validate(bool inside_step);
  void ValidateAll(bool inside_step);
  void ValidateContents();
  int64_t StepsNeeded(const Session& session) const;
  void ExpectWait(Session& session, size_t ahead);

  int64_t PlannedIndex(const Session& session) const;
  static Session& SessionOf(const Assignment& assignment) {
    return static_cast<Session&>(*assignment.request);
  }
  Session& SessionInLine(size_t i) { return static_cast<Session&>(*scheduler_.line()[i]); }
  bool Mistaken(Mistake mistake) const { return options_.mistake == mistake; }

  const EpisodeOptions options_;
  SimulatorRandom random_;
  kv::PagedCache cache_;
  Scheduler scheduler_;
  SimulatedMemory memory_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<Session>> forgotten_;  // by a mistake
  EpisodeCounts counts_;
  absl::Status status_;
  bool draining_ = false;  // no new work
  uint32_t next_token_ = 1;
  // Committed steps in which the oldest request had all the rows that the scheduler gave it.
  int64_t useful_steps_ = 0;
  int64_t preemptions_seen_ = 0;
  int64_t operations_ = 0;
  int64_t operations_per_validation_ = 1;
  // Used anew in each step or check.
  std::vector<Request*> line_before_;
  std::vector<Request*> at_risk_;  // run, and would write into a block of others
  std::vector<int32_t> filled_;
  std::vector<const kv::Sequence*> sequences_;
};

}  // namespace llmrt::scheduler
