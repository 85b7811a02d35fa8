#include "cpu/product_walk.h"

#include <algorithm>

#include "cpu/packed_matrix.h"
#include "cpu/panel_layout.h"
#include "ops/matmul.h"

namespace llmrt::cpu {
namespace {

// Tasks become smaller in at most so many steps, each with so many tasks a thread.
constexpr int64_t kLevelsMax = 4;
constexpr int64_t kTasksPerLevel = 2;
// A task begins with a microsecond in which nothing that was fetched ahead has come yet. So the
// smallest ones have this many bytes of weights, five microseconds from memory. kRowsInBalance rows
// take as long to multiply as their weights to read, more rows take longer.
constexpr int64_t kTaskBytesMin = 96 * 1024;
constexpr int64_t kRowsInBalance = 8;
// Many rows pass by once for all panels of a task: so many panels are worth more than smaller
// tasks, as long as every thread has one.
constexpr int64_t kPanelsTogether = 4;

// Blocks of rows that one task packs: some microseconds of work.
constexpr int64_t kPackRowBlocks = 256;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Where part i begins when `count` things are cut into `parts`, the larger ones first: threads that
// take one part after another come to the same end.
int64_t BeginOfPart(int64_t count, int64_t parts, int64_t i) {
  return count / parts * i + std::min(count % parts, i);
}

int64_t NumBlocks(const MatMulTask& task) { return task.cols / kBlockValues; }

// Blocks of a tile that one task packs.
int64_t PackBlocks(const RowTile& tile) { return kPackRowBlocks / tile.rows; }

}  // namespace

int64_t RowsPackedAtOnce(const KernelTable& kernels, int64_t cols) {
  int64_t bytes = 1;  // of a block of 16 rows
  for (const Packing& packing : kernels.packing) {
    if (packing.tile == nullptr) continue;
    const RowTile tile = packing.tile(16);
    bytes = std::max(bytes, CeilDiv(16, tile.rows) * tile.block_bytes);
  }
  return 16 * std::max<int64_t>(1, kPackedBytes / (2 * bytes * CeilDiv(cols, kBlockValues)));
}

bool WalkPlace::IsNext(absl::Span<const backend::MatMulParams> products,
                       backend::Range features) const {
  const auto same = [](const backend::MatMulParams& a, const backend::MatMulParams& b) {
    return a.weight == b.weight && a.activations == b.activations && a.num_rows == b.num_rows;
  };
  return features.begin > 0 && features.begin == end_ &&
         std::equal(products.begin(), products.end(), products_, products_ + count_, same);
}

void WalkPlace::Set(absl::Span<const backend::MatMulParams> products, backend::Range features) {
  std::copy(products.begin(), products.end(), products_);
  count_ = static_cast<int>(products.size());
  end_ = features.end;
}

ProductWalk::ProductWalk(const KernelTable& kernels,
                         absl::Span<const backend::MatMulParams> products, backend::Range features,
                         int32_t threads, uint8_t* packed)
    : packed_(packed), rows_left_(products.front().num_rows) {
  int64_t first = 0;  // unit of the product's first feature
  for (const backend::MatMulParams& params : products) {
    const int64_t rows = params.weight->rows();
    const int64_t begin = std::clamp<int64_t>(features.begin - first, 0, rows);
    AddShare(kernels, params, {begin, std::clamp<int64_t>(features.end - first, begin, rows)});
    first += rows;
  }
  CutPanels(threads);
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
      .num_panels = features.size() == 0
                        ? 0
                        : CeilDiv(features.end, kPanelRows) - features.begin / kPanelRows,
      .end_pack_task = 0};
}

