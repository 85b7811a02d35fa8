// Attention in AVX2, by the formulas of ops/attention.h. As in the portable version a tile of 64
// keys or values is converted to float32 once, here with rows padded with zeros to whole lanes, and
// read by every query head of the group.
#include <cstring>

#include "cpu/kernels_avx2.h"
#include "cpu/vector_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

using backend::KvType;

constexpr int64_t kSplit = 256;
constexpr int64_t kTile = 64;
constexpr int64_t kLanes = 16;

// The state of one online softmax for each query head of the group.
struct State {
  float max[kGroupMax];
  float sum[kGroupMax];
  alignas(32) float acc[kGroupMax * kHeadDimMax];  // [group, padded head_dim]
};

// Laid over the worker's scratch memory.
struct Scratch {
  alignas(32) float q[kGroupMax * kHeadDimMax];  // [group, padded head_dim]
  alignas(32) float tile[kTile * kHeadDimMax];   // [keys, padded head_dim]: keys, then values
  alignas(32) float p[kGroupMax * kTile];        // scores, then weights
  float alpha[kGroupMax];
  State split;
  State total;
};
static_assert(sizeof(Scratch) <= kScratchBytes);
static_assert(kHeadDimMax % kLanes == 0);

// Eight values at `in`, of which `count` exist; zeros for the others, which are not read.
template <KvType kType>
LLMRT_AVX2_INLINE __m256 LoadValues(const uint8_t* in, int64_t count) {
  if constexpr (kType == KvType::kF32) {
    return LoadPadded(reinterpret_cast<const float*>(in), 0, count);
  }
  __m128i bits;
  if (count >= 8) {
    bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
  } else {
    bits = _mm_setzero_si128();
    if (count > 0) std::memcpy(&bits, in, count * 2);
  }
  return kType == KvType::kF16 ? _mm256_cvtph_ps(bits) : WidenBF16(bits);
}

// One row of head_dim values, padded with zeros.
template <KvType kType>
LLMRT_AVX2_INLINE void LoadRow(const uint8_t* in, int64_t head_dim, float* out) {
  constexpr int64_t kBytes = kType == KvType::kF32 ? 4 : 2;
  const int64_t padded = RoundUp(head_dim, kLanes);
  for (int64_t i = 0; i < padded; i += 8) {
    _mm256_store_ps(out + i, LoadValues<kType>(in + i * kBytes, head_dim - i));
  }
}

// Keys (or values) [begin, end) of the sequence to float32. Only written slots are read: end is at
// most num_keys.
template <KvType kType>
LLMRT_AVX2_INLINE void LoadTile(const AttentionTask& task, const uint8_t* tiles, int64_t begin,
                                int64_t end, float* out) {
  constexpr int64_t kBytes = kType == KvType::kF32 ? 4 : 2;
  const int64_t padded = RoundUp(task.head_dim, kLanes);
  const int64_t key_bytes = task.head_dim * kBytes;
  for (int64_t t = begin; t < end;) {
    const int64_t slot = t % task.block_size;
    const int64_t stop = t + Min(end - t, task.block_size - slot);
    const uint8_t* in = tiles + task.block_table[t / task.block_size] * task.block_bytes;
    for (in += slot * key_bytes; t < stop; ++t, in += key_bytes, out += padded) {
      LoadRow<kType>(in, task.head_dim, out);
    }
  }
}

LLMRT_AVX2_INLINE void Reset(const AttentionTask& task, int64_t padded, State& state) {
  for (int64_t g = 0; g < task.group; ++g) {
    state.max[g] = -__builtin_inff();
    state.sum[g] = 0.0f;
  }
  for (int64_t i = 0; i < task.group * padded; i += 8) {
    _mm256_store_ps(state.acc + i, _mm256_setzero_ps());
  }
}

