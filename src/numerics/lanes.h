// The order of float sums on the CPU (NUMERICS E): 16 virtual lanes and one fixed tree, the same in
// every tier. AVX-512 holds the lanes in one register, AVX2 in two (lanes 0-7 and 8-15), NEON in
// four; the portable code in an array.
#pragma once

#include <cstdint>

#include "numerics/host_device.h"

namespace llmrt::numerics {

inline constexpr int kLanes = 16;

// THE tree. It halves: lane i takes lane i + 8, then i + 4, i + 2, i + 1, so that each step is one
// addition of the upper half of a register to its lower half:
//   s8[i] = l[i] + l[i + 8]    i < 8
//   s4[i] = s8[i] + s8[i + 4]  i < 4
//   s2[i] = s4[i] + s4[i + 2]  i < 2
//   sum   = s2[0] + s2[1]
LLMRT_HOST_DEVICE inline float TreeSum16(const float lanes[kLanes]) {
  float s[8];
  for (int i = 0; i < 8; ++i) s[i] = lanes[i] + lanes[i + 8];
  for (int half = 4; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) s[i] = s[i] + s[i + half];
  }
  return s[0];
}

// The same tree for maxima; the order does not matter for numbers, and NaN must have been excluded.
LLMRT_HOST_DEVICE inline float TreeMax16(const float lanes[kLanes]) {
  float m = lanes[0];
  for (int i = 1; i < kLanes; ++i) m = m < lanes[i] ? lanes[i] : m;
  return m;
}

// sum a[k] b[k]: lane j takes k = j, j + 16, ... ascending, each by one fma from +0; then the tree.
// If n is no multiple of 16 the last group is padded with zeros, and the padded lanes do their
// fma(0, 0, lane) as well: it keeps a lane's value, except that it turns -0 into +0, so tiers must
// not skip it.
LLMRT_HOST_DEVICE inline float DotLanes(const float* a, const float* b, int64_t n) {
  float lanes[kLanes] = {};
  for (int64_t k = 0; k < n; k += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const bool inside = k + j < n;
      lanes[j] = Fma(inside ? a[k + j] : 0.0f, inside ? b[k + j] : 0.0f, lanes[j]);
    }
  }
  return TreeSum16(lanes);
}

}  // namespace llmrt::numerics
