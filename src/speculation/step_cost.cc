#include "speculation/step_cost.h"

#include <algorithm>
#include <utility>

#include "memory/counted_heap.h"

namespace llmrt::speculation {
namespace {

// Weights of the newest step, for the whole curve and for its shape.
constexpr double kNewestScale = 0.2;
constexpr double kNewestShape = 0.1;

// A step says at most that all is this much dearer or cheaper: a thread that lost its core for a
// while says nothing about rows.
constexpr double kChangeMax = 2.0;
constexpr double kShapeChangeMax = 1.25;

void MakeAscending(std::vector<double>& values) {
  for (size_t i = 1; i < values.size(); ++i) values[i] = std::max(values[i], values[i - 1]);
}

}  // namespace

int64_t StepCost::InTiles(int64_t rows) {
  if (rows <= 2) return rows;
  return rows <= 8 ? (rows + 1) / 2 * 2 : (rows + 3) / 4 * 4;
}

std::vector<int64_t> StepCost::RowsToFollow(int64_t rows_max) {
  constexpr int64_t kRows[kFollowedCount] = {1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};
  std::vector<int64_t> rows;
  rows.reserve(kFollowedCount);
  for (const int64_t count : kRows) {
    rows.push_back(std::min(count, std::max<int64_t>(1, rows_max)));
    if (count >= rows_max) break;
  }
  return rows;
}

int64_t StepCost::HeapBytes() {
  return memory::HeapBytesOf(kFollowedCount * int64_t{sizeof(int64_t)}) +
         memory::HeapBytesOf(kFollowedCount * int64_t{sizeof(double)});
}

StepCost::StepCost(std::vector<int64_t> rows, std::vector<double> us)
    : rows_(std::move(rows)), shape_(std::move(us)) {
  MakeAscending(shape_);
  // From half as many rows on: one measurement that went wrong says little then.
  const size_t last = shape_.size() - 1, half = last - std::min<size_t>(last, 2);
  double slope = shape_[last] / static_cast<double>(rows_[last]);
  if (last > 0)
    slope = (shape_[last] - shape_[half]) / static_cast<double>(rows_[last] - rows_[half]);
  shape_.reserve(rows_.size());
  for (size_t i = last + 1; i < rows_.size(); ++i) {
    shape_.push_back(shape_[last] + slope * static_cast<double>(rows_[i] - rows_[last]));
  }
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
  shape_[i] *= 1 + kNewestShape * (std::clamp(ratio, 1 / kShapeChangeMax, kShapeChangeMax) - 1);
  // Those below and above give way.
  for (size_t j = i; j > 0; --j) shape_[j - 1] = std::min(shape_[j - 1], shape_[j]);
  for (size_t j = i + 1; j < shape_.size(); ++j) shape_[j] = std::max(shape_[j], shape_[j - 1]);
}

}  // namespace llmrt::speculation
