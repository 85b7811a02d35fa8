// out[m, n] (+)= sum over k of activation[m, k] * weight[n, k] on matrix units, for 16-bit types T.
//
//   total = 0; for each chunk of 512 k ascending:
//     sum = 0; for each 16 k ascending: sum = m16n8k16(weight, activation, sum)
//     total = total + sum                                              float32
//
// Weights are operand A [16 features, 16 k], tokens operand B [16 k, 8 tokens]. Rows of both come
// through shared memory in stages of 64 k: 128 bytes a row, copied asynchronously, the 16-byte
// units of a row in an order that depends on the row, so that the 8 rows that ldmatrix reads lie in
// different banks. Three stages: two are on their way while one is multiplied. Rows beyond the last
// feature or token are zeros that were never read. Two layouts of the work, with equal bits:
//
//   NarrowMatMul  Block (x, y): features 16x to 16x + 15 of the range, tokens 8y to 8y + 7. Warp w
//                 of W owns chunks w, w + W, ... whole, in a pipeline of its own that waits for no
//                 other warp. Chunk sums stay in shared memory until all are there; then each
//                 output adds its chunks ascending.
//   WideMatMul    Block (x, y): tokens x * kTokens onward, features 64y to 64y + 63 of the range,
//                 16 a warp. All warps walk through all of K together.
//
// Shared bytes: matmul.h. Compute capability 8.0.
#pragma once

#include "cuda/device/device.h"
#include "cuda/kernels/matmul.h"

namespace llmrt::cuda {

inline constexpr uint32_t kMatMulStepK = 16;  // of one m16n8k16
inline constexpr uint32_t kMatMulStagesPerChunk = kMatMulChunk / kMatMulStageK;
inline constexpr uint32_t kMatMulUnits = kMatMulStageRowBytes / 16;  // 16-byte units of a row

// Byte offset of a unit of a row within a stage.
LLMRT_DEVICE uint32_t StageOffset(uint32_t row, uint32_t unit) {
  return row * kMatMulStageRowBytes + (unit ^ row % kMatMulUnits) * 16;
}

// Rows [first, end) of a matrix whose rows lie `stride` bytes apart.
struct RowRange {
  const uint8_t* rows;
  int64_t stride;
  int32_t first;
  int32_t end;
};

// Starts copying values [k, k + 64) of the first kRows rows, by kThreads threads.
template <uint32_t kRows, uint32_t kThreads>
LLMRT_DEVICE void CopyStageRows(uint8_t* stage, const RowRange& range, int64_t k, uint32_t thread) {
  constexpr uint32_t kRowsAtOnce = kThreads / kMatMulUnits;
  const uint32_t unit = thread % kMatMulUnits;
  const uint8_t* const source = range.rows + k * 2 + unit * 16;
#pragma unroll
  for (uint32_t i = 0; i < kRows; i += kRowsAtOnce) {
    const uint32_t row = i + thread / kMatMulUnits;
    const int32_t index = range.first + static_cast<int32_t>(row);
    const bool valid = index < range.end;
    CopyAsync16(stage + StageOffset(row, unit), source + (valid ? index : 0) * range.stride, valid);
  }
}

// The operand A of 16 rows from `first_row` on, values [16 step, 16 step + 16) of the stage.
LLMRT_DEVICE void LoadOperandA(uint32_t (&a)[4], const uint8_t* rows, uint32_t first_row,
                               uint32_t step) {
  const uint32_t lane = LaneIndex();
  LoadMatrices4(a, rows + StageOffset(first_row + lane % 16, 2 * step + lane / 16));
}

LLMRT_DEVICE void StoreOutput(const MatMulArgs& args, int32_t token, int32_t feature, float total) {
  if (token >= args.num_rows || feature >= args.end_feature) return;
  float* const out = args.out + token * args.out_stride + feature;
  Store(out, args.accumulate != 0 ? Load(out) + total : total);
}

// sum += the stage's 16 features times its 8 tokens.
template <typename T>
LLMRT_DEVICE void MultiplyNarrowStage(float (&sum)[4], const uint8_t* weights,
                                      const uint8_t* tokens) {
  const uint32_t lane = LaneIndex();
#pragma unroll
  for (uint32_t step = 0; step < kMatMulStageK / kMatMulStepK; step += 2) {
    uint32_t b[4];  // operands of two steps
    LoadMatrices4(b, tokens + StageOffset(lane % 8, 2 * step + lane / 8));
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      uint32_t a[4];
      LoadOperandA(a, weights, 0, step + i);
      const uint32_t b_step[2] = {b[2 * i], b[2 * i + 1]};
      MultiplyAccumulate<T>(sum, a, b_step);
    }
  }
}

