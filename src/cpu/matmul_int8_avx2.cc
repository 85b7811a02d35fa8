// Products with quantized weights in AVX2, class int8-blocks-32 (formulas: ops/matmul.h; panels:
// cpu/panel_layout.h).
//
// A vector holds one dword, four values along K, of each of eight features. A dword of a row of
// activations is broadcast to meet those of both halves of a panel: two vectors of weights and
// kTileRows of activations make 2 * kTileRows sums in registers. VPMADDUBSW multiplies unsigned
// weights with signed activations and adds neighbours to int16; these are added over the block, or
// over a scale group of Q6_K, in int16 as well, and widened once.
//
// Why int16 holds them. |activation| <= 127. A sum starts from what the weights' bias will add,
// negative, so at its end it is that of the quantities themselves: 4 bits 16 * 15 * 127 = 30480
// (no bias) or 16 * 8 * 127; 5 bits 16 * 16 * 127 = 32512; 6 bits, 8 values of a group, 8 * 32 *
// 127 = 32512. In between it may wrap around, which the additions undo. Single products of
// VPMADDUBSW saturate, but 2 * 63 * 127 = 16002 is the most. Eight-bit weights do not fit: they are
// widened to int16 and multiplied by VPMADDWD.
//
// Two orders of work. Few rows wait for memory: each panel is read forward from end to end. Many
// rows wait for arithmetic: chunks of K outside, so that a chunk of the activations stays in the
// second cache for a number of panels. Where several tiles of rows meet a chunk of a panel, it is
// unpacked once for all of them.
#include "cpu/activations_avx2.h"
#include "cpu/kernels_avx2.h"
#include "cpu/panel_avx2.h"
#include "cpu/weights_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

constexpr int64_t kChunkBlocks = backend::kChunkK / kBlockValues;
// Up to so many rows a product waits for memory.
constexpr int64_t kStreamRows = 16;
// Of the order for many rows: rows and panels whose sums lie in scratch.
constexpr int64_t kBandRows = 128;
constexpr int64_t kBandPanels = 16;

// A block of weights as it lies in its panel.
template <WeightType kType>
struct PackedBlock {
  const uint8_t* group;
  int64_t part;
};

template <WeightType kType>
LLMRT_AVX2_INLINE __m256i Weights(const PackedBlock<kType>& block, int half, int step) {
  return UnpackDword<kType>(block.group, block.part, half, step);
}

template <WeightType kType>
LLMRT_AVX2_INLINE Scales<kType> ScalesOf(const PackedBlock<kType>& block) {
  return LoadScales<kType>(block.group, block.part);
}

// The same unpacked.
template <WeightType kType>
struct UnpackedBlock {
  alignas(64) uint8_t weights[Traits<kType>::kSteps][kVectorBytes];
  Scales<kType> scales;
};

template <WeightType kType>
LLMRT_AVX2_INLINE __m256i Weights(const UnpackedBlock<kType>& block, int half, int step) {
  return Load32(block.weights[step] + half * kHalfBytes);
}

template <WeightType kType>
LLMRT_AVX2_INLINE const Scales<kType>& ScalesOf(const UnpackedBlock<kType>& block) {
  return block.scales;
}

// Adds the products of a dword of eight features to their sums, int16 or int32.
template <WeightType kType>
LLMRT_AVX2_INLINE void AddProducts(__m256i& run, __m256i w, __m256i a) {
  run = Traits<kType>::kWide ? _mm256_add_epi32(run, _mm256_madd_epi16(w, a))
                             : _mm256_add_epi16(run, _mm256_maddubs_epi16(w, a));
  // The sum as such: GCC would make a tree of a block's additions and keep all products for it,
  // far more than there are registers.
  asm("" : "+x"(run));
}

// The sums of scale group `g` of a block with kM rows, by half of the panel.
template <WeightType kType, int kM, typename Block>
LLMRT_AVX2_INLINE void SumGroup(const Block& block, const ActivationTile<kType, kM>& tile, int g,
                                __m256i (&run)[kM][2]) {
  constexpr int kEach = Traits<kType>::kSteps / Traits<kType>::kScaleGroups;
#pragma GCC unroll 4
  for (int m = 0; m < kM; ++m) {
    run[m][0] = run[m][1] =
        SumBias<kType>() == 0 ? _mm256_setzero_si256() : _mm256_set1_epi32(tile.start[g][m]);
  }
#pragma GCC unroll 16
  for (int step = g * kEach; step < (g + 1) * kEach; ++step) {
    const __m256i first = Weights(block, 0, step), second = Weights(block, 1, step);
#pragma GCC unroll 4
    for (int m = 0; m < kM; ++m) {
      const __m256i a = _mm256_set1_epi32(tile.q[step][m]);
      AddProducts<kType>(run[m][0], first, a);
      AddProducts<kType>(run[m][1], second, a);
    }
  }
}

