// The drafts of a step: how many tokens are guessed for which stream, and what they are. Policy and
// drafters come from speculation; this is where they meet the scheduler's plan and the streams.
//
// Welcome, Plan, Leave, Learn and Clear are called with the core's lock held, Prepare and Run
// without it. None allocates, but for the log's records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "engine/active_stream.h"
#include "engine/log_ring.h"
#include "scheduler/scheduler.h"
#include "speculation/draft_policy.h"
#include "speculation/drafter.h"
#include "speculation/host_drafter.h"
#include "speculation/lookup_drafter.h"
#include "speculation/step_cost.h"

namespace llmrt::engine {

class Drafting {
 public:
  // For up to `streams_max` streams in a step. `cost` was measured on this machine.
  Drafting(int64_t streams_max, int32_t vocab_size, speculation::StepCost cost, LogRing& log);
  static int64_t HeapBytes(int64_t streams_max);

  // A stream that was submitted.
  void Welcome(ActiveStream& stream);

  // Gives the planned step rows for drafts, as many as pay.
  void Plan(scheduler::Scheduler& scheduler);
  // Reads what a stream in the step has said, so that the next plan need not.
  void Prepare(ActiveStream& stream);
  // Drafts for all of them; false: `stop` said so.
  bool Run(absl::FunctionRef<bool()> stop);

  // By index of the scheduler's assignment when the step was planned; -1: it drafts nothing.
  int64_t TaskOf(size_t assignment) const { return task_of_[assignment]; }
  absl::Span<const int32_t> TokensOf(int64_t task) const;
  // The stream has left the step.
  void Leave(int64_t task) { tasks_[static_cast<size_t>(task)].owner = nullptr; }
  // The first `kept` of its drafts were right.
  void Learn(int64_t task, int64_t kept);
  // A step of so many rows, none of them of a prompt, took this long.
  void LearnCost(int64_t rows, double us) { cost_.Observe(rows, us); }
  void Clear() { tasks_.clear(); }

  // Of the step so far.
  double draft_us() const { return draft_us_; }

 private:
  static constexpr size_t kDrafters = 2;

  // Drafters by what they offer a stream, the best first.
  struct Offers {
    std::array<speculation::Offer, kDrafters> offer;
    std::array<speculation::Drafter*, kDrafters> drafter = {};
    size_t count = 0;
  };
  struct Task {
    ActiveStream* owner = nullptr;  // null: it has left
    Offers offers;
    size_t turn = 0;  // whose offer is taken up
    speculation::DraftTask draft;
    bool settled() const { return owner == nullptr || draft.drafted > 0 || turn == offers.count; }
  };

  Offers OffersFor(ActiveStream& stream, const speculation::PlainStep& step, int64_t length_max);
  // Lets `drafter` draft for those whose turn it has; false: `stop` said so.
  bool RunDrafter(speculation::Drafter& drafter, absl::FunctionRef<bool()> stop);
  void EndTurn(Task& task);

  speculation::StepCost cost_;
  speculation::DraftPolicy policy_;
  speculation::LookupDrafter lookup_;
  speculation::HostDrafter host_;
  LogRing& log_;
  std::vector<Task> tasks_;
  std::vector<speculation::DraftCandidate> candidates_;  // as tasks_ while planning
  std::vector<speculation::DraftTask*> round_;           // of one drafter
  std::vector<int64_t> task_of_;                         // by assignment
  double draft_us_ = 0;
};

}  // namespace llmrt::engine
