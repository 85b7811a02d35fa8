// Prepared int8 rows into tiles (cpu/activations_avx2.h).
#include "cpu/activations_avx2.h"
#include "cpu/kernels_avx2.h"

namespace llmrt::cpu::avx2 {
namespace {

template <WeightType kType, int kM>
LLMRT_AVX2_INLINE void PackTile(const PackTask& task) {
  auto* tiles = reinterpret_cast<ActivationTile<kType, kM>*>(task.out);
  const int64_t rows = Min(kM, task.num_rows);
  for (int64_t b = task.begin; b < task.end; ++b) {
    if (rows < kM) __builtin_memset(&tiles[b], 0, sizeof(tiles[b]));
    for (int m = 0; m < rows; ++m) {
      PackRowBlock(task.rows + m * task.row_stride + b * sizeof(backend::ActivationBlock), m,
                   tiles[b]);
    }
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE void Pack(const PackTask& task) {
  switch (task.tile_rows) {
    case 1:
      return PackTile<kType, 1>(task);
    case 2:
      return PackTile<kType, 2>(task);
    default:
      return PackTile<kType, kTileRows>(task);
  }
}

template <WeightType kType>
LLMRT_AVX2_INLINE RowTile TileOf(int64_t rows) {
  const int tile_rows = TileRows(rows);
  const int64_t bytes = tile_rows == 1   ? sizeof(ActivationTile<kType, 1>)
                        : tile_rows == 2 ? sizeof(ActivationTile<kType, 2>)
                                         : sizeof(ActivationTile<kType, kTileRows>);
  return {tile_rows, bytes};
}

}  // namespace

RowTile TileQ8_0(int64_t rows) { return TileOf<WeightType::kQ8_0>(rows); }
void PackQ8_0(const PackTask& task) { Pack<WeightType::kQ8_0>(task); }

RowTile TileQ4_0(int64_t rows) { return TileOf<WeightType::kQ4_0>(rows); }
void PackQ4_0(const PackTask& task) { Pack<WeightType::kQ4_0>(task); }

RowTile TileQ4_1(int64_t rows) { return TileOf<WeightType::kQ4_1>(rows); }
void PackQ4_1(const PackTask& task) { Pack<WeightType::kQ4_1>(task); }

RowTile TileQ5_0(int64_t rows) { return TileOf<WeightType::kQ5_0>(rows); }
void PackQ5_0(const PackTask& task) { Pack<WeightType::kQ5_0>(task); }

RowTile TileQ5_1(int64_t rows) { return TileOf<WeightType::kQ5_1>(rows); }
void PackQ5_1(const PackTask& task) { Pack<WeightType::kQ5_1>(task); }

RowTile TileQ4_K(int64_t rows) { return TileOf<WeightType::kQ4_K>(rows); }
void PackQ4_K(const PackTask& task) { Pack<WeightType::kQ4_K>(task); }

RowTile TileQ5_K(int64_t rows) { return TileOf<WeightType::kQ5_K>(rows); }
void PackQ5_K(const PackTask& task) { Pack<WeightType::kQ5_K>(task); }

RowTile TileQ6_K(int64_t rows) { return TileOf<WeightType::kQ6_K>(rows); }
void PackQ6_K(const PackTask& task) { Pack<WeightType::kQ6_K>(task); }

}  // namespace llmrt::cpu::avx2
