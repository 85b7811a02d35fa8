// Products with quantized weights in plain C++, by the formulas of ops/matmul.h.
#include "cpu/kernels_portable.h"
#include "cpu/matmul_portable.h"
#include "cpu/panel_packing.h"
#include "numerics/host_device.h"

namespace llmrt::cpu::portable {
namespace {

using backend::ActivationBlock;
using backend::kActivationBlockValues;
using backend::kChunkK;
using backend::WeightType;

// Exact sum of `count` products. The trip count is constant so that the compiler makes vectors of
// it.
template <int kCount>
int32_t IntegerDot(const int8_t* a, const int8_t* b) {
  int32_t sum = 0;
  for (int i = 0; i < kCount; ++i) sum += a[i] * b[i];
  return sum;
}

struct IntegerChunk {
  quant::IntegerBlock blocks[kChunkK / kActivationBlockValues];
};

}  // namespace

template <WeightType kType>
void MatMulInt8(const MatMulTask& task) {
  ForEachFeature<IntegerChunk>(
      task,
      [](const uint8_t* panel, int64_t feature, int64_t k, int64_t k_end, IntegerChunk& chunk) {
        for (int64_t b = k / kActivationBlockValues; b < k_end / kActivationBlockValues; ++b) {
          UnpackBlock(kType, panel, feature, b, &chunk.blocks[b - k / kActivationBlockValues]);
        }
      },
      [](const IntegerChunk& weights, const uint8_t* activation, int64_t k, int64_t k_end) {
        float acc = 0.0f;
        const auto* a =
            reinterpret_cast<const ActivationBlock*>(activation) + k / kActivationBlockValues;
        for (int64_t b = 0; b < (k_end - k) / kActivationBlockValues; ++b) {
          const quant::IntegerBlock& w = weights.blocks[b];
          if constexpr (kType == WeightType::kQ6_K) {
            const int32_t low = IntegerDot<16>(w.q, a[b].q);
            const int32_t high = IntegerDot<16>(w.q + 16, a[b].q + 16);
            acc = numerics::Fma(static_cast<float>(low), w.scale[0] * a[b].scale, acc);
            acc = numerics::Fma(static_cast<float>(high), w.scale[1] * a[b].scale, acc);
          } else {
            const int32_t isum = IntegerDot<32>(w.q, a[b].q);
            acc = numerics::Fma(static_cast<float>(isum), w.scale[0] * a[b].scale, acc);
          }
          if (w.has_offset) {
            acc = numerics::Fma(static_cast<float>(a[b].sum), w.offset * a[b].scale, acc);
          }
        }
        return acc;
      });
}

template void MatMulInt8<WeightType::kQ8_0>(const MatMulTask& task);
template void MatMulInt8<WeightType::kQ4_0>(const MatMulTask& task);
template void MatMulInt8<WeightType::kQ4_1>(const MatMulTask& task);
template void MatMulInt8<WeightType::kQ5_0>(const MatMulTask& task);
template void MatMulInt8<WeightType::kQ5_1>(const MatMulTask& task);
template void MatMulInt8<WeightType::kQ4_K>(const MatMulTask& task);
template void MatMulInt8<WeightType::kQ5_K>(const MatMulTask& task);
template void MatMulInt8<WeightType::kQ6_K>(const MatMulTask& task);

}  // namespace llmrt::cpu::portable
