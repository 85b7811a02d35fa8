#include "cpu/attention_tasks.h"

#include <algorithm>

#include "ops/batch.h"

namespace llmrt::cpu {
namespace {

using backend::Range;

// Tasks a thread gets where there is enough to do: they even out threads that were interrupted.
constexpr int64_t kAttentionTasksPerThread = 4;

// Queries that are kept together rather than given to more tasks: they share the look-up and the
// conversion of a tile, which cost as much as about two of them.
constexpr int64_t kQueriesTogether = 16;

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

AttentionTasks::AttentionTasks(const backend::AttentionParams& params, Range heads, int32_t threads)
    : params_(params),
      cache_(static_cast<const CpuKvCache&>(*params.cache)),
      heads_(heads),
      rows_{heads.begin / params.num_q_heads, DivideUp(heads.end, params.num_q_heads)},
      num_kv_heads_(cache_.shape().num_kv_heads),
      group_(params.num_q_heads / num_kv_heads_) {
  const int64_t queries_max =
      cache_.shape().head_dim > kHeadDimMax / 2 ? kAttentionQueriesMax / 2 : kAttentionQueriesMax;
  const int64_t groups = DivideUp(heads.end, group_) - heads.begin / group_;
  const int64_t parts = groups < threads ? std::min(group_, DivideUp(threads, groups)) : 1;
  group_each_ = std::min(DivideUp(group_, parts), queries_max);
  const int64_t most = queries_max / group_each_;
  const int64_t least = std::min(most, DivideUp(kQueriesTogether, group_each_));
  const int64_t even = rows_.size() * num_kv_heads_ / (kAttentionTasksPerThread * threads);
  // Windows of about one size.
  const int64_t windows = DivideUp(rows_.size(), std::clamp(even, least, most));
  rows_each_ = DivideUp(rows_.size(), windows);
}

int64_t AttentionTasks::count() const {
  return DivideUp(rows_.size(), rows_each_) * num_kv_heads_ * DivideUp(group_, group_each_);
}

Range AttentionTasks::HeadsOf(int64_t row, Range wanted) const {
  const int64_t base = row * params_.num_q_heads;
  return {std::max(wanted.begin, heads_.begin - base), std::min(wanted.end, heads_.end - base)};
}

int64_t AttentionTasks::CountRows(int64_t row, int64_t end, Range wanted) const {
  const backend::Batch& batch = *params_.batch;
  const Range heads = HeadsOf(row, wanted);
  int64_t count = 1;
  for (; row + count < end; ++count) {
    const int64_t next = row + count;
    // The op's first and last row may have fewer heads.
    const Range others = HeadsOf(next, wanted);
    if (batch.sequences[next] != batch.sequences[row] ||
        batch.positions[next] != batch.positions[row] + count || others.begin != heads.begin ||
        others.end != heads.end) {
      break;
    }
  }
  return count;
}

void AttentionTasks::Run(int64_t task, void (*kernel)(const AttentionTask&),
                         uint8_t* scratch) const {
  const backend::KvShape& shape = cache_.shape();
  const int64_t parts = DivideUp(group_, group_each_);
  const int64_t part = task % parts;
  const auto kv_head = static_cast<int32_t>(task / parts % num_kv_heads_);
  const int64_t first = rows_.begin + task / parts / num_kv_heads_ * rows_each_;
  const int64_t end = std::min(rows_.end, first + rows_each_);
  const Range wanted = {kv_head * group_ + part * group_each_,
                        kv_head * group_ + std::min(group_, (part + 1) * group_each_)};
  for (int64_t row = first, count = 0; row < end; row += count) {
    count = CountRows(row, end, wanted);
    const Range heads = HeadsOf(row, wanted);
    if (heads.begin >= heads.end) continue;  // the op begins or ends elsewhere in the row
    const int64_t offset = (row * params_.num_q_heads + heads.begin) * shape.head_dim;
    kernel({.q = params_.q + offset,
            .out = params_.out + offset,
            .row_stride = int64_t{params_.num_q_heads} * shape.head_dim,
            .num_rows = count,
            .group = heads.size(),
            .head_dim = shape.head_dim,
            .scale = params_.scale,
            .num_keys = ops::NumKeys(*params_.batch, row),
            .block_table = params_.batch->block_tables[params_.batch->sequences[row]].data(),
            .block_size = shape.block_size,
            .k_tiles = cache_.KeyTile(0, params_.layer, kv_head),
            .v_tiles = cache_.ValueTile(0, params_.layer, kv_head),
            .block_bytes = shape.BlockBytes(),
            .scratch = scratch});
  }
}

}  // namespace llmrt::cpu
