// A backend that counts the steps which begin and end, and has another one do the work. It can also
// record: ops inside a recording are counted instead of run, and a replay is noted and does
// nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tests/model/forwarding_backend.h"

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

class CountingBackend final : public ForwardingBackend {
 public:
  CountingBackend(std::unique_ptr<Backend> inner, StepCounts& counts)
      : ForwardingBackend(std::move(inner)), counts_(counts) {}

  absl::Status BeginStep(const backend::Batch& batch,
                         absl::Span<const int32_t> logit_rows) override {
    ++counts_.begun;
    counts_.inside = true;
    return inner().BeginStep(batch, logit_rows);
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
  absl::Status MatMul(absl::Span<const backend::MatMulParams> products,
                      backend::Range features) override {
    return Recorded() ? absl::OkStatus() : Op().MatMul(products, features);
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
    absl::StatusOr<bool> done = inner().EndStep(wait_us);
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
    return inner();
  }

  StepCounts& counts_;
};

}  // namespace llmrt::testing
