// A backend that counts the steps which begin and end, and has another one do the work. It can also
// record: ops inside a recording are counted instead of run, and a replay is noted and does
// nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"

namespace llmrt::testing {

struct StepCounts {
  int64_t begun = 0;
  int64_t ended = 0;
  int64_t ops_outside = 0;  // of steps
  bool inside = false;
  absl::Status end_status;  // what EndStep returns
  // Recording.
  int32_t graph_slots = 0;
  int32_t recording = -1;
  std::vector<int64_t> recorded_ops;  // by slot
  std::vector<int32_t> replays;
  absl::Status record_status;  // what EndRecording returns
};

class CountingBackend final : public backend::Backend {
 public:
  CountingBackend(std::unique_ptr<Backend> inner, StepCounts& counts)
      : inner_(std::move(inner)), counts_(counts) {}

  std::string_view device() const override { return inner_->device(); }
  std::string DeviceClass() const override { return inner_->DeviceClass(); }
  int32_t num_threads() const override { return inner_->num_threads(); }
  backend::NumericClass ClassFor(backend::WeightType type) const override {
    return inner_->ClassFor(type);
  }
  double MeasureReadBandwidth() override { return inner_->MeasureReadBandwidth(); }
  int32_t max_head_dim() const override { return inner_->max_head_dim(); }
  int64_t ScratchBytes() const override { return inner_->ScratchBytes(); }
  int64_t MatrixBytes(backend::WeightType type, int64_t rows, int64_t cols) const override {
    return inner_->MatrixBytes(type, rows, cols);
  }
  int64_t KvBlockBytes(const backend::KvShape& shape) const override {
    return inner_->KvBlockBytes(shape);
  }
  absl::StatusOr<std::unique_ptr<backend::Buffer>> CreateBuffer(int64_t bytes,
                                                                memory::Tag tag) override {
    return inner_->CreateBuffer(bytes, tag);
  }
  absl::StatusOr<std::unique_ptr<backend::Matrix>> CreateMatrix(backend::WeightType type,
                                                                int64_t rows,
                                                                int64_t cols) override {
    return inner_->CreateMatrix(type, rows, cols);
  }
  absl::Status WriteRows(backend::Matrix& matrix, int64_t first_row,
                         absl::Span<const uint8_t> bytes) override {
    return inner_->WriteRows(matrix, first_row, bytes);
  }
  absl::Status Upload(backend::Buffer& buffer, int64_t offset,
                      absl::Span<const uint8_t> bytes) override {
    return inner_->Upload(buffer, offset, bytes);
  }
  absl::Status Download(const backend::Buffer& buffer, int64_t offset,
                        absl::Span<uint8_t> out) override {
    return inner_->Download(buffer, offset, out);
  }
  absl::StatusOr<std::unique_ptr<backend::KvCache>> CreateKvCache(const backend::KvShape& shape,
                                                                  int64_t num_blocks) override {
    return inner_->CreateKvCache(shape, num_blocks);
  }
  absl::Status CopyKvBlocks(backend::KvCache& cache,
                            absl::Span<const backend::BlockCopy> copies) override {
    return inner_->CopyKvBlocks(cache, copies);
  }
  absl::Status ReadKvBlock(const backend::KvCache& cache, int32_t block,
                           absl::Span<uint8_t> out) override {
    return inner_->ReadKvBlock(cache, block, out);
  }

  absl::Status BeginStep(const backend::Batch& batch,
                         absl::Span<const int32_t> logit_rows) override {
    ++counts_.begun;
    counts_.inside = true;
    return inner_->BeginStep(batch, logit_rows);
  }
  absl::Status ChangeBatch(const backend::Batch& batch,
                           absl::Span<const int32_t> logit_rows) override {
    return Op().ChangeBatch(batch, logit_rows);
  }
  absl::Status MoveRows(const backend::MoveRowsParams& params) override {
    return Op().MoveRows(params);
  }
  absl::Status Embed(const backend::EmbedParams& params, backend::Range rows) override {
    return Recorded() ? absl::OkStatus() : Op().Embed(params, rows);
  }
  absl::Status RmsNorm(const backend::RmsNormParams& params, backend::Range rows) override {
    return Recorded() ? absl::OkStatus() : Op().RmsNorm(params, rows);
  }
  absl::Status Prepare(const backend::PrepareParams& params, backend::Range rows) override {
    return Recorded() ? absl::OkStatus() : Op().Prepare(params, rows);
  }
  absl::Status MatMul(const backend::MatMulParams& params, backend::Range features) override {
    return Recorded() ? absl::OkStatus() : Op().MatMul(params, features);
  }
  absl::Status RopeStore(const backend::RopeStoreParams& params, backend::Range rows) override {
    return Recorded() ? absl::OkStatus() : Op().RopeStore(params, rows);
  }
  absl::Status Attention(const backend::AttentionParams& params, backend::Range heads) override {
    return Recorded() ? absl::OkStatus() : Op().Attention(params, heads);
  }
  absl::Status SwiGlu(const backend::SwiGluParams& params, backend::Range rows) override {
    return Recorded() ? absl::OkStatus() : Op().SwiGlu(params, rows);
  }
  absl::StatusOr<bool> EndStep(int64_t wait_us) override {
    ++counts_.ended;
    counts_.inside = false;
    absl::StatusOr<bool> done = inner_->EndStep(wait_us);
    if (done.ok() && !counts_.end_status.ok()) return counts_.end_status;
    return done;
  }
  int32_t graph_slots() const override { return counts_.graph_slots; }
  absl::Status BeginRecording(int32_t slot) override {
    counts_.recording = slot;
    counts_.recorded_ops.resize(static_cast<size_t>(slot) + 1);
    return absl::OkStatus();
  }
  absl::Status EndRecording() override {
    counts_.recording = -1;
    return counts_.record_status;
  }
  absl::Status Replay(int32_t slot) override {
    counts_.replays.push_back(slot);
    return absl::OkStatus();
  }

 private:
  bool Recorded() {
    if (counts_.recording < 0) return false;
    ++counts_.recorded_ops[static_cast<size_t>(counts_.recording)];
    return true;
  }
  Backend& Op() {
    if (!counts_.inside) ++counts_.ops_outside;
    return *inner_;
  }

  const std::unique_ptr<Backend> inner_;
  StepCounts& counts_;
};

}  // namespace llmrt::testing
