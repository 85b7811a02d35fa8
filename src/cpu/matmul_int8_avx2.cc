// Products with quantized weights in AVX2, class int8-blocks-32 (formulas: ops/matmul.h).
//
// Eight weight rows, a panel, are computed side by side, so that the float steps of the class run
// on eight rows at once: one lane each. Two ways lead to the integer sums of a block:
//
// Many rows of activations (MultiplyPanel): a chunk of 512 values of the panel is unpacked to bytes
// and transposed by dwords: vector d of a block holds values 4d to 4d + 3 of all eight rows. For
// each row of activations, dword d of its block is broadcast, multiplied (VPMADDUBSW: unsigned
// times signed, neighbours added to int16) and added over d, so that each int32 lane becomes the
// exact sum of one weight row's block: no sums across lanes. One unpacking serves up to
// kMatMulTileM rows.
//
// One or two rows (StreamPanel): the transposition would cost more than it saves. Each weight row's
// block is multiplied as it lies, and the eight vectors of partial sums are added and transposed
// together.
//
// int16 sums must not saturate. |activation| <= 127, so a pair of products is at most 254 |w|:
//   4-bit w <= 15: 3810, eight fit (30480);   5-bit w <= 31: 7874, four fit (31496)
//   6-bit |w| <= 32: 8128, four fit (32512);  8-bit |w| <= 128: 32512, one fits
// Signed weights enter as |w| with the sign moved to the activation (VPSIGNB).
#include "cpu/kernels_avx2.h"
#include "cpu/vector_avx2.h"
#include "cpu/weights_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

constexpr int kRows = static_cast<int>(kPanelRows);
constexpr int kDwords = 8;  // of a block of 32 bytes
constexpr int64_t kChunkBlocks = backend::kChunkK / 32;
constexpr int64_t kActivationBytes = sizeof(backend::ActivationBlock);

// Type's constants: how dwords may be added in int16, what is subtracted, and which scales there
// are.
template <WeightType kType>
struct Traits {
  static constexpr bool kSigned = kType == WeightType::kQ8_0 || kType == WeightType::kQ6_K;
  static constexpr bool kFourBit =
      kType == WeightType::kQ4_0 || kType == WeightType::kQ4_1 || kType == WeightType::kQ4_K;
  // Dwords whose products fit one int16.
  static constexpr int kRun = kType == WeightType::kQ8_0 ? 1 : kFourBit ? 8 : 4;
  // What unsigned weights are above their value: subtracted through the sum of the activations.
  static constexpr int kBias = kType == WeightType::kQ4_0 ? 8 : kType == WeightType::kQ5_0 ? 16 : 0;
  static constexpr int kGroups = kType == WeightType::kQ6_K ? 2 : 1;
  static constexpr bool kSuper =
      kType == WeightType::kQ4_K || kType == WeightType::kQ5_K || kType == WeightType::kQ6_K;
  static constexpr bool kOffset = kType == WeightType::kQ4_1 || kType == WeightType::kQ5_1 ||
                                  kType == WeightType::kQ4_K || kType == WeightType::kQ5_K;
};

// An unpacked chunk of a panel, and the sums so far of up to kMatMulTileM rows.
struct Scratch {
  alignas(32) uint8_t weights[kChunkBlocks][kDwords][kRows * 4];
  alignas(32) float scale[kChunkBlocks * 2][kRows];  // [block][group][row]
  alignas(32) float offset[kChunkBlocks][kRows];
  alignas(32) float totals[kMatMulTileM][kRows];
};
static_assert(sizeof(Scratch) <= kScratchBytes);

LLMRT_AVX2_INLINE __m256i LoadVector(const uint8_t* bytes) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}

LLMRT_AVX2_INLINE void StoreFloats(float* out, __m256i bits) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(out), bits);
}

// Scales of the K types: eight (of 32 values, or Q6_K's of 16) of each row, transposed.
template <WeightType kType>
LLMRT_AVX2_INLINE void UnpackSuperScales(const uint8_t* const (&rows)[8], int64_t super,
                                         int64_t block, Scratch& scratch) {
  constexpr int64_t kBytes = backend::GeometryOf(kType).bytes;
  __m256i scale[8], second[8];
  for (int r = 0; r < kRows; ++r) {
    const uint8_t* start = rows[r] + super * kBytes;
    if constexpr (kType == WeightType::kQ6_K) {
      scale[r] = _mm256_castps_si256(LoadQ6_KScales(start, 0));
      second[r] = _mm256_castps_si256(LoadQ6_KScales(start, 1));
    } else {
      const KScales k = LoadKScales(start);
      scale[r] = _mm256_castps_si256(k.scale);
      second[r] = _mm256_castps_si256(k.offset);
    }
  }
  Transpose8x8(scale);
  Transpose8x8(second);
  for (int i = 0; i < 8; ++i) {
    if constexpr (kType == WeightType::kQ6_K) {
      StoreFloats(scratch.scale[block * 2 + i], scale[i]);
      StoreFloats(scratch.scale[block * 2 + 8 + i], second[i]);
    } else {
      StoreFloats(scratch.scale[block + i], scale[i]);
      StoreFloats(scratch.offset[block + i], second[i]);
    }
  }
}

