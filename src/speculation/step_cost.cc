#include "speculation/step_cost.h"

#include <algorithm>
#include <utility>

#include "memory/counted_heap.h"

namespace llmrt::speculation {
namespace {

// Weights of the newest step, for the whole curve and for its shape.
constexpr double kNewestScale = 0.2;
constexpr double kNewestShape = 0.02;

// A step says at most that all is this much dearer or cheaper: a thread that lost its core for a
// while says nothing about rows.
constexpr double kChangeMax = 2.0;

void MakeAscending(std::vector<double>& values) {
  for (size_t i = 1; i < values.size(); ++i) values[i] = std::max(values[i], values[i - 1]);
}

}  // namespace

int64_t StepCost::InTiles(int64_t rows) {
  if (rows <= 2) return rows;
  return rows <= 8 ? (rows + 1) / 2 * 2 : (rows + 3) / 4 * 4;
}

std::vector<int64_t> StepCost::RowsToMeasure(int64_t rows_max) {
  std::vector<int64_t> rows;
  for (const int64_t count : {int64_t{1}, int64_t{2}, int64_t{4}, int64_t{6}, int64_t{8},
                              int64_t{12}, int64_t{16}, int64_t{24}, kMeasuredMax}) {
    rows.push_back(std::min(count, std::max<int64_t>(1, rows_max)));
    if (count >= rows_max) break;
  }
  return rows;
}

int64_t StepCost::HeapBytes(int64_t rows_max) {
  const auto count = static_cast<int64_t>(RowsToMeasure(rows_max).size());
  return memory::HeapBytesOf(count * int64_t{sizeof(int64_t)}) +
         memory::HeapBytesOf(count * int64_t{sizeof(double)});
}

StepCost::StepCost(std::vector<int64_t> rows, std::vector<double> us)
    : rows_(std::move(rows)), shape_(std::move(us)) {
  MakeAscending(shape_);
}

double StepCost::ShapeAt(int64_t rows) const {
  if (rows <= rows_.front()) return shape_.front();
  if (rows_.size() == 1) {
    return shape_.front() * static_cast<double>(rows) / static_cast<double>(rows_.front());
  }
  const auto at_least = std::lower_bound(rows_.begin(), rows_.end(), rows);
  const size_t i = std::min(static_cast<size_t>(at_least - rows_.begin()), rows_.size() - 1);
  const double slope = (shape_[i] - shape_[i - 1]) / static_cast<double>(rows_[i] - rows_[i - 1]);
  return shape_[i - 1] + slope * static_cast<double>(rows - rows_[i - 1]);
}

double StepCost::Us(int64_t rows) const {
  // The last tile that was measured may have been a short one.
  const bool measured = rows <= rows_.back();
  return scale_ * ShapeAt(measured ? std::min(InTiles(rows), rows_.back()) : InTiles(rows));
}

void StepCost::Observe(int64_t rows, double us) {
  const double expected = Us(rows);
  if (!(expected > 0) || !(us > 0)) return;
  const double ratio = std::clamp(us / expected, 1 / kChangeMax, kChangeMax);
  scale_ *= 1 + kNewestScale * (ratio - 1);
  // The nearest number of rows that was measured; what all of them share is in the scale.
  const auto at_least = std::lower_bound(rows_.begin(), rows_.end(), rows);
  auto i = static_cast<size_t>(at_least - rows_.begin());
  if (i == rows_.size() || (i > 0 && rows - rows_[i - 1] < rows_[i] - rows)) --i;
  shape_[i] *= 1 + kNewestShape * (ratio - 1);
  // Those below and above give way.
  for (size_t j = i; j > 0; --j) shape_[j - 1] = std::min(shape_[j - 1], shape_[j]);
  for (size_t j = i + 1; j < shape_.size(); ++j) shape_[j] = std::max(shape_[j], shape_[j - 1]);
}

}  // namespace llmrt::speculation
