// Rotary position embedding of queries and keys, and storing keys and values in the paged cache
// (ops/rope_store.h has the formula). Block x is row first + x; a thread takes every
// BlockThreads()-th pair of adjacent values, of the queries first, then of keys and values. No
// shared memory: a pair is read, rotated and written by one thread.
#include "cuda/device/device.h"
#include "cuda/kernels/elementwise.h"

namespace llmrt::cuda {
namespace {

using Pair = Vector<float, 2>;

LLMRT_DEVICE Pair LoadPair(const float* p) { return Load(reinterpret_cast<const Pair*>(p)); }
LLMRT_DEVICE void StorePair(float* p, Pair pair) { Store(reinterpret_cast<Pair*>(p), pair); }

// `turn` is (cos, sin).
LLMRT_DEVICE Pair Rotate(Pair x, Pair turn) {
  const float c = turn.values[0], s = turn.values[1];
  const float x0 = x.values[0], x1 = x.values[1];
  return {{numerics::Fma(x0, c, -(x1 * s)), numerics::Fma(x1, c, x0 * s)}};
}

// Stores values `index` and `index` + 1 of a tile, rounded to nearest even.
LLMRT_DEVICE void StoreInTile(Element element, Pair pair, uint8_t* tile, int32_t index) {
  if (element == Element::kF32) {
    StorePair(reinterpret_cast<float*>(tile) + index, pair);
    return;
  }
  const uint32_t rounded = element == Element::kF16
                               ? PackPair<Half>(pair.values[0], pair.values[1])
                               : PackPair<BFloat16>(pair.values[0], pair.values[1]);
  Store(reinterpret_cast<uint32_t*>(tile) + index / 2, rounded);
}

// Rotates the first rope_dims values of each head of one row in place.
LLMRT_DEVICE void RotateQueries(const RopeStoreArgs& args, const float* table, float* q) {
  const int32_t turned_pairs = args.rope_dims / 2;
  const int32_t pairs = args.num_q_heads * turned_pairs;
  for (int32_t pair = ThreadIndex(); pair < pairs; pair += BlockThreads()) {
    const int32_t i = pair % turned_pairs * 2;
    float* x = q + pair / turned_pairs * args.kv.head_dim + i;
    StorePair(x, Rotate(LoadPair(x), LoadPair(table + i)));
  }
}

// Rotates the keys of one row in place and stores them, and the values as they are, in slot `slot`
// of `block`.
LLMRT_DEVICE void StoreKeysAndValues(const RopeStoreArgs& args, const float* table, int64_t row,
                                     uint8_t* block, int32_t slot) {
  const int32_t head_dim = args.kv.head_dim;
  const int32_t values = args.kv.num_kv_heads * head_dim;
  for (int32_t at = ThreadIndex() * 2; at < values; at += BlockThreads() * 2) {
    const int32_t head = at / head_dim;
    const int32_t i = at % head_dim;
    float* k = args.k + row * values + at;
    Pair key = LoadPair(k);
    if (i < args.rope_dims) {
      key = Rotate(key, LoadPair(table + i));
      StorePair(k, key);
    }
    const Pair value = LoadPair(args.v + row * values + at);
    const int32_t index = slot * head_dim + i;
    StoreInTile(args.element, key, block + TileOffset(args.kv, 0, head), index);
    StoreInTile(args.element, value, block + TileOffset(args.kv, 1, head), index);
  }
}

}  // namespace

LLMRT_KERNEL(RopeStoreKernel, RopeStoreArgs, kRopeStoreThreads) {
  const int32_t row = args.first + static_cast<int32_t>(BlockIndexX());
  if (row >= Load(args.step.num_rows)) return;
  const int32_t position = Load(args.step.positions + row);
  const float* table = args.rope_table + int64_t{position} * args.rope_dims;
  RotateQueries(args, table, args.q + int64_t{row} * args.num_q_heads * args.kv.head_dim);

  const int32_t sequence = Load(args.step.sequences + row);
  const int32_t table_start = Load(args.step.table_starts + sequence);
  uint8_t* block = Load(args.step.blocks + table_start + position / args.kv.block_size);
  StoreKeysAndValues(args, table, row, block, position % args.kv.block_size);
}

}  // namespace llmrt::cuda
