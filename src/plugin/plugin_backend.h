// The backend of a device whose code lives in a plugin: checks the arguments of each op, translates
// them into the structs of backend/plugin_table.h, and calls the table. Numbers of a step (rows,
// positions, block tables) are written where the plugin wants them when the step begins. Nothing is
// allocated between the beginning and the end of a step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "backend/create_backend.h"
#include "backend/plugin_table.h"
#include "memory/large_buffer.h"
#include "plugin/device.h"
#include "plugin/storage.h"

namespace llmrt::plugin {

class PluginBackend final : public backend::Backend {
 public:
  // `library` keeps `table` alive; tests have tables that record what they are called for.
  static absl::StatusOr<std::unique_ptr<backend::Backend>> Create(
      const backend::PluginTable& table, std::shared_ptr<const void> library,
      const backend::PluginBackendOptions& options);
  ~PluginBackend() override;

  std::string_view device() const override { return name_; }
  std::string DeviceClass() const override;
  // Of the host's threads only the caller's works, and that waits most of the time.
  int32_t num_threads() const override { return 1; }
  bool RunsWeights(backend::WeightType type) const override;
  backend::NumericClass ClassFor(backend::WeightType type) const override;
  double MeasureReadBandwidth() override;

  int32_t max_head_dim() const override { return 256; }
  int64_t ScratchBytes() const override { return heap_.bytes(); }
  int64_t OverheadBytes() const override { return device_->info().overhead_bytes; }
  int64_t FreeBytes() const override { return device_->info().free_bytes; }
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
  bool upload_waits() const override { return true; }
  absl::Status Download(const backend::Buffer& buffer, int64_t offset,
                        absl::Span<uint8_t> out) override;
  absl::StatusOr<std::unique_ptr<backend::KvCache>> CreateKvCache(const backend::KvShape& shape,
                                                                  int64_t num_blocks) override;
  absl::Status CopyKvBlocks(backend::KvCache& cache,
                            absl::Span<const backend::BlockCopy> copies) override;
  absl::Status ReadKvBlock(const backend::KvCache& cache, int32_t block,
                           absl::Span<uint8_t> out) override;

  int64_t StepBytes(const backend::StepNeeds& needs, const backend::KvShape& shape) const override;
  absl::Status ReserveSteps(const backend::StepNeeds& needs, backend::KvCache& cache) override;

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

  bool draws() const override { return true; }
  absl::Status Draw(const backend::DrawParams& params) override;
  absl::Status DrawnTokens(absl::Span<int32_t> tokens) override;
  absl::StatusOr<absl::Span<const float>> HostView(const float* data, int64_t count) override;
  int32_t graph_slots() const override { return backend::kPluginGraphSlots; }
  absl::Status BeginRecording(int32_t slot) override;
  absl::Status EndRecording() override;
  absl::Status Replay(int32_t slot) override;

 private:
  PluginBackend(std::unique_ptr<Device> device, memory::LargeMemory& memory, int32_t index);

  const backend::PluginTable& table() const { return device_->table(); }
  absl::Status TakeStep(const backend::Batch& batch, absl::Span<const int32_t> logit_rows,
                        bool rows_leave);
  // Writes the batch into the step's memory; `logit_rows` counts into *counts, too.
  absl::Status WriteStep(const backend::Batch& batch, absl::Span<const int32_t> logit_rows,
                         backend::PluginStepCounts* counts);
  absl::Status CheckStep(const backend::Batch& batch, absl::Span<const int32_t> logit_rows) const;
  // Block tables, one after the other, as far as the rows need them.
  absl::Status WriteTables(const backend::Batch& batch, const backend::PluginStepMemory& memory,
                           backend::PluginStepCounts* counts) const;
  // The op is about the step in flight: its rows; the cache that steps were reserved for, with the
  // blocks of every row.
  absl::Status CheckRows(std::string_view op, const backend::Batch& batch) const;
  absl::Status CheckBlocks(std::string_view op, const backend::KvCache& cache) const;

  // Launches of one op: what another one leaves in `in` is prepared, one product of a walk.
  absl::Status CheckFormats(std::string_view op,
                            absl::Span<const backend::PreparedRows> prepared) const;
  absl::Status LaunchPrepare(const backend::PrepareParams& params, backend::Range rows);
  absl::Status LaunchPrepared(const float* in, int64_t cols,
                              absl::Span<const backend::PreparedRows> prepared,
                              backend::Range rows);
  absl::Status LaunchProduct(const backend::MatMulParams& params, backend::Range features);

  // The host's end of draws and views, in `host_`.
  backend::PluginDrawRequest* Requests() const;
  backend::PluginDrawResult* Results() const;
  float* View() const;

  // Closed last: all memory below lies on it.
  const std::unique_ptr<Device> device_;
  memory::LargeMemory& memory_;
  const std::string name_;      // "cuda:0"
  memory::ForeignMemory heap_;  // the plugin's small objects

  // What ReserveSteps took.
  backend::PluginStepNeeds needs_ = {};
  const PluginKvCache* cache_ = nullptr;
  memory::ForeignMemory steps_;  // on the device and pinned
  memory::LargeBuffer host_;     // [logit_rows] requests, [logit_rows] results, [vocab_size] floats

  // Of the step in flight.
  int64_t num_rows_ = 0;
  int64_t num_logit_rows_ = 0;
  int64_t num_drawn_ = 0;
  bool has_tables_ = false;  // every row has its blocks: without, no op may look for them
};

}  // namespace llmrt::plugin