// Four scores: q against the rows of four keys, sixteen lanes each.
LLMRT_AVX2_INLINE __m128 DotFourKeys(const float* q, const float* keys, int64_t padded) {
  Lanes lanes[4];
  for (Lanes& sum : lanes) sum = ZeroLanes();
  for (int64_t i = 0; i < padded; i += kLanes) {
    const __m256 low = _mm256_load_ps(q + i), high = _mm256_load_ps(q + i + 8);
    for (int j = 0; j < 4; ++j) {
      const float* key = keys + j * padded + i;
      lanes[j].low = _mm256_fmadd_ps(low, _mm256_load_ps(key), lanes[j].low);
      lanes[j].high = _mm256_fmadd_ps(high, _mm256_load_ps(key + 8), lanes[j].high);
    }
  }
  return FoldFourSums(FoldToFour(lanes[0]), FoldToFour(lanes[1]), FoldToFour(lanes[2]),
                      FoldToFour(lanes[3]));
}

LLMRT_AVX2_INLINE float ExpOne(float x) { return _mm256_cvtss_f32(Exp(_mm256_set1_ps(x))); }

// Scores of head g against the tile's `count` keys, into p; -inf for the keys that are not there.
// Returns the largest of them and of `max`.
LLMRT_AVX2_INLINE float ScoreKeys(const AttentionTask& task, int64_t g, int64_t count,
                                  Scratch& scratch) {
  const int64_t padded = RoundUp(task.head_dim, kLanes);
  float* p = scratch.p + g * kTile;
  const __m128 scale = _mm_set1_ps(task.scale);
  // The last four may reach beyond the tile's keys, into stale rows; those scores are replaced.
  for (int64_t j = 0; j < count; j += 4) {
    const __m128 dots = DotFourKeys(scratch.q + g * padded, scratch.tile + j * padded, padded);
    _mm_store_ps(p + j, _mm_mul_ps(dots, scale));
  }
  for (int64_t j = count; j < kTile; ++j) p[j] = -__builtin_inff();
  __m256 max8 = _mm256_set1_ps(scratch.split.max[g]);
  for (int64_t j = 0; j < kTile; j += 8) max8 = _mm256_max_ps(_mm256_load_ps(p + j), max8);
  __m128 max4 = _mm_max_ps(_mm256_castps256_ps128(max8), _mm256_extractf128_ps(max8, 1));
  max4 = _mm_max_ps(max4, _mm_movehl_ps(max4, max4));
  return _mm_cvtss_f32(_mm_max_ss(max4, _mm_movehdup_ps(max4)));
}

// Scores become weights; max, sum and alpha follow. Absent keys get weight e^-inf = 0, and adding 0
// to a lane that began at +0 changes no bit.
LLMRT_AVX2_INLINE void WeighKeys(const AttentionTask& task, int64_t g, int64_t count,
                                 Scratch& scratch) {
  const float max = ScoreKeys(task, g, count, scratch);
  float* p = scratch.p + g * kTile;
  const __m256 max8 = _mm256_set1_ps(max);
  Lanes lanes = ZeroLanes();
  for (int64_t j = 0; j < count; j += kLanes) {
    const __m256 low = Exp(_mm256_sub_ps(_mm256_load_ps(p + j), max8));
    const __m256 high = Exp(_mm256_sub_ps(_mm256_load_ps(p + j + 8), max8));
    _mm256_store_ps(p + j, low);
    _mm256_store_ps(p + j + 8, high);
    lanes.low = _mm256_add_ps(lanes.low, low);
    lanes.high = _mm256_add_ps(lanes.high, high);
  }
  const float alpha = ExpOne(scratch.split.max[g] - max);
  scratch.split.sum[g] = scratch.split.sum[g] * alpha + TreeSum(lanes);
  scratch.split.max[g] = max;
  scratch.alpha[g] = alpha;
}

