#include "engine/measure_step_cost.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <vector>

#include "backend/backend.h"

namespace llmrt::engine {
namespace {

// One sequence from position 0: a token in each of `rows` rows.
class MeasuredStep {
 public:
  MeasuredStep(int64_t rows, int64_t block_size)
      : tokens_(static_cast<size_t>(rows)),
        positions_(tokens_.size()),
        sequences_(tokens_.size()),
        blocks_(static_cast<size_t>((rows + block_size - 1) / block_size)),
        table_(blocks_) {
    std::iota(positions_.begin(), positions_.end(), 0);
    std::iota(blocks_.begin(), blocks_.end(), 0);
  }

  // Microseconds.
  absl::StatusOr<double> Run(model::ForwardPass& pass, absl::FunctionRef<bool()> stop) {
    using Clock = std::chrono::steady_clock;
    const backend::Batch batch = {.tokens = tokens_,
                                  .positions = positions_,
                                  .sequences = sequences_,
                                  .block_tables = {&table_, 1}};
    const Clock::time_point start = Clock::now();
    absl::Status status = pass.Begin(batch, positions_);  // every row gives logits
    if (!status.ok()) return status;
    const absl::StatusOr<bool> done = pass.AdvanceTimed(kSliceUs, stop);
    if (!done.ok()) return done.status();
    if (!*done) {
      pass.Abandon();
      return absl::CancelledError("the load was cancelled");
    }
    // A device is waited for.
    const absl::StatusOr<absl::Span<const float>> logits = pass.Logits(0);
    if (!logits.ok()) return logits.status();
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }

 private:
  static constexpr int64_t kSliceUs = 1000;

  std::vector<int32_t> tokens_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> sequences_;
  std::vector<int32_t> blocks_;
  absl::Span<const int32_t> table_;
};

}  // namespace

absl::StatusOr<speculation::StepCost> MeasureStepCost(model::ForwardPass& pass,
                                                      const MeasuredSteps& steps,
                                                      absl::FunctionRef<bool()> stop) {
  const int64_t positions = std::min(steps.kv_blocks * steps.block_size, steps.context_length);
  std::vector<int64_t> rows = speculation::StepCost::RowsToFollow(steps.rows_max);
  std::vector<double> us;
  us.reserve(rows.size());
  for (const int64_t count : rows) {
    if (!us.empty() && count > std::min(positions, speculation::StepCost::kMeasuredMax)) break;
    MeasuredStep step(count, steps.block_size);
    // The first run of the first one warms up; afterwards one is enough: engines follow what their
    // steps really take.
    for (int run = us.empty() ? 0 : 1; run < 2; ++run) {
      const absl::StatusOr<double> taken = step.Run(pass, stop);
      if (!taken.ok()) return taken.status();
      if (run == 1) us.push_back(*taken);
    }
  }
  return speculation::StepCost(std::move(rows), std::move(us));
}

}  // namespace llmrt::engine
