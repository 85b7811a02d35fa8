// Mode `reference`: every op in the plainest order, float32 between ops and double inside sums, one
// thread. It exists to be compared with independent implementations (golden tests), so it follows
// the formulas, not the rounding points of mode `exact`.
#include <limits>
#include <string>
#include <utility>

#include "backend/create_backend.h"
#include "ops/attention.h"
#include "ops/batch.h"
#include "ops/embed.h"
#include "ops/host_storage.h"
#include "ops/matmul.h"
#include "ops/move_rows.h"
#include "ops/prepare.h"
#include "ops/rms_norm.h"
#include "ops/rope_store.h"
#include "ops/swiglu.h"

namespace llmrt::ops {
namespace {

using backend::Range;

class ReferenceBackend final : public backend::Backend {
 public:
  explicit ReferenceBackend(memory::LargeMemory& memory) : memory_(memory) {}

  std::string_view device() const override { return "cpu"; }
  std::string DeviceClass() const override { return "cpu/reference"; }
  int32_t num_threads() const override { return 1; }
  backend::NumericClass ClassFor(backend::WeightType) const override {
    return backend::kFloat32Plain;
  }
  // Its speed is bound by arithmetic, so there is no bandwidth to plan with.
  double MeasureReadBandwidth() override { return 0; }

  // Its ops work through rows of any length in pieces on the stack, so they need no scratch.
  int32_t max_head_dim() const override { return std::numeric_limits<int32_t>::max(); }
  int64_t ScratchBytes() const override { return 0; }
  int64_t MatrixBytes(backend::WeightType type, int64_t rows, int64_t cols) const override {
    return HostMatrix::Bytes(type, rows, cols).value_or(0);
  }
  int64_t KvBlockBytes(const backend::KvShape& shape) const override { return shape.BlockBytes(); }

  absl::StatusOr<std::unique_ptr<backend::Buffer>> CreateBuffer(int64_t bytes,
                                                                memory::Tag tag) override {
    return HostBuffer::Create(memory_, bytes, tag);
  }
  absl::StatusOr<std::unique_ptr<backend::Matrix>> CreateMatrix(backend::WeightType type,
                                                                int64_t rows,
                                                                int64_t cols) override {
    return HostMatrix::Create(memory_, type, rows, cols);
  }
  absl::Status WriteRows(backend::Matrix& matrix, int64_t first_row,
                         absl::Span<const uint8_t> bytes) override {
    return static_cast<HostMatrix&>(matrix).WriteRows(first_row, bytes);
  }
  absl::Status Upload(backend::Buffer& buffer, int64_t offset,
                      absl::Span<const uint8_t> bytes) override {
    return UploadToHost(buffer, offset, bytes);
  }
  absl::Status Download(const backend::Buffer& buffer, int64_t offset,
                        absl::Span<uint8_t> out) override {
    return DownloadFromHost(buffer, offset, out);
  }
  absl::StatusOr<std::unique_ptr<backend::KvCache>> CreateKvCache(const backend::KvShape& shape,
                                                                  int64_t num_blocks) override {
    return HostKvCache::Create(memory_, shape, num_blocks);
  }
  absl::Status CopyKvBlocks(backend::KvCache& cache,
                            absl::Span<const backend::BlockCopy> copies) override {
    return static_cast<HostKvCache&>(cache).CopyBlocks(copies);
  }
  absl::Status ReadKvBlock(const backend::KvCache& cache, int32_t block,
                           absl::Span<uint8_t> out) override {
    return static_cast<const HostKvCache&>(cache).ReadBlock(block, out);
  }

  absl::Status BeginStep(const backend::Batch& batch,
                         absl::Span<const int32_t> logit_rows) override {
    return CheckBatch(batch, logit_rows);
  }
  absl::Status ChangeBatch(const backend::Batch& batch,
                           absl::Span<const int32_t> logit_rows) override {
    return CheckBatch(batch, logit_rows);
  }
  absl::Status MoveRows(const backend::MoveRowsParams& params) override {
    if (absl::Status status = CheckMoveRows(params); !status.ok()) return status;
    OracleMoveRows(params);
    return absl::OkStatus();
  }
  absl::Status Embed(const backend::EmbedParams& params, Range rows) override {
    return RunOp(CheckEmbed, OracleEmbed, params, rows);
  }
  absl::Status RmsNorm(const backend::RmsNormParams& params, Range rows) override {
    return RunOp(CheckRmsNorm, PlainRmsNorm, params, rows);
  }
  absl::Status Prepare(const backend::PrepareParams& params, Range rows) override {
    return RunOp(CheckPrepare, OraclePrepare, params, rows);
  }
  absl::Status MatMul(absl::Span<const backend::MatMulParams> products, Range features) override {
    if (absl::Status status = CheckMatMul(products, features); !status.ok()) return status;
    PlainMatMul(products, features);
    return absl::OkStatus();
  }
  absl::Status RopeStore(const backend::RopeStoreParams& params, Range rows) override {
    return RunOp(CheckRopeStore, OracleRopeStore, params, rows);
  }
  absl::Status Attention(const backend::AttentionParams& params, Range heads) override {
    return RunOp(CheckAttention, PlainAttention, params, heads);
  }
  absl::Status SwiGlu(const backend::SwiGluParams& params, Range rows) override {
    return RunOp(CheckSwiGlu, PlainSwiGlu, params, rows);
  }
  absl::StatusOr<bool> EndStep(int64_t) override { return true; }

 private:
  template <typename Params>
  static absl::Status RunOp(absl::Status (*check)(const Params&, Range),
                            void (*run)(const Params&, Range), const Params& params, Range range) {
    if (absl::Status status = check(params, range); !status.ok()) return status;
    run(params, range);
    return absl::OkStatus();
  }

  memory::LargeMemory& memory_;
};

}  // namespace
}  // namespace llmrt::ops

namespace llmrt::backend {

absl::StatusOr<std::unique_ptr<Backend>> CreateReferenceBackend(const BackendOptions& options) {
  if (options.memory == nullptr) {
    return absl::InternalError("a reference backend needs a LargeMemory");
  }
  return std::unique_ptr<Backend>(new ops::ReferenceBackend(*options.memory));
}

}  // namespace llmrt::backend
