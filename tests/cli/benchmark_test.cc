#include "tools/cli/benchmark.h"

#include <gtest/gtest.h>

#include <set>

#include "tools/cli/random_tokens.h"

namespace llmrt::cli {
namespace {

constexpr BytesModel kBytes = {.weights_bytes = 1e6, .kv_bytes_per_token = 100, .step_tokens = 512};

TEST(BytesModelTest, AStepReadsTheWeightsOnceForTheBatch) {
  // 9 tokens after 1: rows read 2 to 10 positions, 6 on average.
  EXPECT_DOUBLE_EQ(kBytes.PerToken({.batch = 1, .generated = 9}), 1e6 + 600);
  EXPECT_DOUBLE_EQ(kBytes.PerToken({.batch = 4, .generated = 9}), 0.25e6 + 600);
}

TEST(BytesModelTest, DepthIsReadByEverySequence) {
  EXPECT_DOUBLE_EQ(kBytes.PerToken({.batch = 4, .depth = 1000, .generated = 9}), 0.25e6 + 100500);
  // One token comes before a decode, whatever the depth.
  EXPECT_DOUBLE_EQ(kBytes.PerToken({.batch = 1, .depth = 1, .generated = 9}),
                   kBytes.PerToken({.batch = 1, .depth = 0, .generated = 9}));
}

TEST(BytesModelTest, APromptReadsTheWeightsOnceAChunk) {
  EXPECT_DOUBLE_EQ(kBytes.PerToken({.prefill = true, .prompt = 512}), (1e6 + 51200) / 512);
  // Chunks of 512 and 88 tokens after 10: positions 522 and 610.
  EXPECT_DOUBLE_EQ(kBytes.PerToken({.prefill = true, .depth = 10, .prompt = 600}),
                   (2e6 + 52200 + 61000) / 600);
}

TEST(BenchmarkCaseTest, AnEngineNeedsRoomForTheTokenThatIsDrawnLast) {
  EXPECT_EQ(PositionsOf({.prefill = true, .prompt = 8}), 9);
  EXPECT_EQ(PositionsOf({.prefill = true, .depth = 20, .prompt = 8}), 29);
  EXPECT_EQ(PositionsOf({.depth = 20, .generated = 6}), 27);
  EXPECT_EQ(PositionsOf({.generated = 6}), 8) << "one token comes before a decode";
}

constexpr OperationsModel kOperations = {
    .layer_weights = 1e6, .output_weights = 1e5, .query_values = 10};

TEST(OperationsModelTest, ADecodeMultipliesEveryWeightForEachToken) {
  // 9 tokens after 1: 2 to 10 positions, 6 on average. The batch changes nothing for a token.
  EXPECT_DOUBLE_EQ(kOperations.PerToken({.batch = 1, .generated = 9}), 2e6 + 2e5 + 4 * 10 * 6);
  EXPECT_DOUBLE_EQ(kOperations.PerToken({.batch = 16, .depth = 1, .generated = 9}),
                   kOperations.PerToken({.batch = 1, .generated = 9}));
}

TEST(OperationsModelTest, APromptNeedsTheOutputMatrixOnce) {
  // Positions 101 to 150 are 125.5 on average.
  EXPECT_DOUBLE_EQ(kOperations.PerToken({.prefill = true, .depth = 100, .prompt = 50}),
                   2e6 + 2e5 / 50 + 4 * 10 * 125.5);
}

TEST(RandomTokensTest, IdsCoverTheVocabularyAndStayInIt) {
  std::mt19937_64 random(1);
  const std::vector<int32_t> tokens = RandomTokens(random, 10, 1000);
  EXPECT_EQ(tokens.size(), 1000u);
  const std::set<int32_t> seen(tokens.begin(), tokens.end());
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(*seen.begin(), 0);
  EXPECT_EQ(*seen.rbegin(), 9);
}

}  // namespace
}  // namespace llmrt::cli
