// Four times as many sessions as memory holds: all of them finish, with the tokens of sessions
// alone, within the budget, and every block comes back.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"
#include "tests/shared_files.h"

namespace llmrt {
namespace {

constexpr int kSessions = 64;
constexpr int kSessionsThatFit = 16;
constexpr int64_t kContext = 128;  // tokens

std::vector<int32_t> Prompt(int i) {
  std::vector<int32_t> tokens(static_cast<size_t>(20 + i % 23));
  for (size_t k = 0; k < tokens.size(); ++k) {
    tokens[k] = static_cast<int32_t>(5 + (static_cast<size_t>(i) * 31 + k * 7) % 400);
  }
  return tokens;
}

engine::StreamOptions ToTheEnd() {
  engine::StreamOptions options;
  options.ignore_eos = true;
  return options;
}

class ManySessionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::SkipWithoutFile(Path())) return;
    source_ = std::make_shared<testing::FileSource>(Path());
  }

  static std::string Path() { return testing::SharedFile("models/tinystories-1.4M-q8_0.gguf"); }

  // KV for 16 full contexts, the rest for all 64 sessions.
  int64_t Budget() const {
    engine::EngineOptions options;
    options.context_length = kContext;
    options.sessions = kSessions;
    const engine::Plan plan = testing::OpenEngine(source_, options)->GetPlan().value();
    return plan.total_bytes - plan.kv_bytes + plan.kv_bytes / kSessions * kSessionsThatFit;
  }

  std::shared_ptr<testing::FileSource> source_;
};

TEST_F(ManySessionsTest, SixtyFourFinishInTheMemoryOfSixteen) {
  if (source_ == nullptr) return;
  engine::EngineOptions options;
  options.context_length = kContext;
  options.sessions = kSessions;
  options.memory_budget_bytes = Budget();
  const auto engine = testing::OpenEngine(source_, options);
  const engine::Plan plan = engine->GetPlan().value();
  EXPECT_LE(plan.total_bytes, options.memory_budget_bytes);
  // Fewer blocks take less heap, too, which leaves room for a few more.
  const int64_t blocks_of_16 = kSessionsThatFit * kContext / plan.block_size;
  EXPECT_GE(plan.kv_blocks, blocks_of_16);
  EXPECT_LE(plan.kv_blocks, blocks_of_16 * 11 / 10);

  std::vector<std::shared_ptr<engine::Session>> sessions;
  std::vector<std::shared_ptr<engine::Stream>> streams;
  for (int i = 0; i < kSessions; ++i) {
    sessions.push_back(engine->CreateSession({}).value());
    ASSERT_TRUE(sessions.back()->AppendTokens(Prompt(i)).ok());
    streams.push_back(sessions.back()->Submit(ToTheEnd()).value());
  }
  const auto alone = testing::OpenEngine(source_);
  for (int i = 0; i < kSessions; ++i) {
    const testing::Generation generation =
        testing::ReadAll(*engine, *streams[static_cast<size_t>(i)]);
    EXPECT_EQ(generation.reason, engine::FinishReason::kContextFull) << generation.status;
    engine::StreamOptions as_long = ToTheEnd();
    as_long.max_tokens = static_cast<int64_t>(generation.tokens.size());
    EXPECT_EQ(as_long.max_tokens, kContext - static_cast<int64_t>(Prompt(i).size()));
    EXPECT_EQ(generation.tokens, testing::Generate(alone, Prompt(i), as_long).tokens) << i;
  }
  const engine::EngineInfo info = engine->GetInfo().value();
  EXPECT_EQ(info.blocks_used, 0);
  EXPECT_GT(info.preemptions, 0);
  EXPECT_LE(info.memory_peak_bytes, options.memory_budget_bytes);
  std::printf("%lld preemptions, %lld tokens computed again, peak %lld of %lld bytes\n",
              static_cast<long long>(info.preemptions),
              static_cast<long long>(info.tokens_recomputed),
              static_cast<long long>(info.memory_peak_bytes),
              static_cast<long long>(options.memory_budget_bytes));
  streams.clear();
  sessions.clear();
  EXPECT_EQ(engine->GetInfo()->blocks_free, plan.kv_blocks);
  EXPECT_EQ(engine->GetInfo()->tokens_stored, 0);
}

}  // namespace
}  // namespace llmrt
