#include "model/slice_sizer.h"

#include <algorithm>

namespace llmrt::model {
namespace {

// Before the first measurement: a core does 10 to 50 multiply-adds in a nanosecond, so the first
// slices come out too short, not too long.
constexpr double kFirstRatePerThread = 4.0;

// One slice says at most this much: a thread that lost its core for a few milliseconds looks like
// work that is a hundred times dearer.
constexpr double kChangeMax = 4.0;

// Weights of the newest measurement. Slices shorten faster than they grow.
constexpr double kWeightOfSlower = 0.5;
constexpr double kWeightOfFaster = 0.25;

}  // namespace

SliceSizer::SliceSizer(int num_kinds, int64_t threads)
    : rates_(static_cast<size_t>(num_kinds), kFirstRatePerThread * static_cast<double>(threads)) {}

int64_t SliceSizer::CostFor(int kind, int64_t target_ns) const {
  // Far below 2^63: targets are seconds at most, and rates come from costs that fit.
  const double cost = rates_[static_cast<size_t>(kind)] * static_cast<double>(target_ns);
  return static_cast<int64_t>(std::clamp(cost, 1.0, 0x1p60));
}

void SliceSizer::Record(int kind, int64_t cost, int64_t elapsed_ns) {
  double& rate = rates_[static_cast<size_t>(kind)];
  const double seen = static_cast<double>(std::max<int64_t>(1, cost)) /
                      static_cast<double>(std::max<int64_t>(1, elapsed_ns));
  const double bounded = std::clamp(seen, rate / kChangeMax, rate * kChangeMax);
  rate += (bounded - rate) * (bounded < rate ? kWeightOfSlower : kWeightOfFaster);
}

}  // namespace llmrt::model
