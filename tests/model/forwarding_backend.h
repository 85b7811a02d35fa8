// A backend that has another one do everything: tests change single functions of it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backend/backend.h"

namespace llmrt::testing {

class ForwardingBackend : public backend::Backend {
 public:
  explicit ForwardingBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

  std::string_view device() const override { return inner_->device(); }
  std::string DeviceClass() const override { return inner_->DeviceClass(); }
  int32_t num_threads() const override { return inner_->num_threads(); }
  bool RunsWeights(backend::WeightType type) const override { return inner_->RunsWeights(type); }
  backend::NumericClass ClassFor(backend::WeightType type) const override {
    return inner_->ClassFor(type);
  }
  double MeasureReadBandwidth() override { return inner_->MeasureReadBandwidth(); }
  int32_t max_head_dim() const override { return inner_->max_head_dim(); }
  int64_t band_rows(const backend::Matrix& weight) const override {
    return inner_->band_rows(weight);
  }
  int64_t ScratchBytes() const override { return inner_->ScratchBytes(); }
  int64_t OverheadBytes() const override { return inner_->OverheadBytes(); }
  int64_t FreeBytes() const override { return inner_->FreeBytes(); }
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
  bool upload_waits() const override { return inner_->upload_waits(); }
  absl::Status Download(const backend::Buffer& buffer, int64_t offset,
                        absl::Span<uint8_t> out) override {
    return inner_->Download(buffer, offset, out);
  }
  absl::Status RunTasks(int64_t count,
                        absl::FunctionRef<void(int64_t task, int32_t worker)> task) override {
    return inner_->RunTasks(count, task);
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
  int64_t StepBytes(const backend::StepNeeds& needs, const backend::KvShape& shape) const override {
    return inner_->StepBytes(needs, shape);
  }
  absl::Status ReserveSteps(const backend::StepNeeds& needs, backend::KvCache& cache) override {
    return inner_->ReserveSteps(needs, cache);
  }

  absl::Status BeginStep(const backend::Batch& batch,
                         absl::Span<const int32_t> logit_rows) override {
    return inner_->BeginStep(batch, logit_rows);
  }
  absl::Status ChangeBatch(const backend::Batch& batch,
                           absl::Span<const int32_t> logit_rows) override {
    return inner_->ChangeBatch(batch, logit_rows);
  }
  absl::Status MoveRows(const backend::MoveRowsParams& params) override {
    return inner_->MoveRows(params);
  }
  absl::Status Embed(const backend::EmbedParams& params, backend::Range rows) override {
    return inner_->Embed(params, rows);
  }
  absl::Status RmsNorm(const backend::RmsNormParams& params, backend::Range rows) override {
    return inner_->RmsNorm(params, rows);
  }
  absl::Status Prepare(const backend::PrepareParams& params, backend::Range rows) override {
    return inner_->Prepare(params, rows);
  }
  absl::Status MatMul(absl::Span<const backend::MatMulParams> products,
                      backend::Range features) override {
    return inner_->MatMul(products, features);
  }
  absl::Status RopeStore(const backend::RopeStoreParams& params, backend::Range rows) override {
    return inner_->RopeStore(params, rows);
  }
  absl::Status Attention(const backend::AttentionParams& params, backend::Range heads) override {
    return inner_->Attention(params, heads);
  }
  absl::Status SwiGlu(const backend::SwiGluParams& params, backend::Range rows) override {
    return inner_->SwiGlu(params, rows);
  }
  absl::StatusOr<bool> EndStep(int64_t wait_us) override { return inner_->EndStep(wait_us); }

  bool draws() const override { return inner_->draws(); }
  absl::Status Draw(const backend::DrawParams& params) override { return inner_->Draw(params); }
  absl::Status DrawnTokens(absl::Span<int32_t> tokens) override {
    return inner_->DrawnTokens(tokens);
  }
  absl::StatusOr<absl::Span<const float>> HostView(const float* data, int64_t count) override {
    return inner_->HostView(data, count);
  }
  int32_t graph_slots() const override { return inner_->graph_slots(); }
  absl::Status BeginRecording(int32_t slot) override { return inner_->BeginRecording(slot); }
  absl::Status EndRecording() override { return inner_->EndRecording(); }
  absl::Status Replay(int32_t slot) override { return inner_->Replay(slot); }

 protected:
  Backend& inner() { return *inner_; }

 private:
  const std::unique_ptr<Backend> inner_;
};

}  // namespace llmrt::testing
