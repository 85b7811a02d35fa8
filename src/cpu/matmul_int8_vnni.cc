// Products with quantized weights by AVX-512 VNNI: one instruction multiplies four unsigned by four
// signed bytes in each of 16 lanes and adds them to an int32, exactly.
#include "cpu/kernels_vnni.h"
#include "cpu/matmul_int8_512.h"

namespace llmrt::cpu::vnni {
namespace {

using backend::WeightType;

struct VnniDot {
  // start + products of kCount dwords of weights with the dwords of one row.
  template <WeightType, int kCount>
  static inline __attribute__((always_inline)) __m512i Sum(__m512i start, const __m512i* w,
                                                           const int8_t* q) {
    __m512i sum = start;
#pragma GCC unroll 8
    for (int v = 0; v < kCount; ++v) {
      sum = _mm512_dpbusd_epi32(sum, w[v], x512::BroadcastDword(q + 4 * v));
    }
    return sum;
  }
};

}  // namespace

void MatMulQ8_0(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ8_0>(task); }
void MatMulQ4_0(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ4_0>(task); }
void MatMulQ4_1(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ4_1>(task); }
void MatMulQ5_0(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ5_0>(task); }
void MatMulQ5_1(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ5_1>(task); }
void MatMulQ4_K(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ4_K>(task); }
void MatMulQ5_K(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ5_K>(task); }
void MatMulQ6_K(const MatMulTask& task) { x512::MatMul<VnniDot, WeightType::kQ6_K>(task); }

}  // namespace llmrt::cpu::vnni
