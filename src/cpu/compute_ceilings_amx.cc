// The loops of AMX: tiles of 16 x 64 bytes, two by two, as in a product with a tile of 32 x 32
// sums. Each is loaded from the first cache for two multiplications. Call them only with the
// system's permission.
#include <immintrin.h>

#include "cpu/compute_loops.h"

namespace llmrt::cpu {
namespace {

constexpr int kTileBytes = 1024;
constexpr int64_t kTileRowBytes = 64;
constexpr int kTileRows = 16;
constexpr int kSums = 4;       // tiles 0 to 3; 4 and 5 hold rows, 6 and 7 columns
constexpr int kProducts = 4;   // of two tiles with two
constexpr int kStepTiles = 2;  // of either side
constexpr int kByteSteps = sizeof(ComputeOperands::bytes) / kTileBytes / kStepTiles;

// What LDTILECFG reads: palette 1, all eight tiles of the full size.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);
// Not on the stack: some compilers' intrinsic does not say that all of it is read.
const TileConfig kTileConfig;

void StartTiles() {
  _tile_loadconfig(&kTileConfig);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// The lanes of all sums as bits, added up; gives the tiles back.
uint32_t FinishTiles() {
  alignas(64) uint32_t lanes[kSums][kTileBytes / 4];
  _tile_stored(0, lanes[0], kTileRowBytes);
  _tile_stored(1, lanes[1], kTileRowBytes);
  _tile_stored(2, lanes[2], kTileRowBytes);
  _tile_stored(3, lanes[3], kTileRowBytes);
  _tile_release();
  uint32_t sum = 0;
  for (const auto& tile : lanes) {
    for (const uint32_t lane : tile) sum += lane;
  }
  return sum;
}

void LoadStep(const void* rows, const void* columns) {
  const auto* const row_bytes = static_cast<const uint8_t*>(rows);
  const auto* const column_bytes = static_cast<const uint8_t*>(columns);
  _tile_loadd(4, row_bytes, kTileRowBytes);
  _tile_loadd(5, row_bytes + kTileBytes, kTileRowBytes);
  _tile_loadd(6, column_bytes, kTileRowBytes);
  _tile_loadd(7, column_bytes + kTileBytes, kTileRowBytes);
}

uint32_t RunInt8(const ComputeOperands& operands, int64_t rounds) {
  StartTiles();
  for (int64_t round = 0; round < rounds; ++round) {
    for (int step = 0; step < kByteSteps; ++step) {
      LoadStep(operands.bytes + step * kStepTiles * kTileBytes,
               operands.nibbles + step * kStepTiles * kTileBytes);
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
  }
  return FinishTiles();
}

// One half of the numbers are rows, the other columns.
uint32_t RunBFloat(const ComputeOperands& operands, int64_t rounds) {
  StartTiles();
  for (int64_t round = 0; round < rounds; ++round) {
    LoadStep(operands.bfloats, operands.bfloats + kStepTiles * kTileBytes / 2);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  return FinishTiles();
}

constexpr int64_t kLanes = kTileRows * kTileRows;

}  // namespace

// A lane adds up 64 products of bytes, or 32 of bfloat16.
const ComputeLoop kInt8AmxLoop = {
    .operations_per_round = int64_t{2} * 64 * kLanes * kProducts * kByteSteps, .run = RunInt8};
const ComputeLoop kBFloatAmxLoop = {.operations_per_round = int64_t{2} * 32 * kLanes * kProducts,
                                    .run = RunBFloat};

}  // namespace llmrt::cpu