// Level i of levels_ has half of the panels that the levels before it left, the last one has all of
// them. Two threads and four levels: 12 tasks, of an eighth to a 32nd of the whole, then 8 of a
// 64th. What is too small for that is cut evenly.
void ProductWalk::CutPanels(int32_t threads) {
  int64_t bytes = 0;
  for (int i = 0; i < count_; ++i) {
    num_panels_ += shares_[i].num_panels;
    bytes += shares_[i].num_panels * shares_[i].whole.panel_bytes;
  }
  bytes = bytes * std::max(rows_left_, kRowsInBalance) / kRowsInBalance;
  const int64_t tasks = std::min(num_panels_, std::max<int64_t>(1, bytes / kTaskBytesMin));
  tasks_a_level_ = kTasksPerLevel * threads;
  levels_ = num_panels_ < (kLevelsMax + 1) * tasks_a_level_ ? 0 : kLevelsMax;
  while (levels_ > 0 && tasks_a_level_ << levels_ > tasks) --levels_;
  const int64_t most = CeilDiv(num_panels_, kPanelsTogether * threads) * threads;
  const int64_t even = CeilDiv(std::clamp<int64_t>(tasks, threads, most), threads) * threads;
  num_tasks_ = levels_ > 0 ? (levels_ + 1) * tasks_a_level_ : std::min(num_panels_, even);
}

int64_t ProductWalk::FirstPanelOf(int64_t task) const {
  if (levels_ == 0) return BeginOfPart(num_panels_, num_tasks_, task);
  const int64_t level = std::min(task / tasks_a_level_, levels_ - 1);
  const bool last = level == levels_ - 1;
  const int64_t begin = num_panels_ - (num_panels_ >> level);
  const int64_t end = last ? num_panels_ : num_panels_ - (num_panels_ >> (level + 1));
  const int64_t tasks = last ? 2 * tasks_a_level_ : tasks_a_level_;
  return begin + BeginOfPart(end - begin, tasks, task - level * tasks_a_level_);
}

// The first share whose packed rows share `index` reads: products of one type read one copy.
int ProductWalk::PackedBy(int index) const {
  const Share& share = shares_[index];
  int first = 0;
  while (first < index && (shares_[first].kernel != share.kernel ||
                           shares_[first].whole.activations != share.whole.activations ||
                           shares_[first].whole.cols != share.whole.cols)) {
    ++first;
  }
  return first;
}

int64_t ProductWalk::PackedBytesOf(int64_t rows) const {
  int64_t bytes = 0;
  for (int i = 0; i < count_; ++i) {
    const Share& share = shares_[i];
    if (share.packing.tile == nullptr || PackedBy(i) != i) continue;
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
      if (const int by = PackedBy(i); by != i) {
        whole.packed = shares_[by].whole.packed;
      } else {
        whole.packed = next;
        const RowTile tile = share.packing.tile(whole.num_rows);
        const int64_t tiles = CeilDiv(whole.num_rows, tile.rows);
        next += tiles * NumBlocks(whole) * tile.block_bytes;
        num_pack_tasks_ += tiles * CeilDiv(NumBlocks(whole), PackBlocks(tile));
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
  const RowTile tile = share->packing.tile(whole.num_rows);
  const int64_t num_blocks = NumBlocks(whole), count = PackBlocks(tile);
  const int64_t parts = CeilDiv(num_blocks, count);
  const int64_t tile_index = (task - first) / parts;
  const int64_t begin = (task - first) % parts * count;
  const int64_t row = tile_index * tile.rows;
  const int64_t offset = tile_index * num_blocks * tile.block_bytes;
  share->packing.pack({.rows = whole.activations + row * whole.activation_stride,
                       .row_stride = whole.activation_stride,
                       .num_rows = whole.num_rows - row,
                       .tile_rows = tile.rows,
                       .begin = begin,
                       .end = std::min(num_blocks, begin + count),
                       .out = packed_ + (whole.packed - packed_) + offset});
}

// A feature's bits do not depend on the panel it falls into, nor on the task.
void ProductWalk::Multiply(int64_t task, uint8_t* scratch) const {
  int64_t begin = FirstPanelOf(task), end = FirstPanelOf(task + 1);  // from the first share's first
  for (const Share* share = shares_; begin < end; ++share) {
    const int64_t own_end = std::min(end, share->num_panels);
    if (begin < own_end) {
      MatMulTask part = share->whole;
      part.begin = std::max(part.begin, (share->first_panel + begin) * kPanelRows);
      part.end = std::min(part.end, (share->first_panel + own_end) * kPanelRows);
      part.scratch = scratch;
      share->kernel(part);
    }
    begin = std::max<int64_t>(0, begin - share->num_panels);
    end -= share->num_panels;
  }
}

}  // namespace llmrt::cpu
