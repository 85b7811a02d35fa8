#include "engine/planner.h"

#include <gtest/gtest.h>

#include "engine/select_backend.h"
#include "tests/model/random_model.h"

namespace llmrt::engine {
namespace {

class PlannerTest : public ::testing::Test {
 protected:
  absl::StatusOr<LoadPlan> Make(const EngineOptions& options) {
    backend_ = SelectBackend(options, memory_).value();
    return MakeLoadPlan(*file_, options, *backend_);
  }

  memory::LargeMemory memory_{0};
  std::unique_ptr<formats::ModelFile> file_ = llmrt::testing::OpenRandomModel({});
  std::unique_ptr<backend::Backend> backend_;
};

TEST_F(PlannerTest, KvBytesPerTokenFollowTheFormula) {
  for (const auto type : {backend::KvType::kF32, backend::KvType::kF16, backend::KvType::kBF16}) {
    EngineOptions options;
    options.kv_type = type;
    const auto plan = Make(options);
    ASSERT_TRUE(plan.ok()) << plan.status();
    // 2 * layers * KV heads * head dim * bytes per element
    EXPECT_EQ(plan->numbers.kv_bytes_per_token, 2 * 2 * 2 * 16 * backend::KvElementBytes(type));
  }
}

// Published figures: Llama-2-70B in FP16 takes 2.62 MB a token with 64 KV heads, 0.33 MB with
// its 8.
TEST_F(PlannerTest, Llama70BTakesThePublishedBytesPerToken) {
  backend::KvShape shape{.num_layers = 80, .num_kv_heads = 64, .head_dim = 128};
  EXPECT_EQ(shape.TokenBytes(), 2621440);
  shape.num_kv_heads = 8;
  EXPECT_EQ(shape.TokenBytes(), 327680);
}

TEST_F(PlannerTest, BlocksHoldTheSessionsThatWerePlannedFor) {
  EngineOptions options;
  options.context_length = 100;
  options.sessions = 3;
  const auto plan = Make(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->numbers.kv_blocks, 3 * 7);  // 100 tokens take 7 blocks of 16
  EXPECT_EQ(plan->numbers.context_length, 100);
  EXPECT_EQ(plan->numbers.total_bytes,
            plan->numbers.weights_bytes + plan->numbers.kv_bytes + plan->numbers.workspace_bytes);
}

TEST_F(PlannerTest, ABudgetShrinksTheKvToWhatFits) {
  EngineOptions options;
  const Plan unlimited = Make(options)->numbers;
  const int64_t block_bytes = unlimited.kv_bytes / unlimited.kv_blocks;
  options.memory_budget_bytes =
      unlimited.weights_bytes + unlimited.workspace_bytes + 3 * block_bytes + block_bytes / 2;
  const Plan limited = Make(options)->numbers;
  EXPECT_EQ(limited.kv_blocks, 3);
  EXPECT_LE(limited.total_bytes, options.memory_budget_bytes);
  EXPECT_EQ(limited.context_length, 3 * 16);  // no session can hold more than all blocks
}

TEST_F(PlannerTest, ABudgetWithoutRoomForOneBlockIsRefusedWithTheNumbers) {
  EngineOptions options;
  const Plan unlimited = Make(options)->numbers;
  options.memory_budget_bytes = unlimited.weights_bytes + unlimited.workspace_bytes;
  const absl::Status status = Make(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find(std::to_string(options.memory_budget_bytes)),
            std::string_view::npos);
  EXPECT_NE(status.message().find(std::to_string(unlimited.weights_bytes)), std::string_view::npos);
}

TEST_F(PlannerTest, AContextBeyondTheModelsIsOutOfRange) {
  EngineOptions options;
  options.context_length = 641;
  EXPECT_EQ(Make(options).status().code(), absl::StatusCode::kOutOfRange);
  options.context_length = 640;
  EXPECT_TRUE(Make(options).ok());
}

TEST_F(PlannerTest, DecodeCeilingIsBandwidthOverBytesRead) {
  const auto plan = Make({});
  const double bandwidth = 1e9;
  EXPECT_DOUBLE_EQ(DecodeCeiling(*plan, *file_, *backend_, bandwidth),
                   bandwidth / static_cast<double>(plan->numbers.weights_bytes));
}

TEST_F(PlannerTest, AnEmbeddingThatIsNotTheOutputDoesNotCountAsRead) {
  file_ = llmrt::testing::OpenRandomModel({.tied = false});
  const auto plan = Make({});
  const auto* embedding = file_->FindTensor("token_embd.weight");
  const int64_t table =
      backend_->MatrixBytes(embedding->type, embedding->rows(), embedding->cols());
  EXPECT_DOUBLE_EQ(DecodeCeiling(*plan, *file_, *backend_, 1e9),
                   1e9 / static_cast<double>(plan->numbers.weights_bytes - table));
}

}  // namespace
}  // namespace llmrt::engine
