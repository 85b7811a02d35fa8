// Norm, preparation of activations, rotation, cache stores and the gated activation in plain C++,
// by the formulas of their headers in src/ops.
#include <algorithm>
#include <cstring>

#include "cpu/kernels_portable.h"
#include "numerics/exact_math.h"
#include "numerics/float_types.h"
#include "numerics/lanes.h"
#include "numerics/quantize_row.h"

namespace llmrt::cpu::portable {

using backend::ActivationBlock;
using backend::ActivationFormat;
using backend::kActivationBlockValues;
using backend::KvType;

template <KvType kType>
void StoreKv(const float* in, int64_t count, uint8_t* out) {
  if constexpr (kType == KvType::kF32) {
    std::memcpy(out, in, count * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits =
        kType == KvType::kF16 ? numerics::F32ToF16(in[i]) : numerics::F32ToBF16(in[i]);
    std::memcpy(out + i * sizeof(bits), &bits, sizeof(bits));
  }
}

template void StoreKv<KvType::kF32>(const float* in, int64_t count, uint8_t* out);
template void StoreKv<KvType::kF16>(const float* in, int64_t count, uint8_t* out);
template void StoreKv<KvType::kBF16>(const float* in, int64_t count, uint8_t* out);

void PrepareF32(const float* in, int64_t cols, uint8_t* out) {
  const int64_t bytes = cols * static_cast<int64_t>(sizeof(float));
  std::memcpy(out, in, bytes);
  std::memset(out + bytes, 0, backend::ActivationRowBytes(ActivationFormat::kF32, cols) - bytes);
}

void PrepareBF16(const float* in, int64_t cols, uint8_t* out) {
  StoreKv<KvType::kBF16>(in, cols, out);
  const int64_t bytes = cols * 2;
  std::memset(out + bytes, 0, backend::ActivationRowBytes(ActivationFormat::kBF16, cols) - bytes);
}

void PrepareInt8(const float* in, int64_t cols, uint8_t* out) {
  auto* block = reinterpret_cast<ActivationBlock*>(out);
  for (int64_t k = 0; k < cols; k += kActivationBlockValues, ++block) {
    const int count = static_cast<int>(std::min(cols - k, kActivationBlockValues));
    block->scale = numerics::QuantizeBlock32(in + k, count, block->q, &block->sum);
  }
}

void RmsNorm(const RmsNormTask& task) {
  float sum = 0.0f;
  for (int64_t k = 0; k < task.dim; k += backend::kChunkK) {
    const int64_t count = std::min(task.dim - k, backend::kChunkK);
    sum = sum + numerics::DotLanes(task.in + k, task.in + k, count);
  }
  const float mean = sum / static_cast<float>(task.dim);
  const float scale = 1.0f / __builtin_sqrtf(mean + task.epsilon);
  for (int64_t i = 0; i < task.dim; ++i) task.out[i] = (task.in[i] * scale) * task.weight[i];
}

void Rope(const RopeTask& task) {
  for (int64_t head = 0; head < task.num_heads; ++head) {
    float* x = task.heads + head * task.head_dim;
    for (int64_t i = 0; i < task.rope_dims; i += 2) {
      const float c = task.table[i], s = task.table[i + 1];
      const float x0 = x[i], x1 = x[i + 1];
      x[i] = numerics::Fma(x0, c, -(x1 * s));
      x[i + 1] = numerics::Fma(x1, c, x0 * s);
    }
  }
}

void SwiGlu(const float* gate, const float* up, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = numerics::Silu(gate[i]) * up[i];
}

}  // namespace llmrt::cpu::portable
