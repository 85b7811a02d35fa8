#include "cpu/product_walk.h"

#include <algorithm>

#include "cpu/packed_matrix.h"
#include "cpu/panel_layout.h"
#include "cpu/thread_pool.h"
#include "ops/matmul.h"

namespace llmrt::cpu {
namespace {

// Blocks of a row tile that one task packs: some microseconds of work for 16 rows.
constexpr int64_t kPackBlocks = 32;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t NumBlocks(const MatMulTask& task) { return task.cols / kBlockValues; }

}  // namespace

ProductWalk::ProductWalk(const KernelTable& kernels,
                         absl::Span<const backend::MatMulParams> products, backend::Range features,
                         int32_t threads, uint8_t* packed)
    : packed_(packed), rows_left_(products.front().num_rows) {
  ops::ForEachProduct(products, features,
                      [&](const backend::MatMulParams& params, backend::Range own) {
                        AddShare(kernels, params, own);
                      });
  CutFeatures(threads);
  rows_a_pass_ = RowsThatFit(rows_left_);
}

void ProductWalk::AddShare(const KernelTable& kernels, const backend::MatMulParams& params,
                           backend::Range features) {
  const auto& weight = static_cast<const PackedMatrix&>(*params.weight);
  const auto type = static_cast<int>(weight.type());
  const backend::ActivationFormat format = backend::ClassOf(weight.type()).activation;
  shares_[count_++] = {
      .whole = {.panels = weight.panels(),
                .panel_bytes = weight.panel_bytes(),
                .cols = weight.cols(),
                .begin = features.begin,
                .end = features.end,
                .activations = params.activations,
                .activation_stride = backend::ActivationRowBytes(format, weight.cols()),
                .packed = nullptr,
                .num_rows = 0,  // no pass has begun
                .out = params.out,
                .out_stride = params.out_stride,
                .accumulate = params.accumulate,
                .scratch = nullptr},
      .packing = kernels.packing[type],
      .kernel = kernels.matmul[type],
      .first_panel = features.begin / kPanelRows,
      .end_panel = CeilDiv(features.end, kPanelRows),
      .panels_each = 0,
      .end_task = 0,
      .end_pack_task = 0};
}

void ProductWalk::CutFeatures(int32_t threads) {
  int64_t bytes = 0;
  for (int i = 0; i < count_; ++i) {
    bytes += (shares_[i].end_panel - shares_[i].first_panel) * shares_[i].whole.panel_bytes;
  }
  const int64_t bytes_each = bytes / (threads * kTasksPerThread);
  for (int i = 0; i < count_; ++i) {
    Share& share = shares_[i];
    share.panels_each = std::max<int64_t>(1, bytes_each / share.whole.panel_bytes);
    num_tasks_ += CeilDiv(share.end_panel - share.first_panel, share.panels_each);
    share.end_task = num_tasks_;
  }
}

int64_t ProductWalk::PackedBytesOf(int64_t rows) const {
  int64_t bytes = 0;
  for (int i = 0; i < count_; ++i) {
    const Share& share = shares_[i];
    if (share.packing.tile == nullptr) continue;
    const RowTile tile = share.packing.tile(rows);
    bytes += CeilDiv(rows, tile.rows) * NumBlocks(share.whole) * tile.block_bytes;
  }
  return bytes;
}

int64_t ProductWalk::RowsThatFit(int64_t rows) const {
  if (PackedBytesOf(rows) <= kPackedBytes) return rows;
  // Whole tiles of 16, or one of fewer.
  const int64_t tiles = kPackedBytes / PackedBytesOf(16);
  if (tiles > 0) return tiles * 16;
  int64_t few = 8;
  while (few > 1 && PackedBytesOf(few) > kPackedBytes) few /= 2;
  return few;
}

bool ProductWalk::NextPass() {
  if (rows_left_ == 0) return false;
  const int64_t rows = std::min(rows_left_, rows_a_pass_);
  for (int i = 0; i < count_; ++i) {
    MatMulTask& whole = shares_[i].whole;
    whole.activations += whole.num_rows * whole.activation_stride;
    whole.out += whole.num_rows * whole.out_stride;
    whole.num_rows = rows;
  }
  rows_left_ -= rows;
  PlacePacked();
  return true;
}

void ProductWalk::PlacePacked() {
  uint8_t* next = packed_;
  num_pack_tasks_ = 0;
  for (int i = 0; i < count_; ++i) {
    Share& share = shares_[i];
    MatMulTask& whole = share.whole;
    if (share.packing.tile != nullptr) {
      // Products of one type read one copy.
      const Share* same = std::find_if(shares_, shares_ + i, [&](const Share& before) {
        return before.kernel == share.kernel && before.whole.activations == whole.activations;
      });
      if (same != &share) {
        whole.packed = same->whole.packed;
      } else {
        whole.packed = next;
        const RowTile tile = share.packing.tile(whole.num_rows);
        const int64_t tiles = CeilDiv(whole.num_rows, tile.rows);
        next += tiles * NumBlocks(whole) * tile.block_bytes;
        num_pack_tasks_ += tiles * CeilDiv(NumBlocks(whole), kPackBlocks);
      }
    }
    share.end_pack_task = num_pack_tasks_;
  }
}

void ProductWalk::Pack(int64_t task) const {
  const Share* share = shares_;
  int64_t first = 0;
  for (; task >= share->end_pack_task; ++share) first = share->end_pack_task;
  const MatMulTask& whole = share->whole;
  const int64_t num_blocks = NumBlocks(whole);
  const int64_t parts = CeilDiv(num_blocks, kPackBlocks);
  const int64_t tile_index = (task - first) / parts;
  const int64_t begin = (task - first) % parts * kPackBlocks;
  const RowTile tile = share->packing.tile(whole.num_rows);
  const int64_t row = tile_index * tile.rows;
  const int64_t offset = tile_index * num_blocks * tile.block_bytes;
  share->packing.pack({.rows = whole.activations + row * whole.activation_stride,
                       .row_stride = whole.activation_stride,
                       .num_rows = whole.num_rows - row,
                       .tile_rows = tile.rows,
                       .begin = begin,
                       .end = std::min(num_blocks, begin + kPackBlocks),
                       .out = packed_ + (whole.packed - packed_) + offset});
}

// A feature's bits do not depend on the panel it falls into, nor on the task.
void ProductWalk::Multiply(int64_t task, uint8_t* scratch) const {
  const Share* share = shares_;
  int64_t first = 0;
  for (; task >= share->end_task; ++share) first = share->end_task;
  MatMulTask part = share->whole;
  const int64_t panel = share->first_panel + (task - first) * share->panels_each;
  part.begin = std::max(part.begin, panel * kPanelRows);
  part.end = std::min(part.end, (panel + share->panels_each) * kPanelRows);
  part.scratch = scratch;
  share->kernel(part);
}

}  // namespace llmrt::cpu
