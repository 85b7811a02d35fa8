// One step in flight, as a transaction: plan it and reserve what it needs, run it, commit it. Until
// the commit no session has changed, so a step that fails, or that nobody wants any more, is simply
// dropped; and a stream that is cancelled leaves it between two slices, rows, blocks and all.
//
// A stream that waits for its next token has one row, and behind it one for each token that was
// drafted for it. The rows draw in their order, each as if the tokens before it had been said; the
// first draw that differs from its draft is the last that counts, and the rows behind it are
// undone.
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
  int64_t drafted = 0;
  int64_t accepted = 0;
};

class Step {
 public:
  // All storage that a step needs is reserved here.
  explicit Step(Resources& resources);
  // What the constructor takes and planning grows to, for plans.
  static int64_t HeapBytes(const model::StepLimits& limits, int64_t running_max);

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
  // And drafters.
  double draft_us() const;

 private:
  enum class Phase { kIdle, kDraft, kCopy, kPass, kDraw, kDrawn };

  struct Item {
    ActiveStream* owner = nullptr;
    int64_t first = 0;       // position of its first row
    int64_t count = 0;       // rows
    int64_t row = 0;         // its first one in the batch
    int32_t table = 0;       // its block table's index in the batch
    int64_t logit_row = -1;  // of its first row with logits, index among the step's logit rows
    int64_t logit_count = 0;
    bool draws = false;      // its last row gives a token; with drafts, the last 1 + drafted
    int64_t drafted = 0;     // of its rows, the last ones, whose tokens are drafts
    int64_t task = -1;       // that they come from, as Drafting counts
    int64_t logit_done = 0;  // logits that were made use of
    int64_t request = -1;    // its first draw on the device, index among the step's
    int64_t draw = 0;        // its first one, index in results_
    int64_t drawn = 0;       // draws that count
    absl::Status status;     // of the draw that failed
    int64_t scored() const { return logit_count - (draws ? 1 + drafted : 0); }
  };

  void AddItem(const scheduler::Assignment& assignment);
  void ClearBatch();
  void SetBatch();
  // Asks the device for the draws that it can do.
  void SetDraws();
  absl::Status TakeDrawn();
  // Fills the rows of drafts and gives up those that were not made; false: `stop` said so.
  bool Draft(absl::FunctionRef<bool()> stop);
  void TakeDrafts(Item& item);
  absl::Status BeginPass();
  absl::StatusOr<bool> CopySharedBlocks(absl::FunctionRef<bool()> stop);
  // Takes the rows that have left out of the arrays and the pass.
  absl::Status RemoveRows();
  void CloseUp(const backend::Range& rows);
  bool InFinalOps() const;
  // Makes use of one more row of logits; true when the item has no more to use.
  bool DrawOne(Item& item);
  void ScoreOne(Item& item);
  bool DrawNext(Item& item);
  absl::Status DrawOnHost(const Item& item, sampling::Draw* draw);
  // What the host wants said in place of what was drawn.
  absl::Status Force(const Item& item, sampling::Draw* draw);
  // Its drafts, of which the first `count`.
  absl::Span<const int32_t> DraftsOf(const Item& item, int64_t count) const;
  // Returns how many of the item's rows keep their KV.
  int64_t CommitItem(Item& item, StepCounts& counts);
  int64_t CommitDraws(Item& item, StepCounts& counts);
  void ForgetDraws();
  void CommitToken(Item& item, sampling::Draw draw, bool drafted);

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
  std::vector<sampling::Draw> results_;      // of all draws, by item
  int64_t num_results_ = 0;                  // those that the items have
  std::vector<backend::BlockCopy> copies_;
  backend::Batch batch_;
  // Rows that left the step since the last slice, the last ones first. They are taken out by Run,
  // without the lock: moving what lies behind them takes a while.
  std::vector<backend::Range> removals_;
};

}  // namespace llmrt::engine
