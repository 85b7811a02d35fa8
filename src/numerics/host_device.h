// What lets one header serve g++, clang++ and nvcc: the function attributes, and the operations
// whose names differ (fused multiply-add, the square root and the reinterpretation of bits).
// Everything in this folder that runs in a kernel is built from these and the IEEE operators, so
// that host and device agree bit for bit. Compile with -ffp-contract=off (nvcc: -fmad=false
// -prec-div=true -prec-sqrt=true): a compiler that fuses or splits operations on its own changes
// bits. Processors compute with denormals flushed to zero (fp_mode.h), so for nvcc -ftz=true.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define LLMRT_HOST_DEVICE __host__ __device__
#else
#define LLMRT_HOST_DEVICE
#endif

namespace llmrt::numerics {

// a * b + c, rounded once. Without an FMA instruction the compiler calls libm's, which is exact
// too.
LLMRT_HOST_DEVICE inline float Fma(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return __fmaf_rn(a, b, c);
#else
  return __builtin_fmaf(a, b, c);
#endif
}

LLMRT_HOST_DEVICE inline double Fma(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
  return __fma_rn(a, b, c);
#else
  return __builtin_fma(a, b, c);
#endif
}

// Rounded to nearest.
LLMRT_HOST_DEVICE inline float Sqrt(float value) {
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(value);
#else
  return __builtin_sqrtf(value);
#endif
}

// The bits of one type read as another (std::bit_cast is not a device function).
template <typename To, typename From>
LLMRT_HOST_DEVICE inline To BitCast(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  memcpy(&result, &value, sizeof(To));
  return result;
}

LLMRT_HOST_DEVICE inline uint32_t FloatBits(float value) { return BitCast<uint32_t>(value); }
LLMRT_HOST_DEVICE inline float BitsToFloat(uint32_t bits) { return BitCast<float>(bits); }
LLMRT_HOST_DEVICE inline uint64_t DoubleBits(double value) { return BitCast<uint64_t>(value); }
LLMRT_HOST_DEVICE inline double BitsToDouble(uint64_t bits) { return BitCast<double>(bits); }

// Asked of the bits: a comparison with itself would be folded away under -ffast-math.
LLMRT_HOST_DEVICE inline bool IsNan(float value) {
  return (FloatBits(value) & 0x7fffffffu) > 0x7f800000u;
}
LLMRT_HOST_DEVICE inline bool IsFinite(float value) {
  return (FloatBits(value) & 0x7fffffffu) < 0x7f800000u;
}

}  // namespace llmrt::numerics
