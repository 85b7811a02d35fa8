// What a tensor core computes in mma.m16n8k16 with float32 accumulators, bit for bit, by integer
// arithmetic.
//
// The rules, per output element (sources: P. Xie et al., "MMA-Sim: Bit-Accurate Reference Model of
// Tensor Cores and Matrix Cores", arXiv 2511.10909, and its published model; M. Fasi et al.,
// "Numerical behavior of NVIDIA tensor cores", 2021, saw the same truncation):
//
//   - A 16-bit value is s * 2^e with 1 <= |s| < 2; a subnormal keeps the type's least exponent and
//     has |s| < 1. Nothing is flushed. A product is (sa * sb) * 2^(ea + eb), so 1 <= |s| < 4: it is
//     not normalised before alignment. c is split the same way.
//   - All products and c are aligned to the largest exponent among them: |s| is cut (toward zero)
//     to F fraction bits there, and the sum of these integers is exact.
//   - The sum is normalised and cut (toward zero) to float32; float32 subnormals are kept, and from
//     2^128 up the result is infinite.
//   - Hopper (9.0) and Blackwell: F = 25 and all 16 products at once. Ampere (8.0, 8.6) and Ada
//     (8.9): F = 24, products 0-7 with c, then 8-15 with that result.
//   - A NaN, infinity times zero, and infinities of both signs give the NaN 0x7fffffff; otherwise
//     an infinity stays.
//
// Where the sources are silent or their versions differ, device probes have to decide; taken here:
//   - Zero products have no exponent. c always has one, -126 at least, also where it is zero. (One
//     version of the model lets products below 2^-126 be summed more finely when c is zero; float16
//     products cannot be that small.)
//   - A sum of exactly zero is +0, whatever signs the terms have; a negative sum that is cut to
//   zero
//     at the end of the float32 range stays negative.
#pragma once

#include <cstdint>

namespace llmrt::cuda {
struct Half;
struct BFloat16;
}  // namespace llmrt::cuda

namespace llmrt::cuda_host {

// Which of the two functions above.
enum class MatrixUnit { kAmpere, kHopper };

// d[m][n] += sum over k of a[m][k] * b[n][k]. Element is cuda::Half or cuda::BFloat16.
template <typename Element>
void ExactMultiplyAccumulate(const uint16_t (&a)[16][16], const uint16_t (&b)[8][16],
                             float (&d)[16][8], MatrixUnit unit);

// One output element: c + sum of a[k] * b[k], 16 of them.
template <typename Element>
float ExactDot16(const uint16_t* a, const uint16_t* b, float c, MatrixUnit unit);

}  // namespace llmrt::cuda_host
