// Causal attention over the paged cache. For one row at position P and one query head:
//
//   Keys are cut at absolute positions into splits of 256 and tiles of 64. In each split, from
//   m = -inf, l = 0, acc = 0, for its tiles ascending, with s_t, p_t over the tile's t <= P:
//
//     m'    = max(m, max s_t);  alpha = Exp(m - m');  p_t = Exp(s_t - m')
//     lane[t % 16] = lane[t % 16] + p_t   from +0, t ascending;  sum = TreeSum16(lane)
//     l     = l * alpha + sum;  acc_i = acc_i * alpha, then the products below;  m = m'
//
//   Splits are merged ascending, from M = -inf, L = 0, A = 0:
//
//     M' = max(M, m);  a = Exp(M - M');  b = Exp(m - M')
//     L  = fma(l, b, L * a);  A_i = fma(acc_i, b, A_i * a);  M = M'
//
//   and out_i = A_i / L. The two products depend on the cache's type:
//
//   float32   as on the CPU, bit for bit (ops/attention.h): s_t = DotLanes(q, k_t) * scale, and
//             acc_i = fma(p_t, v_t[i], acc_i) for t ascending.
//   float16,  q rounded to the cache's type; s_t = (chain of m16n8k16 over head_dim, 16 a step,
//   bfloat16  padded with zeros) * scale; p_t rounded to the cache's type after it was added to its
//             lane; acc_i = chain of m16n8k16 over the tile's 64 keys, 16 a step. Keys are the M
//             operand of the first product, the head's dimensions that of the second; queries are
//             N.
//
// Keys beyond P, and slots that were never written, count as zero and have p = 0. A tile that lies
// wholly beyond P changes nothing, whatever neighbours in the block need it for. Blocks of the
// cache hold a multiple of 8 tokens that divides 64.
#pragma once

#include "cuda/kernels/elementwise.h"
#include "cuda/kernels/kernel_list.h"
#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

inline constexpr int32_t kAttentionSplit = 256;
inline constexpr int32_t kAttentionTile = 64;
inline constexpr int32_t kAttentionHeadDimMax = 256;
inline constexpr int32_t kAttentionTilesPerSplit = kAttentionSplit / kAttentionTile;

// Rows of one sequence that are computed together: [first_row, first_row + num_rows), num_rows > 0.
struct AttentionTile {
  int32_t first_row;
  int32_t num_rows;
};

struct AttentionArgs {
  StepView step;
  KvLayout kv;
  Element element;  // of the cache
  int32_t num_q_heads;
  float scale;
  // Units are query heads of rows, row * num_q_heads + head; those outside of [first_unit,
  // end_unit) are left alone.
  int64_t first_unit;
  int64_t end_unit;
  const AttentionTile* tiles;  // device, [num_tiles]; null: tile i is row i alone
  const int32_t* num_tiles;    // device, [1]; null where tiles is null (then it is step.num_rows)
  int32_t tile_rows;           // no tile has more rows; 1 where tiles is null
  const float* q;              // [rows, num_q_heads * head_dim]
  float* out;                  // [rows, num_q_heads * head_dim]
  // Split over blocks (grid_z > 1): block z computes splits z, z + grid_z, ... and stores each
  // split's state here for AttentionMerge; null: every block merges its row's splits itself.
  float* partial;  // [rows * num_q_heads][splits_max][head_dim + 2]: acc, m, l
  int32_t splits_max;
};

// 16-bit caches: the (row, query head) pairs of a tile that share a KV head are columns of the
// products, 8 or 32 a block.
enum class AttentionVariant : int32_t { kColumns8 = 0, kColumns32 = 1 };

constexpr uint32_t AttentionColumns(AttentionVariant variant) {
  return variant == AttentionVariant::kColumns8 ? 8 : 32;
}
constexpr uint32_t AttentionGroup(const AttentionArgs& args) {
  return static_cast<uint32_t>(args.num_q_heads / args.kv.num_kv_heads);
}
// Rows that a tile should have where a sequence has that many.
constexpr int32_t AttentionTileRows(AttentionVariant variant, uint32_t group) {
  const uint32_t rows = AttentionColumns(variant) / group;
  return rows < 1 ? 1 : static_cast<int32_t>(rows);
}
constexpr AttentionVariant AttentionVariantFor(const AttentionArgs& args) {
  return AttentionGroup(args) * static_cast<uint32_t>(args.tile_rows) <= 8
             ? AttentionVariant::kColumns8
             : AttentionVariant::kColumns32;
}