// Leaves a warp's [16 features, 8 tokens] in shared memory, a row a token.
LLMRT_DEVICE void StoreChunkSums(float* sums, const float (&sum)[4]) {
  const uint32_t lane = LaneIndex();
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t feature = lane / 4 + i / 2 * 8;
    const uint32_t token = lane % 4 * 2 + i % 2;
    Store(sums + token * kMatMulNarrowSumStride + feature, sum[i]);
  }
}

template <typename T>
LLMRT_DEVICE void NarrowMatMul(const MatMulArgs& args) {
  constexpr uint32_t kWeightBytes = kMatMulNarrowFeatures * kMatMulStageRowBytes;
  const uint32_t warps = BlockThreads() / kWarpLanes;
  const uint32_t warp = WarpIndex();
  const RowRange weights = {
      args.weight, args.row_stride,
      args.first_feature + static_cast<int32_t>(BlockIndexX() * kMatMulNarrowFeatures),
      args.end_feature};
  const RowRange tokens = {args.activations, args.row_stride,
                           static_cast<int32_t>(BlockIndexY() * kMatMulNarrowTokens),
                           args.num_rows};
  uint8_t* const stages = SharedMemory() + warp * kMatMulStages * kMatMulNarrowStageBytes;
  float* const sums =
      reinterpret_cast<float*>(SharedMemory() + warps * kMatMulStages * kMatMulNarrowStageBytes);
  constexpr uint32_t kChunkFloats = kMatMulNarrowChunkBytes / sizeof(float);

  // The warp's stages in order: eight a chunk, fewer in the last chunk of all.
  const auto chunk_of = [&](uint32_t i) { return warp + i / kMatMulStagesPerChunk * warps; };
  const auto k_of = [&](uint32_t i) {
    return chunk_of(i) * kMatMulChunk + i % kMatMulStagesPerChunk * kMatMulStageK;
  };
  const auto copy = [&](uint32_t i) {
    if (k_of(i) < args.padded_k) {
      uint8_t* const stage = stages + i % kMatMulStages * kMatMulNarrowStageBytes;
      CopyStageRows<kMatMulNarrowFeatures, kWarpLanes>(stage, weights, k_of(i), LaneIndex());
      CopyStageRows<kMatMulNarrowTokens, kWarpLanes>(stage + kWeightBytes, tokens, k_of(i),
                                                     LaneIndex());
    }
    CommitCopies();
  };
  for (uint32_t i = 0; i < kMatMulStages - 1; ++i) copy(i);
  float sum[4] = {};
  for (uint32_t i = 0; k_of(i) < args.padded_k; ++i) {
    WaitCopies<kMatMulStages - 2>();
    SyncWarp();  // all lanes' copies are there, and the stage before this one has been read
    copy(i + kMatMulStages - 1);
    const uint8_t* const stage = stages + i % kMatMulStages * kMatMulNarrowStageBytes;
    MultiplyNarrowStage<T>(sum, stage, stage + kWeightBytes);
    if (i % kMatMulStagesPerChunk == kMatMulStagesPerChunk - 1 ||
        k_of(i) + kMatMulStageK >= args.padded_k) {
      StoreChunkSums(sums + chunk_of(i) * kChunkFloats, sum);
      sum[0] = sum[1] = sum[2] = sum[3] = 0.0f;
    }
  }
  SyncBlock();
  const uint32_t chunks = static_cast<uint32_t>((args.padded_k + kMatMulChunk - 1) / kMatMulChunk);
  for (uint32_t i = ThreadIndex(); i < kMatMulNarrowTokens * kMatMulNarrowFeatures;
       i += BlockThreads()) {
    const uint32_t token = i / kMatMulNarrowFeatures;
    const uint32_t feature = i % kMatMulNarrowFeatures;
    float total = 0.0f;
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
      total = total + Load(sums + chunk * kChunkFloats + token * kMatMulNarrowSumStride + feature);
    }
    StoreOutput(args, tokens.first + static_cast<int32_t>(token),
                weights.first + static_cast<int32_t>(feature), total);
  }
}

