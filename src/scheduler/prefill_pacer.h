// How many rows of prompts a step may hold while other streams decode, so that these get their next
// token about as often as the host asks. Learns what rows cost from the steps that were run.
//
// A step of d decode rows and p prompt rows takes about decode_us + p * row_us: decoding waits for
// the weights to be read, which hardly depends on d; prompt rows are arithmetic.
#pragma once

#include <cstdint>

namespace llmrt::scheduler {

class PrefillPacer {
 public:
  // `target_us` between two tokens of a stream; 0: prompts take all of a step's `rows_max` rows.
  PrefillPacer(int64_t target_us, int64_t rows_max) : target_us_(target_us), rows_max_(rows_max) {}

  void Observe(int64_t decode_rows, int64_t prefill_rows, double step_us);
  // At least kPrefillRowsMin: prompts move even where the target cannot be met.
  int64_t PrefillRows() const;
  // Of `us` microseconds, how many prompt rows they hold; rows_max where nothing is known yet.
  int64_t RowsIn(double us) const;
  int64_t target_us() const { return target_us_; }
  double row_us() const { return row_us_; }

 private:
  const int64_t target_us_;
  const int64_t rows_max_;
  double decode_us_ = 0;  // 0: not known yet, as for the next
  double row_us_ = 0;
};

}  // namespace llmrt::scheduler
