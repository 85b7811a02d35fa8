// Causal attention over the paged cache (NUMERICS F, G, H). For one row at position P and one query
// head q of head_dim values, with keys k_t and values v_t (t = 0..P) read back from the cache's
// type and converted to float32:
//
//   s_t = DotLanes(q, k_t) * scale            16 lanes over head_dim, padded with zeros, then the
//   tree
//
// Keys are cut at absolute positions into splits of 256 and tiles of 64. In each split, from
// m = -inf, l = 0, acc = 0, for its tiles ascending (the last one may be short):
//
//   m'    = max(m, max s_t of the tile)
//   alpha = Exp(m - m')                       numerics::Exp: e^-inf = 0
//   p_t   = Exp(s_t - m')
//   lane[t % 16] = lane[t % 16] + p_t         from +0, t ascending; sum = TreeSum16(lane)
//   l     = l * alpha + sum                   two roundings
//   acc_i = acc_i * alpha, then for t ascending: acc_i = fma(p_t, v_t[i], acc_i)
//   m     = m'
//
// Splits are merged ascending, from M = -inf, L = 0, A = 0:
//
//   M'  = max(M, m);  a = Exp(M - M');  b = Exp(m - M')
//   L   = fma(l, b, L * a);  A_i = fma(acc_i, b, A_i * a);  M = M'
//
// and out_i = A_i / L. Keys beyond P, and slots that were never written, are not read.
//
// Units are query heads of rows, row * num_q_heads + head.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "backend/backend.h"

namespace llmrt::ops {

inline constexpr int64_t kAttentionSplit = 256;
inline constexpr int64_t kAttentionTile = 64;

absl::Status CheckAttention(const backend::AttentionParams& params, backend::Range heads);

// The contract above, operation by operation. `params.cache` must be a HostKvCache.
void OracleAttention(const backend::AttentionParams& params, backend::Range heads);

// Mode `reference`: scores, softmax and sums in double, keys ascending, rounded once at the end.
void PlainAttention(const backend::AttentionParams& params, backend::Range heads);

}  // namespace llmrt::ops
