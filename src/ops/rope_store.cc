#include "ops/rope_store.h"

#include "absl/strings/str_cat.h"
#include "numerics/fp_mode.h"
#include "numerics/host_device.h"
#include "ops/batch.h"
#include "ops/host_storage.h"
#include "ops/kv_element.h"

namespace llmrt::ops {
namespace {

using backend::Range;
using backend::RopeStoreParams;

// Rotates the heads of one row in place; `table` holds (cos, sin) of the row's position.
void RotateHeads(const float* table, int32_t rope_dims, int32_t num_heads, int32_t head_dim,
                 float* heads) {
  for (int32_t head = 0; head < num_heads; ++head, heads += head_dim) {
    for (int32_t i = 0; i < rope_dims; i += 2) {
      const float c = table[i], s = table[i + 1];
      const float x0 = heads[i], x1 = heads[i + 1];
      heads[i] = numerics::Fma(x0, c, -(x1 * s));
      heads[i + 1] = numerics::Fma(x1, c, x0 * s);
    }
  }
}

}  // namespace

absl::Status CheckRopeStore(const RopeStoreParams& params, Range rows) {
  if (params.batch == nullptr || params.q == nullptr || params.k == nullptr ||
      params.v == nullptr || params.cache == nullptr ||
      (params.rope_table == nullptr && params.rope_dims != 0)) {
    return OpError("RopeStore", "a pointer is null");
  }
  const backend::KvShape& shape = params.cache->shape();
  if (params.rope_dims < 0 || params.rope_dims % 2 != 0 || params.rope_dims > shape.head_dim) {
    return OpError("RopeStore",
                   absl::StrCat("rope_dims ", params.rope_dims, " with head_dim ", shape.head_dim));
  }
  if (params.num_q_heads <= 0 || params.layer < 0 || params.layer >= shape.num_layers) {
    return OpError("RopeStore", absl::StrCat(params.num_q_heads, " query heads, layer ",
                                             params.layer, " of ", shape.num_layers));
  }
  if (absl::Status status = CheckRange("RopeStore", rows, params.batch->num_rows()); !status.ok()) {
    return status;
  }
  return CheckBlockTables(*params.batch, *params.cache, rows);
}

void OracleRopeStore(const RopeStoreParams& params, Range rows) {
  numerics::ScopedFpMode fp_mode;
  const auto& cache = static_cast<const HostKvCache&>(*params.cache);
  const backend::KvShape& shape = cache.shape();
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int32_t position = params.batch->positions[row];
    const float* table = params.rope_table + int64_t{position} * params.rope_dims;
    float* k = params.k + row * shape.num_kv_heads * shape.head_dim;
    const float* v = params.v + row * shape.num_kv_heads * shape.head_dim;
    RotateHeads(table, params.rope_dims, params.num_q_heads, shape.head_dim,
                params.q + row * params.num_q_heads * shape.head_dim);
    RotateHeads(table, params.rope_dims, shape.num_kv_heads, shape.head_dim, k);

    const int32_t block =
        params.batch->block_tables[params.batch->sequences[row]][position / shape.block_size];
    const int64_t slot = int64_t{position % shape.block_size} * shape.head_dim;
    for (int32_t head = 0; head < shape.num_kv_heads; ++head) {
      uint8_t* k_tile = cache.Tile(block, params.layer, 0, head);
      uint8_t* v_tile = cache.Tile(block, params.layer, 1, head);
      for (int64_t i = 0; i < shape.head_dim; ++i) {
        StoreKv(shape.type, k[head * shape.head_dim + i], k_tile, slot + i);
        StoreKv(shape.type, v[head * shape.head_dim + i], v_tile, slot + i);
      }
    }
  }
}

}  // namespace llmrt::ops