// One block of a panel with one block of kM rows: the float steps of the class.
template <WeightType kType, int kM, typename Block>
LLMRT_AVX2_INLINE void AddBlock(const Block& block, const ActivationTile<kType, kM>& tile,
                                __m256 (&acc)[kM][2]) {
  using T = Traits<kType>;
  constexpr bool kBack = SumBias<kType>() != WeightBias(kType);
  const Scales<kType>& scales = ScalesOf(block);
#pragma GCC unroll 2
  for (int g = 0; g < T::kScaleGroups; ++g) {
    __m256i run[kM][2];
    SumGroup<kType, kM>(block, tile, g, run);
#pragma GCC unroll 4
    for (int m = 0; m < kM; ++m) {
      const __m256 d_a = _mm256_set1_ps(tile.scale[m]);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        __m256i sum = run[m][h];
        if constexpr (!T::kWide) sum = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
        if constexpr (kBack) sum = _mm256_add_epi32(sum, _mm256_set1_epi32(tile.back[m]));
        acc[m][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_mul_ps(scales.scale[g][h], d_a),
                                    acc[m][h]);
        if constexpr (T::kOffset) {
          acc[m][h] = _mm256_fmadd_ps(_mm256_set1_ps(tile.sum[m]),
                                      _mm256_mul_ps(scales.offset[h], d_a), acc[m][h]);
        }
      }
    }
  }
}

// Asks for block `block` of a panel, all of its group's header included where it is the first,
// `ahead` bytes further on.
template <WeightType kType>
LLMRT_AVX2_INLINE void PrefetchBlock(const uint8_t* panel, int64_t block, int64_t ahead) {
  using T = Traits<kType>;
  constexpr int64_t kBytes = T::kLayout.group_bytes / T::kGroupBlocks;
  const uint8_t* first = panel + block * kBytes + ahead;
  for (int64_t i = 0; i < kBytes; i += 64) Prefetch(first + i);
}

template <WeightType kType>
LLMRT_AVX2_INLINE PackedBlock<kType> BlockAt(const uint8_t* panel, int64_t block) {
  using T = Traits<kType>;
  return {panel + block / T::kGroupBlocks * T::kLayout.group_bytes, block % T::kGroupBlocks};
}

// Blocks [first, first + count) of a panel with tiles[first ...), summed from zero, then added to
// the rows' totals.
template <WeightType kType, int kM>
LLMRT_AVX2_INLINE void AddChunk(const uint8_t* panel, int64_t first, int64_t count,
                                const ActivationTile<kType, kM>* tiles,
                                float (*totals)[kPanelRows]) {
  __m256 acc[kM][2];
  for (auto& row : acc) row[0] = row[1] = _mm256_setzero_ps();
  for (int64_t b = first; b < first + count; ++b) {
    PrefetchBlock<kType>(panel, b, kPrefetchBytes);
    AddBlock<kType, kM>(BlockAt<kType>(panel, b), tiles[b], acc);
  }
  AddTotals<kM>(acc, totals);
}

// Unpacks blocks [first, first + count) of a panel and asks for what lies `ahead` bytes further on.
template <WeightType kType>
LLMRT_AVX2_INLINE void UnpackChunk(const uint8_t* panel, int64_t first, int64_t count,
                                   int64_t ahead, UnpackedBlock<kType>* out) {
  for (int64_t b = first; b < first + count; ++b, ++out) {
    PrefetchBlock<kType>(panel, b, ahead);
    const PackedBlock<kType> block = BlockAt<kType>(panel, b);
    out->scales = ScalesOf(block);
    for (int step = 0; step < Traits<kType>::kSteps; ++step) {
      for (int h = 0; h < 2; ++h) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(out->weights[step] + h * kHalfBytes),
                           Weights(block, h, step));
      }
    }
  }
}

// The same as AddChunk with blocks [0, count) that were unpacked.
template <WeightType kType, int kM>
LLMRT_AVX2_INLINE void AddUnpacked(const UnpackedBlock<kType>* blocks, int64_t count,
                                   const ActivationTile<kType, kM>* tiles,
                                   float (*totals)[kPanelRows]) {
  __m256 acc[kM][2];
  for (auto& row : acc) row[0] = row[1] = _mm256_setzero_ps();
  for (int64_t b = 0; b < count; ++b) AddBlock<kType, kM>(blocks[b], tiles[b], acc);
  AddTotals<kM>(acc, totals);
}

