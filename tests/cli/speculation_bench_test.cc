// A pair of runs on the bundled model. Whether any draft pays there is a matter of times, so none
// is expected; what was drafted must add up.
#include "tools/cli/speculation_bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tools/cli/loading.h"

namespace llmrt::cli {
namespace {

constexpr int64_t kGenerated = 24;
constexpr int64_t kBatchMax = 2;

class SpeculationBenchTest : public ::testing::Test {
 protected:
  Outcome Load(bool lookup, int64_t context) {
    Options options;
    LLMRT_CLI_TRY(CreateOptions(LLMRT_OPTIONS_ENGINE, &options));
    llmrt_options* const set = options.get();
    LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_ENGINE_THREADS, 1)));
    LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_ENGINE_SESSIONS, kBatchMax)));
    LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_ENGINE_CONTEXT_LENGTH, context)));
    LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_ENGINE_DRAFT_MAX, 4)));
    LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_ENGINE_DRAFT_LOOKUP, lookup ? 1 : 0)));
    return LoadEngine(LLMRT_SAMPLES_DIR "/models/village-draft-q8_0.gguf", set, interrupt_,
                      &engine_);
  }
  void ExpectItAddsUp(const SpeculationResult& result, int64_t pairs) {
    ASSERT_EQ(result.speedups.size(), static_cast<size_t>(pairs));
    ASSERT_EQ(result.plain_rates.size(), static_cast<size_t>(pairs));
    EXPECT_TRUE(std::is_sorted(result.speedups.begin(), result.speedups.end()));
    EXPECT_TRUE(std::is_sorted(result.plain_rates.begin(), result.plain_rates.end()));
    EXPECT_GT(result.speedups.front(), 0);
    EXPECT_GT(result.plain_rates.front(), 0);
    EXPECT_EQ(result.tokens, pairs * result.what.batch * kGenerated);
    EXPECT_LE(result.accepted, result.drafted);
    EXPECT_EQ(result.steps + result.accepted, result.tokens);
    EXPECT_GE(result.tokens_per_step(), 1);
  }

  InterruptScope interrupt_;
  Engine engine_;
};

TEST_F(SpeculationBenchTest, AReplayThatIsAlwaysRightIsAlwaysAccepted) {
  ASSERT_TRUE(Load(/*lookup=*/false, SpeculationBench::PositionsOf(kGenerated)).ok());
  SpeculationBench bench(engine_.get(), interrupt_, kGenerated);
  SpeculationResult right = {.what = {.batch = kBatchMax, .acceptance = 100}};
  SpeculationResult wrong = {.what = {.batch = 1, .acceptance = 0}};
  for (int64_t pairs = 1; pairs <= 3; ++pairs) {
    ASSERT_TRUE(bench.Measure(&right).ok());
    ASSERT_TRUE(bench.Measure(&wrong).ok());
    ExpectItAddsUp(right, pairs);
    ExpectItAddsUp(wrong, pairs);
  }
  EXPECT_EQ(right.accepted, right.drafted);
  EXPECT_EQ(wrong.accepted, 0);
}

TEST_F(SpeculationBenchTest, LookUpFindsSpansOfThePrompt) {
  ASSERT_TRUE(Load(/*lookup=*/true, SpeculationBench::PositionsOf(kGenerated)).ok());
  SpeculationBench bench(engine_.get(), interrupt_, kGenerated);
  SpeculationResult result = {.what = {.lookup = true, .batch = kBatchMax}};
  ASSERT_TRUE(bench.Measure(&result).ok());
  ExpectItAddsUp(result, 1);
}

TEST_F(SpeculationBenchTest, AContextThatIsTooShortIsToldAndNotMeasured) {
  ASSERT_TRUE(Load(/*lookup=*/false, SpeculationBench::PositionsOf(kGenerated) - 20).ok());
  SpeculationBench bench(engine_.get(), interrupt_, kGenerated);
  SpeculationResult result = {.what = {.batch = 1, .acceptance = 50}};
  const Outcome outcome = bench.Measure(&result);
  EXPECT_EQ(outcome.exit_status, kExitFailed);
  EXPECT_NE(outcome.message.find("ended early"), std::string::npos) << outcome.message;
  EXPECT_TRUE(result.speedups.empty());
}

}  // namespace
}  // namespace llmrt::cli
