// Attention in plain C++, by the formulas of ops/attention.h. A tile of 64 keys or values is
// converted to float32 once and read by every query head of the group.
#include <algorithm>
#include <cstring>

#include "cpu/kernels_portable.h"
#include "numerics/exact_math.h"
#include "numerics/float_types.h"
#include "numerics/lanes.h"

namespace llmrt::cpu::portable {
namespace {

using backend::KvType;

constexpr int64_t kSplit = 256;
constexpr int64_t kTile = 64;

// The state of one online softmax for each query head of the group.
struct State {
  float max[kGroupMax];
  float sum[kGroupMax];
  float acc[kGroupMax * kHeadDimMax];  // [group, head_dim]
};

// Laid over the worker's scratch memory.
struct Scratch {
  float tile[kTile * kHeadDimMax];  // keys, then values, of the current tile: [keys, head_dim]
  float p[kGroupMax * kTile];       // scores, then weights
  float alpha[kGroupMax];
  State split;
  State total;
};
static_assert(sizeof(Scratch) <= kScratchBytes);

template <KvType kType>
void LoadKeys(const uint8_t* in, int64_t count, float* out) {
  if constexpr (kType == KvType::kF32) {
    std::memcpy(out, in, count * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, in + i * sizeof(bits), sizeof(bits));
    out[i] = kType == KvType::kF16 ? numerics::F16ToF32(bits) : numerics::BF16ToF32(bits);
  }
}

// Keys (or values) [begin, end) of the sequence to float32, block by block. Only written slots are
// read: end is at most num_keys.
template <KvType kType>
void LoadTile(const AttentionTask& task, const uint8_t* tiles, int64_t begin, int64_t end,
              float* out) {
  const int64_t key_bytes = task.head_dim * backend::KvElementBytes(kType);
  for (int64_t t = begin; t < end;) {
    const int64_t slot = t % task.block_size;
    const int64_t count = std::min(end - t, task.block_size - slot);
    const uint8_t* block = tiles + task.block_table[t / task.block_size] * task.block_bytes;
    LoadKeys<kType>(block + slot * key_bytes, count * task.head_dim, out);
    out += count * task.head_dim;
    t += count;
  }
}

void Reset(const AttentionTask& task, State& state) {
  for (int64_t g = 0; g < task.group; ++g) {
    state.max[g] = -__builtin_inff();
    state.sum[g] = 0.0f;
  }
  std::fill_n(state.acc, task.group * task.head_dim, 0.0f);
}

// Scores of one head against the tile's keys become weights; max, sum and alpha follow.
void WeighKeys(const AttentionTask& task, int64_t g, int64_t count, Scratch& scratch) {
  float* p = scratch.p + g * kTile;
  float max = scratch.split.max[g];
  for (int64_t j = 0; j < count; ++j) {
    p[j] = numerics::DotLanes(task.q + g * task.head_dim, scratch.tile + j * task.head_dim,
                              task.head_dim) *
           task.scale;
    max = max < p[j] ? p[j] : max;
  }
  const float alpha = numerics::Exp(scratch.split.max[g] - max);
  float lanes[numerics::kLanes] = {};
  for (int64_t j = 0; j < count; ++j) {
    p[j] = numerics::Exp(p[j] - max);
    // Tiles begin at multiples of 64, so j % 16 is the position's lane.
    lanes[j % numerics::kLanes] += p[j];
  }
  scratch.split.sum[g] = scratch.split.sum[g] * alpha + numerics::TreeSum16(lanes);
  scratch.split.max[g] = max;
  scratch.alpha[g] = alpha;
}

void AddValues(const AttentionTask& task, int64_t g, int64_t count, Scratch& scratch) {
  float* acc = scratch.split.acc + g * task.head_dim;
  const float* p = scratch.p + g * kTile;
  for (int64_t i = 0; i < task.head_dim; ++i) {
    float sum = acc[i] * scratch.alpha[g];
    for (int64_t j = 0; j < count; ++j) {
      sum = numerics::Fma(p[j], scratch.tile[j * task.head_dim + i], sum);
    }
    acc[i] = sum;
  }
}

void MergeSplit(const AttentionTask& task, int64_t g, const State& split, State& total) {
  const float max = total.max[g] < split.max[g] ? split.max[g] : total.max[g];
  const float a = numerics::Exp(total.max[g] - max);
  const float b = numerics::Exp(split.max[g] - max);
  total.sum[g] = numerics::Fma(split.sum[g], b, total.sum[g] * a);
  total.max[g] = max;
  for (int64_t i = g * task.head_dim; i < (g + 1) * task.head_dim; ++i) {
    total.acc[i] = numerics::Fma(split.acc[i], b, total.acc[i] * a);
  }
}

}  // namespace

template <KvType kType>
void Attention(const AttentionTask& task) {
  Scratch& scratch = *reinterpret_cast<Scratch*>(task.scratch);
  Reset(task, scratch.total);
  for (int64_t split = 0; split < task.num_keys; split += kSplit) {
    Reset(task, scratch.split);
    const int64_t split_end = std::min(task.num_keys, split + kSplit);
    for (int64_t tile = split; tile < split_end; tile += kTile) {
      const int64_t tile_end = std::min(split_end, tile + kTile);
      LoadTile<kType>(task, task.k_tiles, tile, tile_end, scratch.tile);
      for (int64_t g = 0; g < task.group; ++g) WeighKeys(task, g, tile_end - tile, scratch);
      LoadTile<kType>(task, task.v_tiles, tile, tile_end, scratch.tile);
      for (int64_t g = 0; g < task.group; ++g) AddValues(task, g, tile_end - tile, scratch);
    }
    for (int64_t g = 0; g < task.group; ++g) MergeSplit(task, g, scratch.split, scratch.total);
  }
  for (int64_t g = 0; g < task.group; ++g) {
    for (int64_t i = g * task.head_dim; i < (g + 1) * task.head_dim; ++i) {
      task.out[i] = scratch.total.acc[i] / scratch.total.sum[g];
    }
  }
}

template void Attention<KvType::kF32>(const AttentionTask& task);
template void Attention<KvType::kF16>(const AttentionTask& task);
template void Attention<KvType::kBF16>(const AttentionTask& task);

}  // namespace llmrt::cpu::portable
