// Kernels that ask a GPU what it does: arguments and shapes.
#pragma once

#include "cuda/kernels/step_view.h"

namespace llmrt::gpu {

// Does nothing. EmptyDependentKernel waits for the grids before it and lets the ones after it start
// early (programmatic dependent launch), which older GPUs ignore.
struct EmptyArgs {
  uint32_t* never;  // null
};

// d = c + A B for `count` cases, one a warp, by one matrix instruction each.
struct MatrixProbeArgs {
  const uint16_t* a;  // [count][16][16]
  const uint16_t* b;  // [count][8][16]: B by columns
  const float* c;     // [count][16][8]
  float* d;           // [count][16][8]
  int32_t count;
  int32_t bfloat;  // 0: float16
};
inline constexpr uint32_t kMatrixProbeThreads = 128;
constexpr cuda::LaunchShape MatrixProbeShape(int32_t count) {
  return {
      .grid_x = (static_cast<uint32_t>(count) * 32 + kMatrixProbeThreads - 1) / kMatrixProbeThreads,
      .threads = kMatrixProbeThreads};
}

// The functions whose bits host and device must share.
enum class ProbedFunction : int32_t {
  kExp,
  kLog,
  kLog1p,
  kSigmoid,
  kSilu,
  kExponentialNoise,
  kExpWeight,     // folded to 32 bits
  kDivide,        // x / (1.5 + y), y the input with its bits mixed
  kSquareRoot,    // of |x|
  kMultiplyAdd,   // fma(x, y, y)
  kSumOfSquares,  // x * x + y, two roundings
  kToHalf,        // PackPair
  kToBFloat,
  kCount
};
inline constexpr const char* kProbedFunctionNames[] = {
    "Exp",        "Log",    "Log1p",       "Sigmoid",      "Silu",          "ExponentialNoise",
    "ExpWeight",  "divide", "square root", "multiply add", "two roundings", "to half",
    "to bfloat16"};

struct FunctionProbeArgs {
  uint32_t first;  // inputs are the bits first, first + stride, ...
  uint32_t stride;
  uint32_t count;
  ProbedFunction function;
  uint32_t* out;  // [count]
};
inline constexpr uint32_t kFunctionProbeThreads = 256;
constexpr cuda::LaunchShape FunctionProbeShape(uint32_t count) {
  return {.grid_x = (count + kFunctionProbeThreads - 1) / kFunctionProbeThreads,
          .threads = kFunctionProbeThreads};
}

}  // namespace llmrt::gpu
