// What a warp does together, once all its lanes have come.
#include <cstring>

#include "cuda/device/device.h"
#include "cuda_host/block.h"

namespace llmrt::cuda_host {
namespace {

void Shuffle(Lane* lanes) {
  uint64_t values[kLanes];
  const size_t bytes = lanes[0].call.bytes;
  for (uint32_t i = 0; i < kLanes; ++i) std::memcpy(&values[i], lanes[i].exchange.input, bytes);
  for (uint32_t i = 0; i < kLanes; ++i) {
    std::memcpy(lanes[i].exchange.output, &values[lanes[i].exchange.lane % kLanes], bytes);
  }
}

void Ballot(Lane* lanes) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < kLanes; ++i) mask |= lanes[i].exchange.lane << i;
  for (uint32_t i = 0; i < kLanes; ++i) std::memcpy(lanes[i].exchange.output, &mask, sizeof(mask));
}

// Lane 8 i + r has the address of row r of matrix i. Lane l receives of each matrix the values
// [l / 4][2 (l % 4)] and the one right of it; transposed: [2 (l % 4)][l / 4] and the one below.
void LoadMatrices(Lane* lanes, uint32_t count, bool transposed) {
  for (uint32_t matrix = 0; matrix < count; ++matrix) {
    uint16_t values[8][8];
    for (uint32_t row = 0; row < 8; ++row) {
      std::memcpy(values[row], lanes[matrix * 8 + row].exchange.input, sizeof(values[row]));
    }
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      const uint32_t g = lane / 4;
      const uint32_t t = lane % 4 * 2;
      const uint32_t low = transposed ? values[t][g] : values[g][t];
      const uint32_t high = transposed ? values[t + 1][g] : values[g][t + 1];
      static_cast<uint32_t*>(lanes[lane].exchange.output)[matrix] = low | high << 16;
    }
  }
}

// Fragments as device.h lays them out. Variants: bit 0 bfloat16, bit 1 rows of A exchanged.
void Multiply(Lane* lanes, MatrixUnit unit) {
  uint16_t a[16][16];
  uint16_t b[8][16];
  float d[16][8];
  const uint32_t variant = lanes[0].exchange.variant;
  const uint32_t swap = (variant & 2) != 0 ? 1 : 0;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    const Exchange& exchange = lanes[lane].exchange;
    const uint32_t* fragment_a = static_cast<const uint32_t*>(exchange.input);
    const uint32_t* fragment_b = static_cast<const uint32_t*>(exchange.more);
    const float* fragment_d = static_cast<const float*>(exchange.output);
    const uint32_t g = lane / 4;
    const uint32_t t = lane % 4 * 2;
    for (uint32_t i = 0; i < 4; ++i) {
      std::memcpy(&a[g + 8 * (i % 2)][t + 8 * (i / 2)], &fragment_a[i ^ swap], 4);
      d[g + 8 * (i / 2)][t + i % 2] = fragment_d[i];
    }
    for (uint32_t i = 0; i < 2; ++i) std::memcpy(&b[g][t + 8 * i], &fragment_b[i], 4);
  }
  if ((variant & 1) != 0) {
    ExactMultiplyAccumulate<cuda::BFloat16>(a, b, d, unit);
  } else {
    ExactMultiplyAccumulate<cuda::Half>(a, b, d, unit);
  }
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    float* fragment_d = static_cast<float*>(lanes[lane].exchange.output);
    for (uint32_t i = 0; i < 4; ++i) {
      fragment_d[i] = d[lane / 4 + 8 * (i / 2)][lane % 4 * 2 + i % 2];
    }
  }
}

}  // namespace

void PerformWarpCall(Lane* lanes, MatrixUnit unit) {
  switch (lanes[0].call.wrapper) {
    case Wrapper::kShuffleXor:
    case Wrapper::kShuffleFrom:
      return Shuffle(lanes);
    case Wrapper::kBallot:
      return Ballot(lanes);
    case Wrapper::kLoadMatrices4:
      return LoadMatrices(lanes, 4, false);
    case Wrapper::kLoadMatrices4Transposed:
      return LoadMatrices(lanes, 4, true);
    case Wrapper::kLoadMatrices2:
      return LoadMatrices(lanes, 2, false);
    case Wrapper::kLoadMatrices2Transposed:
      return LoadMatrices(lanes, 2, true);
    case Wrapper::kMultiplyAccumulate:
      return Multiply(lanes, unit);
    default:
      return;  // SyncWarp: to have come is all
  }
}

}  // namespace llmrt::cuda_host
