#include "engine/model.h"

#include <gtest/gtest.h>

#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

TEST(ModelTest, OpensWithItsTokenizer) {
  const auto model = Model::Open(*llmrt::testing::RandomSource(), false);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->vocab_size(), 300);
  EXPECT_TRUE((*model)->tokenizer().ok());
  EXPECT_EQ((*model)->file().format(), "GGUF v3");
}

TEST(ModelTest, ThePlanIsThatOfTheLoadAndHasACeiling) {
  EngineOptions options;
  options.threads = 1;
  const auto source = llmrt::testing::RandomSource();
  const auto plan = Model::Open(*source, false).value()->MakePlan(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_GT(plan->read_bandwidth_bytes_per_second, 1e8);
  EXPECT_NEAR(plan->decode_tokens_per_second_ceiling,
              plan->read_bandwidth_bytes_per_second / static_cast<double>(plan->weights_bytes),
              1e-3);
  const auto engine = llmrt::testing::OpenEngine(source, options);
  EXPECT_EQ(engine->GetPlan()->total_bytes, plan->total_bytes);
  EXPECT_EQ(engine->GetPlan()->kv_blocks, plan->kv_blocks);
}

TEST(ModelTest, AFileThatIsNoModelIsAStatus) {
  llmrt::testing::MemorySource source({'n', 'o', ' ', 'm', 'o', 'd', 'e', 'l'});
  EXPECT_FALSE(Model::Open(source, false).ok());
}

}  // namespace
}  // namespace llmrt::engine
