// One call of CpuBackend::MatMul: products that share their rows, cut into tasks for the pool. It
// knows sizes and places; the arithmetic is the kernels'.
//
// Rows go in passes: as many as fit the buffer that they are packed in (a kernel may want them in
// tiles of its own, kernel_table.h). A pass packs first, which is cheap, and multiplies then.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "backend/backend.h"
#include "cpu/kernel_table.h"

namespace llmrt::cpu {

// The buffer for packed rows: all of a prompt's usual chunk with 2048 values in each, a third of it
// with 8192, and no more than the third cache holds beside the weights.
inline constexpr int64_t kPackedBytes = 4 << 20;
// Values of a row of a quantized matrix: one row of each of kProductsMax products can be packed,
// at no more than 128 bytes a block.
inline constexpr int64_t kColsMax =
    kPackedBytes / (128 * backend::kProductsMax) * backend::kActivationBlockValues;

// Rows that go in one pass by these kernels, be the products of one type or of two: whole tiles of
// 16.
int64_t RowsPackedAtOnce(const KernelTable& kernels, int64_t cols);

// Where a walk that was cut into ranges of features stands. Its rows are packed with the first
// range and serve the ones that follow.
class WalkPlace {
 public:
  // Whether `features` follow the last range, of the same products and rows.
  bool IsNext(absl::Span<const backend::MatMulParams> products, backend::Range features) const;
  void Set(absl::Span<const backend::MatMulParams> products, backend::Range features);
  void Forget() { count_ = 0; }

 private:
  backend::MatMulParams products_[backend::kProductsMax];
  int count_ = 0;
  int64_t end_ = 0;  // of the last range
};

class ProductWalk {
 public:
  // The arguments were checked; everything must outlive the walk. `packed` has kPackedBytes. The
  // rows of all products are packed, whichever of them `features` belong to: the next range of the
  // same products finds them there.
  ProductWalk(const KernelTable& kernels, absl::Span<const backend::MatMulParams> products,
              backend::Range features, int32_t threads, uint8_t* packed);

  // Whether all rows go in one pass, which leaves them all packed.
  bool InOnePass() const { return rows_a_pass_ == rows_left_; }

  // Goes to the next rows; false when all are done.
  bool NextPass();

  // The tasks of a pass: those of packing, in any order, all done before those of multiplying.
  int64_t num_pack_tasks() const { return num_pack_tasks_; }
  void Pack(int64_t task) const;
  int64_t num_tasks() const { return num_tasks_; }
  void Multiply(int64_t task, uint8_t* scratch) const;

 private:
  // What one product has of the walk.
  struct Share {
    MatMulTask whole;  // [begin, end): all its features in the walk; rows: of the pass
    Packing packing;
    void (*kernel)(const MatMulTask& task);
    int64_t first_panel;  // of its matrix
    int64_t num_panels;
    int64_t end_pack_task;  // where the next share's begin
  };
  // `features` of its own may be none.
  void AddShare(const KernelTable& kernels, const backend::MatMulParams& params,
                backend::Range features);
  // The panels of all shares, one after another, are cut into tasks that become smaller: the last
  // ones even out what the threads before did unequally.
  void CutPanels(int32_t threads);
  int64_t FirstPanelOf(int64_t task) const;
  int PackedBy(int index) const;
  int64_t PackedBytesOf(int64_t rows) const;
  int64_t RowsThatFit(int64_t rows) const;
  void PlacePacked();

  uint8_t* const packed_;
  Share shares_[backend::kProductsMax];
  int count_ = 0;
  int64_t num_panels_ = 0;
  int64_t levels_ = 0;
  int64_t tasks_a_level_ = 0;
  int64_t num_tasks_ = 0;
  int64_t num_pack_tasks_ = 0;
  int64_t rows_left_ = 0;
  int64_t rows_a_pass_ = 0;
};

}  // namespace llmrt::cpu
