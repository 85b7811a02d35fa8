// Prepared int8 rows into the tiles of cpu/activation_tiles_512.h, for the tiers avx512, vnni and
// amx.
#include "cpu/activation_tiles_512.h"
#include "cpu/kernels_avx512.h"

namespace llmrt::cpu::avx512 {
namespace {

using backend::WeightType;

// Some blocks of a tile of 16 rows; half a page more, as panel_512.h says.
constexpr int64_t kAheadBytes = 4096 + x512::kHalfPageBytes;

template <WeightType kType, int kM>
LLMRT_512_INLINE void PackTile(const PackTask& task) {
  auto* tiles = reinterpret_cast<x512::ActivationTile<kType, kM>*>(task.out);
  const int64_t rows = x512::Min(kM, task.num_rows);
  for (int64_t b = task.begin; b < task.end; ++b) {
    // The weights that were read since the last rows have driven the tiles out of the caches.
    x512::Prefetch(reinterpret_cast<const uint8_t*>(&tiles[b]) + kAheadBytes, sizeof(tiles[b]));
    if (rows < kM) __builtin_memset(&tiles[b], 0, sizeof(tiles[b]));
    for (int m = 0; m < rows; ++m) {
      x512::PackRowBlock(task.rows + m * task.row_stride + b * sizeof(backend::ActivationBlock), m,
                         tiles[b]);
    }
  }
}

template <WeightType kType>
LLMRT_512_INLINE void Pack(const PackTask& task) {
  switch (task.tile_rows) {
    case 1:
      return PackTile<kType, 1>(task);
    case 2:
      return PackTile<kType, 2>(task);
    case 4:
      return PackTile<kType, 4>(task);
    case 8:
      return PackTile<kType, 8>(task);
    default:
      return PackTile<kType, 16>(task);
  }
}

template <WeightType kType>
LLMRT_512_INLINE RowTile TileOf(int64_t rows) {
  const int tile_rows = x512::TileRows(rows);
  const int64_t bytes = tile_rows == 1   ? sizeof(x512::ActivationTile<kType, 1>)
                        : tile_rows == 2 ? sizeof(x512::ActivationTile<kType, 2>)
                        : tile_rows == 4 ? sizeof(x512::ActivationTile<kType, 4>)
                        : tile_rows == 8 ? sizeof(x512::ActivationTile<kType, 8>)
                                         : sizeof(x512::ActivationTile<kType, 16>);
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

}  // namespace llmrt::cpu::avx512
