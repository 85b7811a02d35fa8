// What the function probe computes, for the device and for the host that compares.
#pragma once

#include <cstdint>

#include "gpu/probe_kernels.h"
#include "numerics/exact_math.h"
#include "numerics/exp_weight.h"
#include "numerics/noise.h"

namespace llmrt::gpu {

// NaNs count as one: which of them an operation gives is the machine's.
LLMRT_HOST_DEVICE inline uint32_t CanonicalBits(float value) {
  return numerics::IsNan(value) ? 0x7fffffffu : numerics::FloatBits(value);
}

// The conversions of kToHalf and kToBFloat are the caller's.
LLMRT_HOST_DEVICE inline uint32_t ProbeFunction(ProbedFunction function, uint32_t bits) {
  const float x = numerics::BitsToFloat(bits);
  const float y = numerics::BitsToFloat((bits * 0x9e3779b9u) >> 9 | 0x3f800000u);  // in [1, 2)
  switch (function) {
    case ProbedFunction::kExp:
      return CanonicalBits(numerics::Exp(x));
    case ProbedFunction::kLog:
      return CanonicalBits(numerics::Log(x));
    case ProbedFunction::kLog1p:
      return CanonicalBits(numerics::Log1p(x));
    case ProbedFunction::kSigmoid:
      return CanonicalBits(numerics::Sigmoid(x));
    case ProbedFunction::kSilu:
      return CanonicalBits(numerics::Silu(x));
    case ProbedFunction::kExponentialNoise:
      return CanonicalBits(numerics::ExponentialNoise(bits));
    case ProbedFunction::kExpWeight: {
      const uint64_t weight = numerics::ExpWeight40(x);
      return static_cast<uint32_t>(weight ^ weight >> 32);
    }
    case ProbedFunction::kDivide:
      return CanonicalBits(x / (1.5f + y));
    case ProbedFunction::kSquareRoot:
      return CanonicalBits(numerics::Sqrt(numerics::BitsToFloat(bits & 0x7fffffffu)));
    case ProbedFunction::kMultiplyAdd:
      return CanonicalBits(numerics::Fma(x, y, y));
    case ProbedFunction::kSumOfSquares:
      return CanonicalBits(x * x + y);
    default:
      return 0;
  }
}

}  // namespace llmrt::gpu
