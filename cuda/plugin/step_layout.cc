#include "cuda/plugin/step_layout.h"

#include <algorithm>

#include "cuda/kernels/attention.h"
#include "cuda/kernels/draw.h"

namespace llmrt::cuda {
namespace {

// Arrays start on lines of the device's memory.
constexpr int64_t kAlignment = 256;

class Layout {
 public:
  int64_t Add(int64_t bytes) {
    const int64_t offset = total_;
    total_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  }
  int64_t total() const { return total_; }

 private:
  int64_t total_ = 0;
};

}  // namespace

StepLayout LayOutStep(const backend::PluginStepNeeds& needs) {
  constexpr int64_t kInt = sizeof(int32_t);
  Layout layout;
  StepLayout out = {};
  out.counters = layout.Add(kAlignment);
  out.tokens = layout.Add(needs.rows * kInt);
  out.positions = layout.Add(needs.rows * kInt);
  out.sequences = layout.Add(needs.rows * kInt);
  out.logit_rows = layout.Add(needs.logit_rows * kInt);
  out.table_starts = layout.Add(needs.logit_rows * kInt);
  out.tiles = layout.Add(needs.rows * static_cast<int64_t>(sizeof(AttentionTile)));
  out.blocks = layout.Add(needs.table_entries * static_cast<int64_t>(sizeof(uint64_t)));
  out.request_count = layout.Add(kAlignment);
  out.requests = layout.Add(needs.logit_rows * static_cast<int64_t>(sizeof(DrawRequest)));
  out.results = layout.Add(needs.logit_rows * static_cast<int64_t>(sizeof(DrawResult)));
  out.host_bytes = layout.total();
  const int64_t parts = DrawParts(static_cast<int32_t>(needs.vocab_size));
  out.parts = layout.Add(needs.logit_rows * parts * static_cast<int64_t>(sizeof(DrawPart)));
  out.splits_max = (needs.context_length + kAttentionSplit - 1) / kAttentionSplit;
  const int64_t split_rows = std::min(needs.rows, kSplitRowsMax);
  const int64_t state = (int64_t{needs.head_dim} + 2) * static_cast<int64_t>(sizeof(float));
  // One split needs no merging.
  out.partial =
      layout.Add(out.splits_max > 1 ? split_rows * needs.num_q_heads * out.splits_max * state : 0);
  out.device_bytes = layout.total();
  return out;
}

}  // namespace llmrt::cuda
