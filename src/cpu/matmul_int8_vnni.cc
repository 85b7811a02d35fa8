// Products with quantized weights by AVX-512 VNNI: one instruction multiplies four unsigned by four
// signed bytes in each of 16 lanes and adds them to an int32, exactly.
#include "cpu/kernels_vnni.h"
#include "cpu/matmul_int8_512.h"

namespace llmrt::cpu::vnni {
namespace {

using backend::WeightType;

struct VnniDot {
  // sum[i] += products of kCount dwords of weights with the dwords of row i; the rows' chains side
  // by side, because each addition waits for the one before. In assembly, as GCC 12 does not fold
  // the broadcast into the instruction.
  template <WeightType, int kCount, int kRows>
  static inline __attribute__((always_inline)) void Add(const __m512i* w, const int8_t* q,
                                                        __m512i (&sum)[kRows]) {
#pragma GCC unroll 8
    for (int v = 0; v < kCount; ++v) {
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) {
        const auto* dword = reinterpret_cast<const int32_t*>(q + i * kBlockValues + 4 * v);
        asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum[i]) : "v"(w[v]), "m"(*dword));
      }
    }
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