// kVectors * 8 values from value i of head g's accumulator.
template <int kVectors>
LLMRT_AVX2_INLINE void AddValuesPart(int64_t g, int64_t i, int64_t padded, int64_t count,
                                     Scratch& scratch) {
  float* acc = scratch.split.acc + g * padded + i;
  const float* p = scratch.p + g * kTile;
  const float* values = scratch.tile + i;
  const __m256 alpha = _mm256_set1_ps(scratch.alpha[g]);
  __m256 sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = _mm256_mul_ps(_mm256_load_ps(acc + v * 8), alpha);
  for (int64_t j = 0; j < count; ++j, values += padded) {
    const __m256 weight = _mm256_broadcast_ss(p + j);
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = _mm256_fmadd_ps(weight, _mm256_load_ps(values + v * 8), sum[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) _mm256_store_ps(acc + v * 8, sum[v]);
}

LLMRT_AVX2_INLINE void AddValues(int64_t g, int64_t padded, int64_t count, Scratch& scratch) {
  int64_t i = 0;
  for (; i + 64 <= padded; i += 64) AddValuesPart<8>(g, i, padded, count, scratch);
  for (; i < padded; i += 16) AddValuesPart<2>(g, i, padded, count, scratch);
}

LLMRT_AVX2_INLINE void MergeSplit(int64_t g, int64_t padded, const State& split, State& total) {
  const float max = total.max[g] < split.max[g] ? split.max[g] : total.max[g];
  const float a = ExpOne(total.max[g] - max);
  const float b = ExpOne(split.max[g] - max);
  total.sum[g] = __builtin_fmaf(split.sum[g], b, total.sum[g] * a);
  total.max[g] = max;
  const __m256 a8 = _mm256_set1_ps(a), b8 = _mm256_set1_ps(b);
  for (int64_t i = g * padded; i < (g + 1) * padded; i += 8) {
    const __m256 scaled = _mm256_mul_ps(_mm256_load_ps(total.acc + i), a8);
    _mm256_store_ps(total.acc + i, _mm256_fmadd_ps(_mm256_load_ps(split.acc + i), b8, scaled));
  }
}

template <KvType kType>
LLMRT_AVX2_INLINE void Attend(const AttentionTask& task) {
  Scratch& scratch = *reinterpret_cast<Scratch*>(task.scratch);
  const int64_t padded = RoundUp(task.head_dim, kLanes);
  for (int64_t g = 0; g < task.group; ++g) {
    LoadRow<KvType::kF32>(reinterpret_cast<const uint8_t*>(task.q + g * task.head_dim),
                          task.head_dim, scratch.q + g * padded);
  }
  Reset(task, padded, scratch.total);
  for (int64_t split = 0; split < task.num_keys; split += kSplit) {
    Reset(task, padded, scratch.split);
    const int64_t split_end = Min(task.num_keys, split + kSplit);
    for (int64_t tile = split; tile < split_end; tile += kTile) {
      const int64_t tile_end = Min(split_end, tile + kTile);
      LoadTile<kType>(task, task.k_tiles, tile, tile_end, scratch.tile);
      for (int64_t g = 0; g < task.group; ++g) WeighKeys(task, g, tile_end - tile, scratch);
      LoadTile<kType>(task, task.v_tiles, tile, tile_end, scratch.tile);
      for (int64_t g = 0; g < task.group; ++g) AddValues(g, padded, tile_end - tile, scratch);
    }
    for (int64_t g = 0; g < task.group; ++g) MergeSplit(g, padded, scratch.split, scratch.total);
  }
  for (int64_t g = 0; g < task.group; ++g) {
    const __m256 sum = _mm256_set1_ps(scratch.total.sum[g]);
    for (int64_t i = 0; i < task.head_dim; i += 8) {
      const __m256 acc = _mm256_load_ps(scratch.total.acc + g * padded + i);
      StorePadded(task.out + g * task.head_dim, i, task.head_dim, _mm256_div_ps(acc, sum));
    }
  }
}

}  // namespace

void AttentionF32(const AttentionTask& task) { Attend<KvType::kF32>(task); }
void AttentionF16(const AttentionTask& task) { Attend<KvType::kF16>(task); }
void AttentionBF16(const AttentionTask& task) { Attend<KvType::kBF16>(task); }

}  // namespace llmrt::cpu::avx2