// A tile of rows, of task.packed, at its first block.
template <WeightType kType, int kM>
LLMRT_AVX2_INLINE const ActivationTile<kType, kM>* TileAt(const MatMulTask& task, int64_t tile) {
  return reinterpret_cast<const ActivationTile<kType, kM>*>(task.packed) +
         tile * (task.cols / kBlockValues);
}

// All rows, kStreamRows at most, in tiles of kM, times panels one after the other, each from end to
// end.
template <WeightType kType, int kM>
LLMRT_AVX2_INLINE void Stream(const MatMulTask& task) {
  // What takes more than a few operations to unpack is worth a copy for one full tile of rows, the
  // plain types for three.
  using T = Traits<kType>;
  constexpr bool kPlain = T::kLayout.plane_bytes == 0 && !T::kOffset;
  auto* chunk = reinterpret_cast<UnpackedBlock<kType>*>(task.scratch);
  const int64_t num_blocks = task.cols / kBlockValues;
  for (int64_t panel = task.begin / kPanelRows; panel * kPanelRows < task.end; ++panel) {
    const uint8_t* weights = task.panels + panel * task.panel_bytes;
    alignas(32) float totals[kStreamRows][kPanelRows] = {};
    for (int64_t b = 0; b < num_blocks; b += kChunkBlocks) {
      const int64_t count = Min(kChunkBlocks, num_blocks - b);
      if (kM < kTileRows || (kPlain && task.num_rows <= 2 * kM)) {
        for (int64_t m = 0; m < task.num_rows; m += kM) {
          AddChunk<kType, kM>(weights, b, count, TileAt<kType, kM>(task, m / kM), totals + m);
        }
        continue;
      }
      UnpackChunk(weights, b, count, kPrefetchBytes, chunk);
      for (int64_t m = 0; m < task.num_rows; m += kM) {
        AddUnpacked(chunk, count, TileAt<kType, kM>(task, m / kM) + b, totals + m);
      }
    }
    StoreTotals(task, panel, 0, task.num_rows, totals);
  }
}

// Laid over the worker's scratch memory: a chunk of a panel, and the sums of a band.
template <WeightType kType>
struct BandScratch {
  UnpackedBlock<kType> weights[kChunkBlocks];
  alignas(64) float totals[kBandPanels][kBandRows][kPanelRows];
};

struct Band {
  int64_t first_row;
  int64_t num_rows;
  int64_t first_panel;
  int64_t num_panels;
};

template <WeightType kType>
LLMRT_AVX2_INLINE void MultiplyBand(const MatMulTask& task, const Band& band) {
  static_assert(sizeof(BandScratch<kType>) <= kScratchBytes);
  BandScratch<kType>& scratch = *reinterpret_cast<BandScratch<kType>*>(task.scratch);
  const int64_t num_blocks = task.cols / kBlockValues;
  __builtin_memset(scratch.totals, 0, band.num_panels * sizeof(scratch.totals[0]));
  for (int64_t b = 0; b < num_blocks; b += kChunkBlocks) {
    const int64_t count = Min(kChunkBlocks, num_blocks - b);
    for (int64_t p = 0; p < band.num_panels; ++p) {
      // Asks for the chunk of the next panel.
      UnpackChunk(task.panels + (band.first_panel + p) * task.panel_bytes, b, count,
                  task.panel_bytes, scratch.weights);
      for (int64_t m = 0; m < band.num_rows; m += kTileRows) {
        const int64_t tile = (band.first_row + m) / kTileRows;
        AddUnpacked(scratch.weights, count, TileAt<kType, kTileRows>(task, tile) + b,
                    scratch.totals[p] + m);
      }
    }
  }
  for (int64_t p = 0; p < band.num_panels; ++p) {
    StoreTotals(task, band.first_panel + p, band.first_row, band.num_rows, scratch.totals[p]);
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE void MultiplyBands(const MatMulTask& task) {
  const int64_t first_panel = task.begin / kPanelRows;
  const int64_t end_panel = (task.end + kPanelRows - 1) / kPanelRows;
  for (int64_t m = 0; m < task.num_rows; m += kBandRows) {
    for (int64_t p = first_panel; p < end_panel; p += kBandPanels) {
      MultiplyBand<kType>(
          task, {m, Min(kBandRows, task.num_rows - m), p, Min(kBandPanels, end_panel - p)});
    }
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE void MatMul(const MatMulTask& task) {
  if (task.num_rows > kStreamRows) return MultiplyBands<kType>(task);
  if (task.num_rows > 2) return Stream<kType, kTileRows>(task);
  if (task.num_rows == 2) return Stream<kType, 2>(task);
  Stream<kType, 1>(task);
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
