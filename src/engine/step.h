// One step in flight, as a transaction: plan it and reserve what it needs, run it, commit it. Until
// the commit no session has changed, so a step that fails, or that nobody wants any more, is simply
// dropped; and a stream that is cancelled leaves it between two slices, rows, blocks and all.
//
// Plan, DropCancelled, TrimPrompts, Commit, Fail and Abandon are called with the core's lock held,
// Run without it. None allocates memory but what a stream's own results take, which fails that
// stream alone.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "engine/active_stream.h"
#include "engine/resources.h"
#include "sampling/sampler.h"

namespace llmrt::engine {

struct StepCounts {
  int64_t prefilled = 0;  // prompt tokens whose KV was written
  int64_t generated = 0;
};

class Step {
 public:
  // All storage that a step needs is reserved here.
  explicit Step(Resources& resources);
  // What the constructor takes and planning grows to, for plans.
  static int64_t HeapBytes(const model::StepLimits& limits);

  bool in_flight() const { return phase_ != Phase::kIdle; }

  // Picks work and reserves its blocks; `prefill_rows` as in Scheduler::Plan. False: nothing can
  // run.
  absl::StatusOr<bool> Plan(int64_t prefill_rows);

  // Runs slices of about `slice_us` microseconds (0: the smallest there are) until `stop` says so;
  // true when the step has been computed and its tokens are drawn.
  absl::StatusOr<bool> Run(int64_t slice_us, absl::FunctionRef<bool()> stop);

  // Hands the results to sessions and streams. Streams that are over are finished.
  StepCounts Commit();

  // Ends every stream of the step with `status`, and drops it.
  void Fail(const absl::Status& status);
  // Drops the step; its streams go on as if it had never been planned.
  void Abandon();

  // Cancelled streams leave the step and are finished; the others do not notice.
  void DropCancelled();
  // Of prompts that are being computed, keeps at most `rows` rows in all (but kOldestRowsMin of
  // the oldest, one of the others): the rest comes in a later step.
  void TrimPrompts(int64_t rows);

  int64_t decode_rows() const;
  int64_t prompt_rows() const { return num_rows() - decode_rows(); }
  int64_t num_rows() const { return static_cast<int64_t>(tokens_.size()); }
  // How much of the forward pass is done, 0 to 1.
  double Progress() const;
  // No row has left it.
  bool whole() const { return whole_; }
  // Of the step so far, microseconds that the forward pass and the draws took.
  double pass_us() const { return pass_us_; }
  double draw_us() const { return draw_us_; }

 private:
  enum class Phase { kIdle, kBegin, kCopy, kPass, kDraw, kDrawn };

  struct Item {
    ActiveStream* owner = nullptr;
    int64_t first = 0;       // position of its first row
    int64_t count = 0;       // rows
    int64_t row = 0;         // its first one in the batch
    int32_t table = 0;       // its block table's index in the batch
    int64_t logit_row = -1;  // of its first row with logits, index among the step's logit rows
    int64_t logit_count = 0;
    bool draws = false;      // its last row gives a token
    int64_t logit_done = 0;  // logits that were made use of
    int64_t request = -1;    // its draw on the device, index among the step's
    sampling::Draw draw;
    absl::Status status;  // of the draw
  };

  void AddItem(const scheduler::Assignment& assignment);
  void ClearBatch();
  void SetBatch();
  // Asks the device for the draws that it can do.
  void SetDraws();
  absl::Status TakeDrawn();
  absl::Status BeginPass();
  absl::StatusOr<bool> CopySharedBlocks(absl::FunctionRef<bool()> stop);
  // Takes the rows that have left out of the arrays and the pass.
  absl::Status RemoveRows();
  void CloseUp(const backend::Range& rows);
  bool InFinalOps() const;
  // Makes use of one more row of logits; true when the item has no more.
  bool DrawOne(Item& item);
  void ScoreOne(Item& item, int64_t scored);
  absl::Status DrawOnHost(Item& item);
  void CommitItem(Item& item, StepCounts& counts);
  void CommitToken(Item& item);

  Resources& resources_;
  Phase phase_ = Phase::kIdle;
  std::vector<Item> items_;  // as the scheduler's assignments
  size_t next_copy_ = 0;
  size_t next_draw_ = 0;
  bool whole_ = true;
  double pass_us_ = 0;
  double draw_us_ = 0;
  // The batch's arrays.
  std::vector<int32_t> tokens_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> sequences_;
  std::vector<absl::Span<const int32_t>> tables_;
  std::vector<int32_t> logit_rows_;
  std::vector<backend::DrawRequest> draws_;  // on the device
  std::vector<int32_t> drawn_;               // their tokens
  std::vector<backend::BlockCopy> copies_;
  backend::Batch batch_;
  // Rows that left the step since the last slice, the last ones first. They are taken out by Run,
  // without the lock: moving what lies behind them takes a while.
  std::vector<backend::Range> removals_;
};

}  // namespace llmrt::engine
