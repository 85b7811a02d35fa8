// Products with F32, F16 and BF16 weights in plain C++, by the formulas of ops/matmul.h.
#include <cstring>

#include "cpu/kernels_portable.h"
#include "cpu/matmul_portable.h"
#include "cpu/panel_packing.h"
#include "numerics/float_types.h"
#include "numerics/lanes.h"

namespace llmrt::cpu::portable {
namespace {

using backend::kChunkK;
using backend::WeightType;

struct FloatChunk {
  float values[kChunkK];
};

template <WeightType kType>
void UnpackChunk(const uint8_t* panel, int64_t feature, int64_t k, int64_t k_end,
                 FloatChunk& chunk) {
  UnpackFloats(kType, panel, feature, k, k_end, chunk.values);
}

float DotFloatChunk(const FloatChunk& weights, const uint8_t* activation, int64_t k,
                    int64_t k_end) {
  const float* a = reinterpret_cast<const float*>(activation);
  return numerics::DotLanes(weights.values, a + k, k_end - k);
}

// Two bytes `index` values into a row.
uint16_t LoadU16(const uint8_t* row, int64_t index) {
  uint16_t bits;
  std::memcpy(&bits, row + index * sizeof(bits), sizeof(bits));
  return bits;
}

}  // namespace

void MatMulF32(const MatMulTask& task) {
  ForEachFeature<FloatChunk>(task, UnpackChunk<WeightType::kF32>, DotFloatChunk);
}

void MatMulF16(const MatMulTask& task) {
  ForEachFeature<FloatChunk>(task, UnpackChunk<WeightType::kF16>, DotFloatChunk);
}

void MatMulBF16(const MatMulTask& task) {
  constexpr int64_t kPairsK = 32;
  ForEachFeature<FloatChunk>(
      task,
      [](const uint8_t* panel, int64_t feature, int64_t k, int64_t k_end, FloatChunk& chunk) {
        // Weights and activations are padded with zeros to whole 32s of bfloat16.
        const int64_t count = (k_end - k + kPairsK - 1) / kPairsK * kPairsK;
        UnpackFloats(WeightType::kBF16, panel, feature, k, k + count, chunk.values);
      },
      [](const FloatChunk& weights, const uint8_t* activation, int64_t k, int64_t k_end) {
        float acc = 0.0f;
        for (int64_t block = k; block < k_end; block += kPairsK) {
          float even = 0.0f, odd = 0.0f;
          for (int64_t i = block; i < block + kPairsK; i += 2) {
            const float a0 = numerics::BF16ToF32(LoadU16(activation, i));
            const float a1 = numerics::BF16ToF32(LoadU16(activation, i + 1));
            even = numerics::Fma(a0, weights.values[i - k], even);
            odd = numerics::Fma(a1, weights.values[i - k + 1], odd);
          }
          acc = acc + (even + odd);
        }
        return acc;
      });
}

}  // namespace llmrt::cpu::portable
