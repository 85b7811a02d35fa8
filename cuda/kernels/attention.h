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
// wholly beyond P changes nothing, whatever neighbours in the block need it for.
#pragma once

#include "cuda/kernels/elementwise.h"
#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

inline constexpr int32_t kAttentionSplit = 256;
inline constexpr int32_t kAttentionTile = 64;
inline constexpr int32_t kAttentionHeadDimMax = 256;

// Rows of one sequence that are computed together: [first_row, first_row + num_rows).
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
  const float* q;              // [rows, num_q_heads * head_dim]
  float* out;                  // [rows, num_q_heads * head_dim]
  // Split over blocks (grid_z > 1): block z computes splits z, z + grid_z, ... and stores each
  // split's state here for AttentionMerge; null: every block merges its row's splits itself.
  float* partial;  // [rows * num_q_heads][splits_max][head_dim + 2]: acc, m, l
  int32_t splits_max;
};

}  // namespace llmrt::cuda
