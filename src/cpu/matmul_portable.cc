// Matrix products in plain C++, by the formulas of ops/matmul.h. One feature at a time: a chunk of
// its weights is decoded once and used for up to kMatMulTileM rows of activations.
#include <algorithm>
#include <cstring>

#include "cpu/kernels_portable.h"
#include "numerics/float_types.h"
#include "numerics/lanes.h"
#include "quant/integer_block.h"

namespace llmrt::cpu::portable {
namespace {

using backend::ActivationBlock;
using backend::kActivationBlockValues;
using backend::kChunkK;
using backend::WeightType;

// Runs `chunk(weights, k, k_end, decoded)` to decode a chunk and `dot(decoded, activation, k,
// k_end)` for each row, and adds the chunk sums ascending.
template <typename Decoded, typename Decode, typename Dot>
void ForEachFeature(const MatMulTask& task, Decode decode, Dot dot) {
  Decoded decoded;
  float totals[kMatMulTileM];
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kMatMulTileM) {
    const int64_t rows = std::min(kMatMulTileM, task.num_rows - m0);
    for (int64_t n = task.begin; n < task.end; ++n) {
      const uint8_t* weights = task.weights + n * task.row_stride;
      std::fill_n(totals, rows, 0.0f);
      for (int64_t k = 0; k < task.cols; k += kChunkK) {
        const int64_t k_end = std::min(task.cols, k + kChunkK);
        decode(weights, k, k_end, decoded);
        for (int64_t m = 0; m < rows; ++m) {
          const uint8_t* activation = task.activations + (m0 + m) * task.activation_stride;
          totals[m] = totals[m] + dot(decoded, activation, k, k_end);
        }
      }
      for (int64_t m = 0; m < rows; ++m) {
        float& out = task.out[(m0 + m) * task.out_stride + n];
        out = task.accumulate ? out + totals[m] : totals[m];
      }
    }
  }
}

struct FloatChunk {
  float values[kChunkK];
};

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

void MatMulF32(const MatMulTask& task) {
  ForEachFeature<FloatChunk>(
      task,
      [](const uint8_t* weights, int64_t k, int64_t k_end, FloatChunk& chunk) {
        std::memcpy(chunk.values, weights + k * sizeof(float), (k_end - k) * sizeof(float));
      },
      DotFloatChunk);
}

void MatMulF16(const MatMulTask& task) {
  ForEachFeature<FloatChunk>(
      task,
      [](const uint8_t* weights, int64_t k, int64_t k_end, FloatChunk& chunk) {
        for (int64_t i = k; i < k_end; ++i) {
          chunk.values[i - k] = numerics::F16ToF32(LoadU16(weights, i));
        }
      },
      DotFloatChunk);
}

void MatMulBF16(const MatMulTask& task) {
  constexpr int64_t kPairsK = 32;
  ForEachFeature<FloatChunk>(
      task,
      [](const uint8_t* weights, int64_t k, int64_t k_end, FloatChunk& chunk) {
        // Rows of weights and of activations are padded with zeros to whole 32s of bfloat16.
        const int64_t count = (k_end - k + kPairsK - 1) / kPairsK * kPairsK;
        for (int64_t i = 0; i < count; ++i) {
          chunk.values[i] = numerics::BF16ToF32(LoadU16(weights, k + i));
        }
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

template <WeightType kType>
void MatMulInt8(const MatMulTask& task) {
  ForEachFeature<IntegerChunk>(
      task,
      [](const uint8_t* weights, int64_t k, int64_t k_end, IntegerChunk& chunk) {
        for (int64_t b = k / kActivationBlockValues; b < k_end / kActivationBlockValues; ++b) {
          quant::DecodeIntegerBlock(kType, weights, b,
                                    &chunk.blocks[b - k / kActivationBlockValues]);
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