// Scales and offsets of blocks [first, first + count) of eight rows; K types in whole blocks of
// 256.
template <WeightType kType>
LLMRT_AVX2_INLINE void UnpackScales(const uint8_t* const (&rows)[8], int64_t first, int64_t count,
                                    Scratch& scratch) {
  using T = Traits<kType>;
  if constexpr (T::kSuper) {
    for (int64_t b = 0; b < count; b += 8) {
      UnpackSuperScales<kType>(rows, (first + b) / 8, b, scratch);
    }
  } else {
    for (int64_t b = 0; b < count; ++b) {
      const int64_t start = (first + b) * backend::GeometryOf(kType).bytes;
      _mm256_store_ps(scratch.scale[b], GatherF16(rows, start));
      if constexpr (T::kOffset) _mm256_store_ps(scratch.offset[b], GatherF16(rows, start + 2));
    }
  }
}

// Prefetches what block `block` will be in the next panel.
template <WeightType kType>
LLMRT_AVX2_INLINE void PrefetchNextPanel(const MatMulTask& task, const uint8_t* const (&rows)[8],
                                         int64_t block) {
  constexpr backend::BlockGeometry kGeometry = backend::GeometryOf(kType);
  constexpr int64_t kParts = kGeometry.values / 32;
  PrefetchRows(rows, block * kGeometry.bytes / kParts, (block + 1) * kGeometry.bytes / kParts,
               kRows * task.row_stride);
}

// Values of blocks [first, first + count) of eight rows, transposed by dwords.
template <WeightType kType>
LLMRT_AVX2_INLINE void UnpackValues(const MatMulTask& task, const uint8_t* const (&rows)[8],
                                    int64_t first, int64_t count, Scratch& scratch) {
  for (int64_t b = 0; b < count; ++b) {
    PrefetchNextPanel<kType>(task, rows, first + b);
    __m256i w[8];
    for (int r = 0; r < kRows; ++r) w[r] = UnpackBlock<kType>(rows[r], first + b);
    Transpose8x8(w);
    for (int d = 0; d < kDwords; ++d) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(scratch.weights[b][d]), w[d]);
    }
  }
}

LLMRT_AVX2_INLINE __m256i BroadcastDword(const uint8_t* bytes) {
  return _mm256_set1_epi32(static_cast<int>(LoadU32(bytes)));
}

LLMRT_AVX2_INLINE __m256 BroadcastFloat(const uint8_t* bytes) {
  return _mm256_castsi256_ps(BroadcastDword(bytes));
}

// Sums of products of kCount dwords of eight rows with one activation block, as int32.
template <WeightType kType, int kCount>
LLMRT_AVX2_INLINE __m256i DotDwords(const uint8_t (*weights)[kRows * 4], const uint8_t* q) {
  using T = Traits<kType>;
  constexpr int kRun = T::kRun < kCount ? T::kRun : kCount;
  __m256i sum = _mm256_setzero_si256();
  for (int d = 0; d < kCount; d += kRun) {
    __m256i run = _mm256_setzero_si256();
    for (int i = d; i < d + kRun; ++i) {
      const __m256i w = LoadVector(weights[i]);
      const __m256i a = BroadcastDword(q + 4 * i);
      const __m256i pairs = T::kSigned
                                ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w))
                                : _mm256_maddubs_epi16(w, a);
      run = i == d ? pairs : _mm256_add_epi16(run, pairs);
    }
    const __m256i dwords = _mm256_madd_epi16(run, _mm256_set1_epi16(1));
    sum = d == 0 ? dwords : _mm256_add_epi32(sum, dwords);
  }
  return sum;
}

