// One step in flight, as a transaction: plan it and reserve what it needs, run it, commit it. Until
// the commit no session has changed, so a step that fails, or that nobody wants any more, is simply
// dropped.
//
// Plan and Commit are called with the core's lock held, Run without it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "engine/resources.h"
#include "engine/session_state.h"
#include "engine/stream_state.h"
#include "scheduler/step_planner.h"

namespace llmrt::engine {

// A stream in flight and the session that it runs on.
struct ActiveStream {
  std::shared_ptr<StreamState> stream;
  std::shared_ptr<SessionState> session;
};

struct StepCounts {
  int64_t prefilled = 0;  // prompt tokens whose KV was written
  int64_t generated = 0;
};

class Step {
 public:
  // All storage that a step needs is reserved here.
  explicit Step(Resources& resources);

  bool in_flight() const { return !items_.empty(); }

  // Picks work and reserves its blocks. A stream whose blocks cannot be had is finished with the
  // error. False: there is nothing to run.
  absl::StatusOr<bool> Plan(absl::Span<const ActiveStream> active);

  // Runs slices until `stop` says so; true when the step has been computed and its tokens are
  // drawn.
  absl::StatusOr<bool> Run(int64_t slice_cost, absl::FunctionRef<bool()> stop);

  // Hands the results to sessions and streams. Streams that are over are finished.
  StepCounts Commit();

  // Ends every stream of the step with `status`, and drops it.
  void Fail(const absl::Status& status);
  // Drops the step; its streams go on as if it had never been planned.
  void Abandon();

  // Every stream of the step was cancelled.
  bool Unwanted() const;

 private:
  struct Item {
    ActiveStream owner;
    int64_t first = 0;       // position of its first row
    int64_t count = 0;       // rows
    int64_t logit_row = -1;  // of its first row with logits, index among the step's logit rows
    int64_t logit_count = 0;
    bool draws = false;  // its last row gives a token
    sampling::Draw draw;
    absl::Status status;  // of the draw
  };

  bool AddItem(const ActiveStream& active, int64_t count);
  absl::Status ReserveBlocks(const ActiveStream& active, int64_t num_tokens);
  void AddRows(Item& item);
  void Draw(Item& item);
  void CommitItem(Item& item, StepCounts& counts);
  void CommitToken(Item& item);

  Resources& resources_;
  std::vector<Item> items_;
  bool computed_ = false;
  // The batch's arrays.
  std::vector<int32_t> tokens_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> sequences_;
  std::vector<absl::Span<const int32_t>> tables_;
  std::vector<int32_t> logit_rows_;
  backend::Batch batch_;
  // The planner's arrays.
  std::vector<scheduler::Candidate> candidates_;
  std::vector<const ActiveStream*> candidate_streams_;
  std::vector<scheduler::Assignment> assignments_;
};

}  // namespace llmrt::engine
