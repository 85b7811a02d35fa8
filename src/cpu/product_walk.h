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
  // What one product has of the walk: whole panels a task.
  struct Share {
    MatMulTask whole;  // [begin, end): all its features in the walk; rows: of the pass
    Packing packing;
    void (*kernel)(const MatMulTask& task);
    int64_t first_panel, end_panel;
    int64_t panels_each;  // of a task
    int64_t end_task;     // tasks of the shares before end where this one's begin
    int64_t end_pack_task;
  };
  void AddShare(const KernelTable& kernels, const backend::MatMulParams& params,
                backend::Range features);
  // Tasks of about equal bytes of weights.
  void CutFeatures(int32_t threads);
  int64_t PackedBytesOf(int64_t rows) const;
  int64_t RowsThatFit(int64_t rows) const;
  void PlacePacked();

  uint8_t* const packed_;
  Share shares_[backend::kProductsMax];
  int count_ = 0;
  int64_t num_tasks_ = 0;
  int64_t num_pack_tasks_ = 0;
  int64_t rows_left_ = 0;
  int64_t rows_a_pass_ = 0;
};

}  // namespace llmrt::cpu