// The float steps of the class for block b: isum[g] are the integer products of its scale groups,
// with unsigned weights as they are; `a` is the activation block.
template <WeightType kType>
LLMRT_AVX2_INLINE __m256 AddSums(const Scratch& scratch, int64_t b, const uint8_t* a,
                                 const __m256i (&isum)[Traits<kType>::kGroups], __m256 acc) {
  using T = Traits<kType>;
  const __m256 d_a = BroadcastFloat(a);
  for (int g = 0; g < T::kGroups; ++g) {
    __m256i sum = isum[g];
    if constexpr (T::kBias != 0) {
      const int32_t sum_a = static_cast<int32_t>(LoadU32(a + 4));
      sum = _mm256_sub_epi32(sum, _mm256_set1_epi32(T::kBias * sum_a));
    }
    const __m256 scale = _mm256_mul_ps(_mm256_load_ps(scratch.scale[b * T::kGroups + g]), d_a);
    acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, acc);
  }
  if constexpr (T::kOffset) {
    const __m256 sum_a = _mm256_cvtepi32_ps(BroadcastDword(a + 4));
    acc = _mm256_fmadd_ps(sum_a, _mm256_mul_ps(_mm256_load_ps(scratch.offset[b]), d_a), acc);
  }
  return acc;
}

// One transposed block of the panel against one activation block.
template <WeightType kType>
LLMRT_AVX2_INLINE __m256 AddBlock(const Scratch& scratch, int64_t b, const uint8_t* a, __m256 acc) {
  constexpr int kGroups = Traits<kType>::kGroups;
  constexpr int kGroupDwords = kDwords / kGroups;
  __m256i isum[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    isum[g] = DotDwords<kType, kGroupDwords>(&scratch.weights[b][g * kGroupDwords],
                                             a + 8 + g * kGroupDwords * 4);
  }
  return AddSums<kType>(scratch, b, a, isum, acc);
}

// The chunk sums of kM rows of activations, added to their totals. Several rows share the loads of
// the weights and hide each other's latency.
template <WeightType kType, int kM>
LLMRT_AVX2_INLINE void AddChunk(const uint8_t* activations, int64_t stride, int64_t count,
                                int64_t m, Scratch& scratch) {
  __m256 acc[kM];
  for (__m256& sum : acc) sum = _mm256_setzero_ps();
  for (int64_t b = 0; b < count; ++b) {
    for (int i = 0; i < kM; ++i) {
      acc[i] = AddBlock<kType>(scratch, b, activations + i * stride + b * kActivationBytes, acc[i]);
    }
  }
  for (int i = 0; i < kM; ++i) {
    float* total = scratch.totals[m + i];
    _mm256_store_ps(total, _mm256_add_ps(_mm256_load_ps(total), acc[i]));
  }
}

// Rows [m0, m0 + rows) of activations times the panel of eight weight rows, into scratch.totals.
template <WeightType kType>
LLMRT_AVX2_INLINE void MultiplyPanel(const MatMulTask& task, const uint8_t* const (&weights)[8],
                                     int64_t m0, int64_t rows, Scratch& scratch) {
  for (int64_t m = 0; m < rows; ++m) _mm256_store_ps(scratch.totals[m], _mm256_setzero_ps());
  const int64_t num_blocks = task.cols / 32;
  for (int64_t first = 0; first < num_blocks; first += kChunkBlocks) {
    const int64_t count = Min(kChunkBlocks, num_blocks - first);
    UnpackScales<kType>(weights, first, count, scratch);
    UnpackValues<kType>(task, weights, first, count, scratch);
    const uint8_t* activations =
        task.activations + m0 * task.activation_stride + first * kActivationBytes;
    int64_t m = 0;
    for (; m + 4 <= rows; m += 4) {
      AddChunk<kType, 4>(activations + m * task.activation_stride, task.activation_stride, count, m,
                         scratch);
    }
    for (; m < rows; ++m) {
      AddChunk<kType, 1>(activations + m * task.activation_stride, task.activation_stride, count, m,
                         scratch);
    }
  }
}

// Adds up eight vectors of eight int32: sums over their lower halves and over their upper halves,
// each with vector r in lane r.
struct HalfSums {
  __m256i low;
  __m256i high;
};

LLMRT_AVX2_INLINE HalfSums SumEight(const __m256i (&v)[8]) {
  __m256i pairs[4];
  for (int i = 0; i < 4; ++i) {
    pairs[i] = _mm256_add_epi32(_mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]),
                                _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]));
  }
  const __m256i first = _mm256_add_epi32(_mm256_unpacklo_epi64(pairs[0], pairs[1]),
                                         _mm256_unpackhi_epi64(pairs[0], pairs[1]));
  const __m256i last = _mm256_add_epi32(_mm256_unpacklo_epi64(pairs[2], pairs[3]),
                                        _mm256_unpackhi_epi64(pairs[2], pairs[3]));
  return {_mm256_permute2x128_si256(first, last, 0x20),
          _mm256_permute2x128_si256(first, last, 0x31)};
}

