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

// The buffer for packed rows: some 170 rows of 8192 values, so that a chunk of a prompt goes in few
// passes, and no more than the second and third caches hold beside the weights.
inline constexpr int64_t kPackedBytes = 2 << 20;
// Values of a row of a quantized matrix: one row of each of kProductsMax products can be packed,
// at no more than 128 bytes a block.
inline constexpr int64_t kColsMax =
    kPackedBytes / (128 * backend::kProductsMax) * backend::kActivationBlockValues;

class ProductWalk {
 public:
  // The arguments were checked; everything must outlive the walk. `packed` has kPackedBytes.
  ProductWalk(const KernelTable& kernels, absl::Span<const backend::MatMulParams> products,
              backend::Range features, int32_t threads, uint8_t* packed);

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
  int64_t tasks_a_level_ = 0;  // 0: every panel is a task
  int64_t num_tasks_ = 0;
  int64_t num_pack_tasks_ = 0;
  int64_t rows_left_ = 0;
  int64_t rows_a_pass_ = 0;
};

}  // namespace llmrt::cpu
