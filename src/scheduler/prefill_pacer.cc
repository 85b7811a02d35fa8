#include "scheduler/prefill_pacer.h"

#include <algorithm>

#include "scheduler/scheduler.h"

namespace llmrt::scheduler {
namespace {

// Weight of the newest step: the average follows a machine that becomes busy within ten steps.
constexpr double kNewest = 0.2;

// Chunks shorter than this are dominated by reading the weights and say little about a row.
constexpr int64_t kTellingRows = 8;

void Average(double& average, double value) {
  average = average == 0 ? value : average + kNewest * (value - average);
}

}  // namespace

void PrefillPacer::Observe(int64_t decode_rows, int64_t prefill_rows, double step_us) {
  if (decode_rows > 0 && prefill_rows == 0) {
    Average(decode_us_, step_us);
  } else if (decode_rows > 0 && step_us < decode_us_) {
    // Decoding takes no longer than the whole step. Without this a machine that was busy once would
    // count as busy until a step without prompts comes, and a row of a prompt as free of cost.
    decode_us_ = step_us;
  } else if (prefill_rows >= kTellingRows) {
    const double for_prompts = step_us - (decode_rows > 0 ? decode_us_ : 0);
    Average(row_us_, std::max(0.0, for_prompts) / static_cast<double>(prefill_rows));
  }
}

int64_t PrefillPacer::RowsIn(double us) const {
  if (row_us_ <= 0) return rows_max_;
  return static_cast<int64_t>(std::clamp(us / row_us_, 0.0, static_cast<double>(rows_max_)));
}

int64_t PrefillPacer::PrefillRows() const {
  if (target_us_ == 0) return rows_max_;
  const int64_t least = std::min(kPrefillRowsMin, rows_max_);
  if (row_us_ <= 0) return least;
  return std::max(least, RowsIn(static_cast<double>(target_us_) - decode_us_));
}

}  // namespace llmrt::scheduler
