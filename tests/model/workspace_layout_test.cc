#include "model/workspace_layout.h"

#include <gtest/gtest.h>

#include <vector>

#include "memory/large_buffer.h"

namespace llmrt::model {
namespace {

LlamaConfig OddConfig() {
  LlamaConfig config;
  config.dim = 20;
  config.ffn_dim = 172;
  config.num_q_heads = 3;
  config.num_kv_heads = 1;
  config.head_dim = 20;
  config.vocab_size = 257;
  config.rope.dims = 20;
  return config;
}

TEST(WorkspaceLayoutTest, PartsAreAlignedAndDoNotOverlap) {
  FormatSet formats;
  formats.Add(backend::ActivationFormat::kInt8);
  formats.Add(backend::ActivationFormat::kF32);
  const WorkspaceLayout layout =
      LayOutWorkspace(OddConfig(), formats, {.rows = 7, .logit_rows = 3, .context_length = 33});
  const std::vector<int64_t> starts = {layout.residual, layout.normed,      layout.query,
                                       layout.key,      layout.value,       layout.attended,
                                       layout.gate,     layout.up,          layout.logits,
                                       layout.rope,     layout.prepared[0], layout.prepared[2]};
  const std::vector<int64_t> bytes = {7 * 20 * 4,  7 * 20 * 4,  7 * 60 * 4,  7 * 20 * 4,
                                      7 * 20 * 4,  7 * 60 * 4,  7 * 172 * 4, 7 * 172 * 4,
                                      3 * 257 * 4, 33 * 20 * 4, 7 * 6 * 128, 7 * 6 * 40};
  for (size_t i = 0; i < starts.size(); ++i) {
    EXPECT_EQ(starts[i] % memory::kAlignment, 0) << i;
    const int64_t end = i + 1 < starts.size() ? starts[i + 1] : layout.total;
    EXPECT_GE(end - starts[i], bytes[i]) << i;
    EXPECT_LT(end - starts[i], bytes[i] + memory::kAlignment) << i;
  }
  EXPECT_EQ(layout.prepared[1], -1);
}

TEST(WorkspaceLayoutTest, FormatsThatNobodyReadsTakeNothing) {
  const StepLimits limits{.rows = 64, .logit_rows = 16, .context_length = 128};
  FormatSet one, two;
  one.Add(backend::ActivationFormat::kF32);
  two = one;
  two.Add(backend::ActivationFormat::kBF16);
  EXPECT_LT(LayOutWorkspace(OddConfig(), one, limits).total,
            LayOutWorkspace(OddConfig(), two, limits).total);
}

}  // namespace
}  // namespace llmrt::model
