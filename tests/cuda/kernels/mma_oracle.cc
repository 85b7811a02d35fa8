#include "cuda/kernels/mma_oracle.h"

#include <algorithm>
#include <limits>

#include "cuda/kernels/attention.h"
#include "cuda/kernels/matmul.h"
#include "numerics/exact_math.h"
#include "numerics/float_types.h"
#include "numerics/fp_mode.h"
#include "numerics/lanes.h"

namespace llmrt::cuda {
namespace {

// A split's or the total's state.
struct State {
  explicit State(int32_t head_dim) : acc(head_dim, 0.0f) {}
  float max = -std::numeric_limits<float>::infinity();
  float sum = 0.0f;
  std::vector<float> acc;
};

// One value, padded with zeros to whole steps of 16.
std::vector<uint16_t> Padded(const uint16_t* values, int32_t count) {
  std::vector<uint16_t> padded((count + 15) / 16 * 16, 0);
  std::copy(values, values + count, padded.begin());
  return padded;
}

float Score(const MmaQuery& query, const std::vector<uint16_t>& q, int32_t t) {
  const std::vector<uint16_t> key = Padded(query.row(0, t), query.head_dim);
  return MmaChain(query.element, query.unit, key.data(), q.data(), static_cast<int64_t>(key.size()),
                  0.0f) *
         query.scale;
}

void AddTile(const MmaQuery& query, const std::vector<uint16_t>& q, int32_t begin, State& state) {
  const int32_t count = std::min(kAttentionTile, query.position + 1 - begin);
  float p[kAttentionTile] = {};
  float max = state.max;
  for (int32_t t = 0; t < count; ++t) {
    p[t] = Score(query, q, begin + t);
    max = max < p[t] ? p[t] : max;
  }
  const float alpha = numerics::Exp(state.max - max);
  float lanes[numerics::kLanes] = {};
  uint16_t rounded[kAttentionTile] = {};
  for (int32_t t = 0; t < count; ++t) {
    p[t] = numerics::Exp(p[t] - max);
    lanes[t % numerics::kLanes] += p[t];
    rounded[t] = RoundTo(query.element, p[t]);
  }
  state.sum = state.sum * alpha + numerics::TreeSum16(lanes);
  state.max = max;
  for (int32_t i = 0; i < query.head_dim; ++i) {
    uint16_t value[kAttentionTile] = {};
    for (int32_t t = 0; t < count; ++t) value[t] = query.row(1, begin + t)[i];
    state.acc[i] =
        MmaChain(query.element, query.unit, value, rounded, kAttentionTile, state.acc[i] * alpha);
  }
}

void MergeSplit(const State& split, State& total) {
  const float max = total.max < split.max ? split.max : total.max;
  const float a = numerics::Exp(total.max - max);
  const float b = numerics::Exp(split.max - max);
  total.sum = numerics::Fma(split.sum, b, total.sum * a);
  for (size_t i = 0; i < total.acc.size(); ++i) {
    total.acc[i] = numerics::Fma(split.acc[i], b, total.acc[i] * a);
  }
  total.max = max;
}

}  // namespace

MatrixUnit MatrixUnitOf(int major) { return major < 9 ? MatrixUnit::kAmpere : MatrixUnit::kHopper; }

uint16_t RoundTo(Element element, float value) {
  return element == Element::kF16 ? numerics::F32ToF16(value) : numerics::F32ToBF16(value);
}

float ToFloat(Element element, uint16_t value) {
  return element == Element::kF16 ? numerics::F16ToF32(value) : numerics::BF16ToF32(value);
}

float MmaChain(Element element, MatrixUnit unit, const uint16_t* a, const uint16_t* b, int64_t k,
               float c) {
  for (int64_t i = 0; i < k; i += 16) {
    c = element == Element::kF16 ? cuda_host::ExactDot16<Half>(a + i, b + i, c, unit)
                                 : cuda_host::ExactDot16<BFloat16>(a + i, b + i, c, unit);
  }
  return c;
}

float MmaDot(Element element, MatrixUnit unit, const uint16_t* weight, const uint16_t* activation,
             int64_t padded_k) {
  const numerics::ScopedFpMode fp_mode;
  float total = 0.0f;
  for (int64_t k = 0; k < padded_k; k += kMatMulChunk) {
    total = total + MmaChain(element, unit, weight + k, activation + k,
                             std::min(kMatMulChunk, padded_k - k), 0.0f);
  }
  return total;
}

std::vector<float> MmaAttend(const MmaQuery& query) {
  const numerics::ScopedFpMode fp_mode;
  std::vector<uint16_t> q;
  for (int32_t i = 0; i < query.head_dim; ++i) q.push_back(RoundTo(query.element, query.q[i]));
  q = Padded(q.data(), query.head_dim);
  State total(query.head_dim);
  for (int32_t split = 0; split <= query.position; split += kAttentionSplit) {
    State state(query.head_dim);
    for (int32_t tile = split; tile < split + kAttentionSplit && tile <= query.position;
         tile += kAttentionTile) {
      AddTile(query, q, tile, state);
    }
    MergeSplit(state, total);
  }
  for (float& value : total.acc) value = value / total.sum;
  return total.acc;
}

}  // namespace llmrt::cuda
