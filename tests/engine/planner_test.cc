#include "engine/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/select_backend.h"
#include "memory/counted_heap.h"
#include "tests/model/random_model.h"

namespace llmrt::engine {
namespace {

class PlannerTest : public ::testing::Test {
 protected:
  absl::StatusOr<LoadPlan> Make(const EngineOptions& options) {
    backend_ = SelectBackend(options, memory_, options.job_hook).value();
    return MakeLoadPlan(*file_, heap_, options, *backend_);
  }

  memory::LargeMemory memory_{0};
  ModelHeap heap_{.bytes = 100000, .open_peak_bytes = 200000};
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
  EXPECT_EQ(plan->numbers.total_bytes, plan->numbers.weights_bytes + plan->numbers.kv_bytes +
                                           plan->numbers.workspace_bytes +
                                           plan->numbers.heap_bytes);
}

TEST_F(PlannerTest, ABudgetGivesKvWhatItLeavesAndNoMore) {
  EngineOptions options;
  options.sessions = 2;
  const Plan unlimited = Make(options)->numbers;
  const int64_t block_bytes = unlimited.kv_bytes / unlimited.kv_blocks;
  // A block's tokens cost the heap something as well: ids and queues of the two sessions, a place
  // in the pool.
  const int64_t block_with_heap = block_bytes + 2 * 16 * 64;
  int64_t blocks = unlimited.kv_blocks;
  for (int64_t budget = unlimited.total_bytes; blocks > 1; budget -= block_bytes / 3) {
    options.memory_budget_bytes = budget;
    const auto limited = Make(options);
    ASSERT_TRUE(limited.ok()) << limited.status();
    EXPECT_LE(limited->numbers.total_bytes, budget);
    EXPECT_LE(limited->numbers.kv_blocks, blocks);
    EXPECT_LT(budget - limited->numbers.total_bytes, block_with_heap);
    blocks = limited->numbers.kv_blocks;
    // No session can hold more than all blocks.
    EXPECT_EQ(limited->numbers.context_length, std::min<int64_t>(640, blocks * 16));
  }
}

TEST_F(PlannerTest, ABudgetOneByteTooSmallIsRefusedWithTheNumbers) {
  EngineOptions options;
  options.memory_budget_bytes = 1;
  const std::string told(Make(options).status().message());
  const size_t at = told.find("together ");
  ASSERT_NE(at, std::string::npos) << told;
  const int64_t least = std::stoll(told.substr(at + 9));
  options.memory_budget_bytes = least;
  const auto plan = Make(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->numbers.kv_blocks, 1);
  EXPECT_EQ(plan->numbers.total_bytes, least);
  options.memory_budget_bytes = least - 1;
  const absl::Status status = Make(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const Plan& numbers = plan->numbers;
  for (const int64_t number : {least - 1, numbers.weights_bytes, numbers.workspace_bytes,
                               numbers.heap_bytes, numbers.kv_bytes, least}) {
    EXPECT_NE(status.message().find(std::to_string(number)), std::string_view::npos)
        << number << " in " << status.message();
  }
}

TEST_F(PlannerTest, TheModelsHeapIsPartOfThePlanAndSoIsTheLoadsPeak) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  const Plan plan = Make({})->numbers;
  heap_.bytes += 12345;
  EXPECT_EQ(Make({})->numbers.heap_bytes, plan.heap_bytes + 12345);
  // Opening took more than everything takes later: then that is the total.
  heap_.open_peak_bytes = plan.total_bytes + 500000;
  EXPECT_EQ(Make({})->numbers.total_bytes, plan.total_bytes + 500000);
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
