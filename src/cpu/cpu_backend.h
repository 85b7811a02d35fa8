// The CPU backend: host memory, one thread pool, and the kernels of one tier. It checks the
// arguments of each op, cuts the op into tasks and hands them to the pool; arithmetic lives in the
// kernels.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "backend/create_backend.h"
#include "cpu/kernel_table.h"
#include "cpu/product_walk.h"
#include "cpu/thread_pool.h"
#include "memory/large_buffer.h"

namespace llmrt::cpu {

// The table of a tier that PickTier gave; portable for those that are not compiled here.
const KernelTable& KernelsOf(backend::CpuTier tier);

class CpuBackend final : public backend::Backend {
 public:
  // `kernels` and what `tier` views must outlive the backend; tests pass tables that count calls.
  static absl::StatusOr<std::unique_ptr<backend::Backend>> Create(
      const KernelTable& kernels, std::string_view tier, const backend::BackendOptions& options);

  std::string_view device() const override { return "cpu"; }
  std::string DeviceClass() const override;
  int32_t num_threads() const override { return pool_->threads(); }
  backend::NumericClass ClassFor(backend::WeightType type) const override;
  double MeasureReadBandwidth() override;

  int32_t max_head_dim() const override { return static_cast<int32_t>(kHeadDimMax); }
  // As many as can be packed at once, since they are packed for all slices of a band.
  int64_t band_rows(const backend::Matrix& weight) const override;
  int64_t ScratchBytes() const override { return scratch_.bytes() + packed_.bytes(); }
  int64_t MatrixBytes(backend::WeightType type, int64_t rows, int64_t cols) const override;
  int64_t KvBlockBytes(const backend::KvShape& shape) const override;
  absl::StatusOr<std::unique_ptr<backend::Buffer>> CreateBuffer(int64_t bytes,
                                                                memory::Tag tag) override;
  absl::StatusOr<std::unique_ptr<backend::Matrix>> CreateMatrix(backend::WeightType type,
                                                                int64_t rows,
                                                                int64_t cols) override;
  absl::Status WriteRows(backend::Matrix& matrix, int64_t first_row,
                         absl::Span<const uint8_t> bytes) override;
  absl::Status Upload(backend::Buffer& buffer, int64_t offset,
                      absl::Span<const uint8_t> bytes) override;
  absl::Status Download(const backend::Buffer& buffer, int64_t offset,
                        absl::Span<uint8_t> out) override;
  absl::Status RunTasks(int64_t count,
                        absl::FunctionRef<void(int64_t task, int32_t worker)> task) override {
    return pool_->Run(count, task);
  }
  absl::StatusOr<std::unique_ptr<backend::KvCache>> CreateKvCache(const backend::KvShape& shape,
                                                                  int64_t num_blocks) override;
  absl::Status CopyKvBlocks(backend::KvCache& cache,
                            absl::Span<const backend::BlockCopy> copies) override;
  absl::Status ReadKvBlock(const backend::KvCache& cache, int32_t block,
                           absl::Span<uint8_t> out) override;

  absl::Status BeginStep(const backend::Batch& batch,
                         absl::Span<const int32_t> logit_rows) override;
  absl::Status ChangeBatch(const backend::Batch& batch,
                           absl::Span<const int32_t> logit_rows) override;
  absl::Status MoveRows(const backend::MoveRowsParams& params) override;
  absl::Status Embed(const backend::EmbedParams& params, backend::Range rows) override;
  absl::Status RmsNorm(const backend::RmsNormParams& params, backend::Range rows) override;
  absl::Status Prepare(const backend::PrepareParams& params, backend::Range rows) override;
  absl::Status MatMul(absl::Span<const backend::MatMulParams> products,
                      backend::Range features) override;
  absl::Status RopeStore(const backend::RopeStoreParams& params, backend::Range rows) override;
  absl::Status Attention(const backend::AttentionParams& params, backend::Range heads) override;
  absl::Status SwiGlu(const backend::SwiGluParams& params, backend::Range rows) override;
  absl::StatusOr<bool> EndStep(int64_t wait_us) override;

 private:
  CpuBackend(const KernelTable& kernels, std::string_view tier, memory::LargeMemory& memory)
      : kernels_(kernels), tier_(tier), memory_(memory) {}

  // fn(rows of a task) until all `rows` are done, several to a task so that a task has about
  // kTaskValues of work.
  template <typename Fn>
  absl::Status ForTasks(backend::Range rows, int64_t values_each, Fn fn);
  // fn(i) for i in [0, count), cut alike.
  template <typename Fn>
  absl::Status ForEach(int64_t count, int64_t values_each, Fn fn);

  absl::Status PackRows(const ProductWalk& walk);

  // Columns of row `row`, which are in `values`, in every format that is asked for; the op's rows
  // have `dim` values. They begin on a multiple of kPartStep, and end on one or with the row.
  void PreparePart(const float* values, int64_t dim, int64_t row, backend::Range columns,
                   absl::Span<const backend::PreparedRows> prepared) const;
  void SwiGluPart(const backend::SwiGluParams& params, int64_t row, backend::Range columns,
                  int32_t worker) const;
  uint8_t* ScratchOf(int32_t worker) const { return scratch_.data() + worker * kScratchBytes; }

  const KernelTable& kernels_;
  const std::string_view tier_;
  memory::LargeMemory& memory_;
  memory::LargeBuffer scratch_;  // [threads][kScratchBytes]
  memory::LargeBuffer packed_;   // kPackedBytes, of the product under way
  WalkPlace place_;              // of which walk packed_ has the rows, and where it stands
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace llmrt::cpu
