#include "cuda/plugin/step_layout.h"

#include <gtest/gtest.h>

#include <vector>

#include "cuda/kernels/attention.h"
#include "cuda/kernels/draw.h"

namespace llmrt::cuda {
namespace {

backend::PluginStepNeeds Needs() {
  return {.rows = 100,
          .logit_rows = 7,
          .table_entries = 130,
          .context_length = 1000,
          .vocab_size = 5000,
          .num_q_heads = 4,
          .num_kv_heads = 2,
          .head_dim = 16};
}

// Each array's place and its bytes, in the order of the memory.
struct Array {
  int64_t offset;
  int64_t bytes;
};
std::vector<Array> ArraysOf(const StepLayout& layout, const backend::PluginStepNeeds& needs) {
  const int64_t parts = DrawParts(static_cast<int32_t>(needs.vocab_size));
  return {{layout.counters, 2 * 4},
          {layout.tokens, needs.rows * 4},
          {layout.positions, needs.rows * 4},
          {layout.sequences, needs.rows * 4},
          {layout.logit_rows, needs.logit_rows * 4},
          {layout.table_starts, needs.logit_rows * 4},
          {layout.tiles, needs.rows * int64_t{sizeof(AttentionTile)}},
          {layout.blocks, needs.table_entries * 8},
          {layout.request_count, 4},
          {layout.requests, needs.logit_rows * int64_t{sizeof(DrawRequest)}},
          {layout.results, needs.logit_rows * int64_t{sizeof(DrawResult)}},
          {layout.parts, needs.logit_rows * parts * int64_t{sizeof(DrawPart)}},
          {layout.partial, 0}};
}

TEST(StepLayoutTest, ArraysAreAlignedAndDoNotOverlap) {
  const backend::PluginStepNeeds needs = Needs();
  const StepLayout layout = LayOutStep(needs);
  int64_t end = 0;
  for (const Array& array : ArraysOf(layout, needs)) {
    EXPECT_EQ(array.offset % 256, 0);
    EXPECT_GE(array.offset, end);
    end = array.offset + array.bytes;
  }
  EXPECT_LE(end, layout.device_bytes);
}

TEST(StepLayoutTest, HostHoldsWhatIsUploadedAndReadBack) {
  const StepLayout layout = LayOutStep(Needs());
  EXPECT_GE(layout.host_bytes, layout.results + Needs().logit_rows * int64_t{sizeof(DrawResult)});
  EXPECT_LE(layout.host_bytes, layout.parts);
  EXPECT_LT(layout.host_bytes, layout.device_bytes);
}

TEST(StepLayoutTest, OneSplitNeedsNoStates) {
  backend::PluginStepNeeds needs = Needs();
  needs.context_length = kAttentionSplit;
  EXPECT_EQ(LayOutStep(needs).splits_max, 1);
  EXPECT_EQ(LayOutStep(needs).partial, LayOutStep(needs).device_bytes);
  needs.context_length = kAttentionSplit + 1;
  EXPECT_EQ(LayOutStep(needs).splits_max, 2);
  EXPECT_GT(LayOutStep(needs).device_bytes, LayOutStep(needs).partial);
}

TEST(StepLayoutTest, StatesAreForAFewRowsHoweverManyThereAre) {
  backend::PluginStepNeeds needs = Needs();
  const auto states = [&needs] {
    const StepLayout layout = LayOutStep(needs);
    return layout.device_bytes - layout.partial;
  };
  // 4 splits of 4 heads of 16 values, a maximum and a sum.
  EXPECT_EQ(states(), kSplitRowsMax * 4 * 4 * 18 * 4);
  needs.rows = 5000;
  EXPECT_EQ(states(), kSplitRowsMax * 4 * 4 * 18 * 4);
  needs.rows = 2;
  EXPECT_EQ(states(), (2 * 4 * 4 * 18 * 4 + 255) / 256 * 256);
}

TEST(StepLayoutTest, GrowsWithEveryNeed) {
  const int64_t base = LayOutStep(Needs()).device_bytes;
  for (int64_t backend::PluginStepNeeds::*need :
       {&backend::PluginStepNeeds::rows, &backend::PluginStepNeeds::logit_rows,
        &backend::PluginStepNeeds::table_entries, &backend::PluginStepNeeds::context_length,
        &backend::PluginStepNeeds::vocab_size}) {
    backend::PluginStepNeeds needs = Needs();
    needs.*need *= 10;
    EXPECT_GT(LayOutStep(needs).device_bytes, base);
  }
}

TEST(StepLayoutTest, SmallestNeedsStillHaveRoom) {
  const StepLayout layout = LayOutStep({.rows = 1,
                                        .logit_rows = 1,
                                        .table_entries = 1,
                                        .context_length = 1,
                                        .vocab_size = 1,
                                        .num_q_heads = 1,
                                        .num_kv_heads = 1,
                                        .head_dim = 1});
  EXPECT_GT(layout.host_bytes, 0);
  EXPECT_GT(layout.device_bytes, layout.host_bytes);
}

}  // namespace
}  // namespace llmrt::cuda
