// How long a step takes as a function of its rows. Measured once for a few numbers of rows, then
// followed: a machine that becomes slower moves the whole curve at once, its shape slowly.
//
// Kernels compute rows in tiles, so the curve is a staircase: a row that opens a tile costs as much
// as all of it, and those that fill it cost nothing.
//
// No clock of its own. Where drafts are spent changes no bit of what is said, so neither does what
// is learned here.
#pragma once

#include <cstdint>
#include <vector>

namespace llmrt::speculation {

class StepCost {
 public:
  // The rows of the tiles that `rows` rows fill or begin: pairs up to 8 rows, fours behind.
  static int64_t InTiles(int64_t rows);

  // Numbers of rows that are followed, for steps of up to `rows_max`: all that tiles come to at
  // first, then about half as many more each time. Those up to kMeasuredMax are to be measured;
  // what more rows cost is found out when they are used.
  static std::vector<int64_t> RowsToFollow(int64_t rows_max);
  static constexpr int64_t kMeasuredMax = 32;

  // Of one for these, for plans: at most so many.
  static constexpr int64_t kFollowedCount = 13;
  static int64_t HeapBytes();

  // `rows` as above, ascending, `us` what each took, or the first ones of them, at least one; the
  // others begin as the slope of the measured ones' upper half has it. More rows never count as
  // cheaper than fewer.
  StepCost(std::vector<int64_t> rows, std::vector<double> us);

  // Between followed numbers of whole tiles by straight lines, beyond the last by its slope.
  double Us(int64_t rows) const;
  // A step of `rows` took `us`.
  void Observe(int64_t rows, double us);

 private:
  double ShapeAt(int64_t rows) const;

  std::vector<int64_t> rows_;
  std::vector<double> shape_;  // by index in rows_, ascending; microseconds when scale_ is 1
  double scale_ = 1;
};

}  // namespace llmrt::speculation
