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

struct Part {
  int64_t start;
  int64_t bytes;
};

// Between any two of them.
void ExpectNoOverlap(const std::vector<Part>& parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_TRUE(parts[i].start + parts[i].bytes <= parts[j].start ||
                  parts[j].start + parts[j].bytes <= parts[i].start)
          << i << " and " << j;
    }
  }
}

TEST(WorkspaceLayoutTest, PartsThatAreInUseTogetherDoNotOverlap) {
  FormatSet formats;
  formats.Add(backend::ActivationFormat::kInt8);
  formats.Add(backend::ActivationFormat::kF32);
  const WorkspaceLayout layout =
      LayOutWorkspace(OddConfig(), formats, {.rows = 7, .logit_rows = 3, .context_length = 33});
  const std::vector<Part> always = {{layout.residual, 7 * 20 * 4},
                                    {layout.logits, 3 * 257 * 4},
                                    {layout.rope, 33 * 20 * 4},
                                    {layout.prepared[0], 7 * 6 * 128},
                                    {layout.prepared[2], 7 * 6 * 40}};
  const std::vector<Part> norm = {{layout.normed, 7 * 20 * 4}};
  const std::vector<Part> attention = {{layout.query, 7 * 60 * 4},
                                       {layout.key, 7 * 20 * 4},
                                       {layout.value, 7 * 20 * 4},
                                       {layout.attended, 7 * 60 * 4}};
  const std::vector<Part> ffn = {{layout.gate, 7 * 172 * 4}, {layout.up, 7 * 172 * 4}};
  for (const std::vector<Part>& group : {norm, attention, ffn}) {
    std::vector<Part> parts = always;
    parts.insert(parts.end(), group.begin(), group.end());
    ExpectNoOverlap(parts);
    for (const Part& part : parts) {
      EXPECT_EQ(part.start % memory::kAlignment, 0);
      EXPECT_LE(part.start + part.bytes, layout.total);
    }
  }
  EXPECT_EQ(layout.normed, layout.query);
  EXPECT_EQ(layout.normed, layout.gate);
  EXPECT_EQ(layout.prepared[1], -1);
}

TEST(WorkspaceLayoutTest, OnlyTheWidestOfTheGroupsTakesMemory) {
  const StepLimits limits{.rows = 64, .logit_rows = 1, .context_length = 1};
  const auto total = [&](int32_t ffn_dim, int32_t q_heads) {
    LlamaConfig config = OddConfig();
    config.ffn_dim = ffn_dim;
    config.num_q_heads = q_heads;
    return LayOutWorkspace(config, {}, limits).total;
  };
  EXPECT_EQ(total(172, 3), total(172, 1));   // two of 172 values, four of at most 60
  EXPECT_EQ(total(172, 20), total(16, 20));  // two of 400 values and two of 20
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