// Shared memory of the 16-bit kernels, rows padded so that 8 in a row lie in different banks:
// queries, keys, values and probabilities (16-bit), scores (float32), columns and their factors.
constexpr uint32_t kAttentionScoreStride = 68;         // floats
constexpr uint32_t kAttentionProbabilityStride = 144;  // bytes
constexpr uint32_t kAttentionColumnBytes = 32;
constexpr uint32_t AttentionSteps(int32_t head_dim) {  // of 16 along the head
  return (static_cast<uint32_t>(head_dim) + 15) / 16;
}
constexpr uint32_t AttentionRowBytes(int32_t head_dim) {
  return AttentionSteps(head_dim) * 32 + 16;
}
constexpr uint32_t AttentionSharedBytes(uint32_t columns, int32_t head_dim) {
  return (columns + 2 * kAttentionTile) * AttentionRowBytes(head_dim) +
         columns *
             (kAttentionScoreStride * 4 + kAttentionProbabilityStride + kAttentionColumnBytes);
}
constexpr uint32_t AttentionThreads(uint32_t columns) { return columns == 8 ? 128 : 256; }

// Block (x, y, z): tile x; KV head y / c and every c-th of its column chunks; splits z, z + grid_z.
// Float32: tile x, query head y. `splits` is 1 where args.partial is null.
constexpr LaunchShape AttentionShape(const AttentionArgs& args, AttentionVariant variant,
                                     uint32_t num_tiles, uint32_t splits) {
  const uint32_t columns = AttentionColumns(variant);
  const uint32_t pairs = AttentionGroup(args) * static_cast<uint32_t>(args.tile_rows);
  const uint32_t chunks = (pairs + columns - 1) / columns;
  return {.grid_x = num_tiles,
          .grid_y = static_cast<uint32_t>(args.kv.num_kv_heads) * chunks,
          .grid_z = splits,
          .threads = AttentionThreads(columns),
          .shared_bytes = AttentionSharedBytes(columns, args.kv.head_dim)};
}
inline constexpr uint32_t kAttentionFloat32Threads = 128;
constexpr LaunchShape AttentionFloat32Shape(const AttentionArgs& args, uint32_t num_tiles,
                                            uint32_t splits) {
  return {.grid_x = num_tiles,
          .grid_y = static_cast<uint32_t>(args.num_q_heads),
          .grid_z = splits,
          .threads = kAttentionFloat32Threads,
          .shared_bytes = 2 * kAttentionTile * sizeof(float)};
}

constexpr KernelId AttentionKernelId(Element element, AttentionVariant variant) {
  const bool small = variant == AttentionVariant::kColumns8;
  if (element == Element::kF32) return KernelId::kAttentionFloat32Kernel;
  if (element == Element::kF16) {
    return small ? KernelId::kAttentionHalf8Kernel : KernelId::kAttentionHalf32Kernel;
  }
  return small ? KernelId::kAttentionBFloat8Kernel : KernelId::kAttentionBFloat32Kernel;
}

// What to launch for `num_tiles` tiles (rows, where args.tiles is null), each row's splits spread
// over `splits` blocks.
struct AttentionLaunch {
  KernelId kernel;
  LaunchShape shape;
};
constexpr AttentionLaunch AttentionLaunchFor(const AttentionArgs& args, uint32_t num_tiles,
                                             uint32_t splits) {
  const AttentionVariant variant = AttentionVariantFor(args);
  return {.kernel = AttentionKernelId(args.element, variant),
          .shape = args.element == Element::kF32
                       ? AttentionFloat32Shape(args, num_tiles, splits)
                       : AttentionShape(args, variant, num_tiles, splits)};
}

// AttentionMerge: block x is unit first_unit + x. Takes the arguments of the attention before it.
inline constexpr uint32_t kAttentionMergeThreads = 128;
constexpr LaunchShape AttentionMergeShape(const AttentionArgs& args) {
  return {.grid_x = static_cast<uint32_t>(args.end_unit - args.first_unit),
          .threads = kAttentionMergeThreads};
}

}  // namespace llmrt::cuda