// One block of eight rows as they lie against one activation block.
template <WeightType kType>
LLMRT_AVX2_INLINE __m256 StreamBlock(const Scratch& scratch, const __m256i (&w)[8], int64_t b,
                                     const uint8_t* a, __m256 acc) {
  using T = Traits<kType>;
  const __m256i q = Load32(a + 8);
  __m256i v[8];
  for (int r = 0; r < kRows; ++r) {
    const __m256i pairs =
        T::kSigned ? _mm256_maddubs_epi16(_mm256_abs_epi8(w[r]), _mm256_sign_epi8(q, w[r]))
                   : _mm256_maddubs_epi16(w[r], q);
    v[r] = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
  // Q6_K's two groups are the halves of a block.
  const HalfSums sums = SumEight(v);
  if constexpr (T::kGroups == 2) {
    return AddSums<kType>(scratch, b, a, {sums.low, sums.high}, acc);
  } else {
    return AddSums<kType>(scratch, b, a, {_mm256_add_epi32(sums.low, sums.high)}, acc);
  }
}

// kM rows of activations from row m0, one or two, times the panel, into scratch.totals.
template <WeightType kType, int kM>
LLMRT_AVX2_INLINE void StreamPanel(const MatMulTask& task, const uint8_t* const (&weights)[8],
                                   int64_t m0, Scratch& scratch) {
  const int64_t num_blocks = task.cols / 32;
  __m256 total[kM];
  for (__m256& sum : total) sum = _mm256_setzero_ps();
  for (int64_t first = 0; first < num_blocks; first += kChunkBlocks) {
    const int64_t count = Min(kChunkBlocks, num_blocks - first);
    UnpackScales<kType>(weights, first, count, scratch);
    __m256 acc[kM];
    for (__m256& sum : acc) sum = _mm256_setzero_ps();
    for (int64_t b = 0; b < count; ++b) {
      PrefetchNextPanel<kType>(task, weights, first + b);
      __m256i w[8];
      for (int r = 0; r < kRows; ++r) w[r] = UnpackBlock<kType>(weights[r], first + b);
      for (int i = 0; i < kM; ++i) {
        const uint8_t* a =
            task.activations + (m0 + i) * task.activation_stride + (first + b) * kActivationBytes;
        acc[i] = StreamBlock<kType>(scratch, w, b, a, acc[i]);
      }
    }
    for (int i = 0; i < kM; ++i) total[i] = _mm256_add_ps(total[i], acc[i]);
  }
  for (int i = 0; i < kM; ++i) _mm256_store_ps(scratch.totals[i], total[i]);
}

template <WeightType kType>
LLMRT_AVX2_INLINE void MatMul(const MatMulTask& task) {
  Scratch& scratch = *reinterpret_cast<Scratch*>(task.scratch);
  for (int64_t m0 = 0; m0 < task.num_rows; m0 += kMatMulTileM) {
    const int64_t rows = Min(kMatMulTileM, task.num_rows - m0);
    for (int64_t n = task.begin; n < task.end; n += kRows) {
      const int64_t features = Min(kRows, task.end - n);
      // A short panel repeats its last row; those results are not stored.
      const uint8_t* weights[8];
      for (int r = 0; r < kRows; ++r) {
        weights[r] = task.weights + (n + Min(r, features - 1)) * task.row_stride;
      }
      if (rows == 1) {
        StreamPanel<kType, 1>(task, weights, m0, scratch);
      } else if (rows == 2) {
        StreamPanel<kType, 2>(task, weights, m0, scratch);
      } else {
        MultiplyPanel<kType>(task, weights, m0, rows, scratch);
      }
      for (int64_t m = 0; m < rows; ++m) {
        float* out = task.out + (m0 + m) * task.out_stride + n;
        __m256 total = _mm256_load_ps(scratch.totals[m]);
        if (task.accumulate) total = _mm256_add_ps(LoadPadded(out, 0, features), total);
        StorePadded(out, 0, features, total);
      }
    }
  }
}

}  // namespace

void MatMulQ8_0(const MatMulTask& task) { MatMul<WeightType::kQ8_0>(task); }
void MatMulQ4_0(const MatMulTask& task) { MatMul<WeightType::kQ4_0>(task); }
void MatMulQ4_1(const MatMulTask& task) { MatMul<WeightType::kQ4_1>(task); }
void MatMulQ5_0(const MatMulTask& task) { MatMul<WeightType::kQ5_0>(task); }
void MatMulQ5_1(const MatMulTask& task) { MatMul<WeightType::kQ5_1>(task); }
void MatMulQ4_K(const MatMulTask& task) { MatMul<WeightType::kQ4_K>(task); }
void MatMulQ5_K(const MatMulTask& task) { MatMul<WeightType::kQ5_K>(task); }
void MatMulQ6_K(const MatMulTask& task) { MatMul<WeightType::kQ6_K>(task); }

}  // namespace llmrt::cpu::avx2
