// Percentiles of a set of measurements.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace llmrt::cli {

// The value below which a share of `fraction` (0 to 1) lies, between neighbours in proportion.
// `sorted` ascends and is not empty.
inline double Percentile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const size_t below = std::min(static_cast<size_t>(place), sorted.size() - 1);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace llmrt::cli