// sum[i] += the warp's 16 features times tokens [8i, 8i + 8) of the stage.
template <typename T, uint32_t kTokens>
LLMRT_DEVICE void MultiplyWideStage(float (&sum)[kTokens / 8][4], const uint8_t* weights,
                                    const uint8_t* tokens) {
  const uint32_t lane = LaneIndex();
#pragma unroll
  for (uint32_t step = 0; step < kMatMulStageK / kMatMulStepK; ++step) {
    uint32_t a[4];
    LoadOperandA(a, weights, 16 * WarpIndex(), step);
#pragma unroll
    for (uint32_t i = 0; i < kTokens / 8; i += 2) {
      uint32_t b[4];  // operands of two groups of tokens
      LoadMatrices4(
          b, tokens + StageOffset(8 * i + lane / 16 * 8 + lane % 8, 2 * step + lane / 8 % 2));
      const uint32_t first[2] = {b[0], b[1]};
      const uint32_t second[2] = {b[2], b[3]};
      MultiplyAccumulate<T>(sum[i], a, first);
      MultiplyAccumulate<T>(sum[i + 1], a, second);
    }
  }
}

template <typename T, uint32_t kTokens>
LLMRT_DEVICE void WideMatMul(const MatMulArgs& args) {
  constexpr uint32_t kWeightBytes = kMatMulWideFeatures * kMatMulStageRowBytes;
  constexpr uint32_t kStageBytes = kWeightBytes + kTokens * kMatMulStageRowBytes;
  const RowRange weights = {
      args.weight, args.row_stride,
      args.first_feature + static_cast<int32_t>(BlockIndexY() * kMatMulWideFeatures),
      args.end_feature};
  const RowRange tokens = {args.activations, args.row_stride,
                           static_cast<int32_t>(BlockIndexX() * kTokens), args.num_rows};
  const uint32_t num_stages = static_cast<uint32_t>(args.padded_k / kMatMulStageK);
  const auto copy = [&](uint32_t i) {
    if (i < num_stages) {
      uint8_t* const stage = SharedMemory() + i % kMatMulStages * kStageBytes;
      const int64_t k = int64_t{i} * kMatMulStageK;
      CopyStageRows<kMatMulWideFeatures, kMatMulWideThreads>(stage, weights, k, ThreadIndex());
      CopyStageRows<kTokens, kMatMulWideThreads>(stage + kWeightBytes, tokens, k, ThreadIndex());
    }
    CommitCopies();
  };
  for (uint32_t i = 0; i < kMatMulStages - 1; ++i) copy(i);
  float sum[kTokens / 8][4] = {};
  float total[kTokens / 8][4] = {};
  for (uint32_t i = 0; i < num_stages; ++i) {
    WaitCopies<kMatMulStages - 2>();
    SyncBlock();  // all threads' copies are there, and the stage before this one has been read
    copy(i + kMatMulStages - 1);
    const uint8_t* const stage = SharedMemory() + i % kMatMulStages * kStageBytes;
    MultiplyWideStage<T, kTokens>(sum, stage, stage + kWeightBytes);
    if (i % kMatMulStagesPerChunk == kMatMulStagesPerChunk - 1 || i == num_stages - 1) {
#pragma unroll
      for (uint32_t j = 0; j < kTokens / 8 * 4; ++j) {
        total[j / 4][j % 4] = total[j / 4][j % 4] + sum[j / 4][j % 4];
        sum[j / 4][j % 4] = 0.0f;
      }
    }
  }
  const uint32_t lane = LaneIndex();
#pragma unroll
  for (uint32_t j = 0; j < kTokens / 8 * 4; ++j) {
    const uint32_t feature = 16 * WarpIndex() + lane / 4 + j % 4 / 2 * 8;
    const uint32_t token = j / 4 * 8 + lane % 4 * 2 + j % 2;
    StoreOutput(args, tokens.first + static_cast<int32_t>(token),
                weights.first + static_cast<int32_t>(feature), total[j / 4][j % 4]);
  }
}

}  // namespace llmrt::cuda
