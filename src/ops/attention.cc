#include "ops/attention.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "numerics/exact_math.h"
#include "numerics/exact_math_f64.h"
#include "numerics/fp_mode.h"
#include "numerics/lanes.h"
#include "ops/batch.h"
#include "ops/host_storage.h"
#include "ops/kv_element.h"

namespace llmrt::ops {
namespace {

using backend::AttentionParams;
using backend::Range;

// The keys or values of one sequence, one layer and one KV head, by position.
class KeyReader {
 public:
  KeyReader(const AttentionParams& params, int64_t row, int32_t kv_head, int32_t kv)
      : params_(params),
        cache_(static_cast<const HostKvCache&>(*params.cache)),
        table_(params.batch->block_tables[params.batch->sequences[row]]),
        kv_head_(kv_head),
        kv_(kv) {}

  // Element `i` of the key or value at position t.
  float At(int64_t t, int64_t i) const {
    const backend::KvShape& shape = cache_.shape();
    const uint8_t* tile = cache_.Tile(table_[t / shape.block_size], params_.layer, kv_, kv_head_);
    return LoadKv(shape.type, tile, t % shape.block_size * shape.head_dim + i);
  }

 private:
  const AttentionParams& params_;
  const HostKvCache& cache_;
  const absl::Span<const int32_t> table_;
  const int32_t kv_head_;
  const int32_t kv_;
};

// The running state of an online softmax over some keys.
struct SoftmaxState {
  explicit SoftmaxState(int64_t head_dim) : acc(head_dim, 0.0f) {}
  float max = -__builtin_inff();
  float sum = 0.0f;
  std::vector<float> acc;  // [head_dim]
};

struct Head {
  const float* q;
  float scale;
  int64_t head_dim;
  KeyReader keys;
  KeyReader values;
};

void AddTile(const Head& head, int64_t begin, int64_t end, SoftmaxState& state) {
  float p[kAttentionTile];
  std::vector<float> key(head.head_dim);
  float max = state.max;
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t i = 0; i < head.head_dim; ++i) key[i] = head.keys.At(t, i);
    const float score = numerics::DotLanes(head.q, key.data(), head.head_dim) * head.scale;
    p[t - begin] = score;
    max = max < score ? score : max;
  }
  const float alpha = numerics::Exp(state.max - max);
  float lanes[numerics::kLanes] = {};
  for (int64_t t = begin; t < end; ++t) {
    p[t - begin] = numerics::Exp(p[t - begin] - max);
    lanes[t % numerics::kLanes] += p[t - begin];
  }
  state.sum = state.sum * alpha + numerics::TreeSum16(lanes);
  state.max = max;
  for (int64_t i = 0; i < head.head_dim; ++i) {
    float acc = state.acc[i] * alpha;
    for (int64_t t = begin; t < end; ++t) {
      acc = numerics::Fma(p[t - begin], head.values.At(t, i), acc);
    }
    state.acc[i] = acc;
  }
}

void MergeSplit(const SoftmaxState& split, SoftmaxState& total) {
  const float max = total.max < split.max ? split.max : total.max;
  const float a = numerics::Exp(total.max - max);
  const float b = numerics::Exp(split.max - max);
  total.sum = numerics::Fma(split.sum, b, total.sum * a);
  for (size_t i = 0; i < total.acc.size(); ++i) {
    total.acc[i] = numerics::Fma(split.acc[i], b, total.acc[i] * a);
  }
  total.max = max;
}

void AttendExactly(const Head& head, int64_t num_keys, float* out) {
  SoftmaxState total(head.head_dim);
  for (int64_t split = 0; split < num_keys; split += kAttentionSplit) {
    SoftmaxState state(head.head_dim);
    const int64_t split_end = std::min(num_keys, split + kAttentionSplit);
    for (int64_t tile = split; tile < split_end; tile += kAttentionTile) {
      AddTile(head, tile, std::min(split_end, tile + kAttentionTile), state);
    }
    MergeSplit(state, total);
  }
  for (int64_t i = 0; i < head.head_dim; ++i) out[i] = total.acc[i] / total.sum;
}

// Sums that AttendPlainly keeps at a time: all of a usual head.
constexpr int64_t kPlainDims = 256;

double PlainScore(const Head& head, int64_t t) {
  double dot = 0.0;
  for (int64_t i = 0; i < head.head_dim; ++i) {
    dot += double{head.q[i]} * double{head.keys.At(t, i)};
  }
  return dot * double{head.scale};
}

// Scores are computed again rather than kept: a context of them would have to be allocated, and
// mode `reference` allocates nothing inside a step.
void AttendPlainly(const Head& head, int64_t num_keys, float* out) {
  double max = -__builtin_inf();
  for (int64_t t = 0; t < num_keys; ++t) {
    const double score = PlainScore(head, t);
    max = max < score ? score : max;
  }
  for (int64_t begin = 0; begin < head.head_dim; begin += kPlainDims) {
    const int64_t count = std::min(kPlainDims, head.head_dim - begin);
    double acc[kPlainDims] = {};
    double sum = 0.0;
    for (int64_t t = 0; t < num_keys; ++t) {
      const double p = numerics::ExpF64(PlainScore(head, t) - max);
      sum += p;
      for (int64_t i = 0; i < count; ++i) acc[i] += p * double{head.values.At(t, begin + i)};
    }
    for (int64_t i = 0; i < count; ++i) out[begin + i] = static_cast<float>(acc[i] / sum);
  }
}

template <typename Attend>
void ForEachHead(const AttentionParams& params, Range heads, Attend attend) {
  const backend::KvShape& shape = params.cache->shape();
  const int32_t group = params.num_q_heads / shape.num_kv_heads;
  for (int64_t unit = heads.begin; unit < heads.end; ++unit) {
    const int64_t row = unit / params.num_q_heads;
    const int32_t kv_head = static_cast<int32_t>(unit % params.num_q_heads) / group;
    const int64_t offset = unit * shape.head_dim;
    attend(Head{params.q + offset, params.scale, shape.head_dim, KeyReader(params, row, kv_head, 0),
                KeyReader(params, row, kv_head, 1)},
           NumKeys(*params.batch, row), params.out + offset);
  }
}

}  // namespace

absl::Status CheckAttention(const AttentionParams& params, Range heads) {
  if (params.batch == nullptr || params.q == nullptr || params.cache == nullptr ||
      params.out == nullptr) {
    return OpError("Attention", "a pointer is null");
  }
  const backend::KvShape& shape = params.cache->shape();
  if (params.num_q_heads <= 0 || params.num_q_heads % shape.num_kv_heads != 0) {
    return OpError("Attention", absl::StrCat(params.num_q_heads, " query heads for ",
                                             shape.num_kv_heads, " KV heads"));
  }
  if (params.layer < 0 || params.layer >= shape.num_layers) {
    return OpError("Attention", absl::StrCat("layer ", params.layer, " of ", shape.num_layers));
  }
  const int64_t per_row = params.num_q_heads;
  if (absl::Status status = CheckRange("Attention", heads, params.batch->num_rows() * per_row);
      !status.ok()) {
    return status;
  }
  return CheckBlockTables(*params.batch, *params.cache,
                          {heads.begin / per_row, (heads.end + per_row - 1) / per_row});
}

void OracleAttention(const AttentionParams& params, Range heads) {
  numerics::ScopedFpMode fp_mode;
  ForEachHead(params, heads, AttendExactly);
}

void PlainAttention(const AttentionParams& params, Range heads) {
  numerics::ScopedFpMode fp_mode;
  ForEachHead(params, heads, AttendPlainly);
}

}  // namespace llmrt::ops
