// How long a step takes as a function of its rows. Measured once for a few numbers of rows, then
// followed: a machine that becomes slower moves the whole curve at once, its shape slowly.
//
// No clock of its own. Where drafts are spent changes no bit of what is said, so neither does what
// is learned here.
#pragma once

#include <cstdint>
#include <vector>

namespace llmrt::speculation {

class StepCost {
 public:
  // Numbers of rows to measure for steps of up to `rows_max`: 1 to 4, then about half as many more
  // each time, as kernels change their ways at small numbers.
  static std::vector<int64_t> RowsToMeasure(int64_t rows_max);

  // `rows` as above, ascending, `us` what each took; both of one length, at least 1. More rows
  // never count as cheaper than fewer.
  StepCost(std::vector<int64_t> rows, std::vector<double> us);

  // Between what was measured by straight lines, beyond it by the last one's slope.
  double Us(int64_t rows) const;
  // A step of `rows` took `us`.
  void Observe(int64_t rows, double us);

 private:
  double ShapeAt(int64_t rows) const;

  const std::vector<int64_t> rows_;
  std::vector<double> shape_;  // by index in rows_, ascending; microseconds when scale_ is 1
  double scale_ = 1;
};

}  // namespace llmrt::speculation
