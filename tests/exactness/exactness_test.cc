// The promise that machinery is invisible, end to end: at least 500 random scenarios on real
// models for the portable tier and for this machine's best one, 100 for each between them.
// LLMRT_SCENARIOS sets another number than 500; a sanitizer's build does fewer.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"
#include "tests/exactness/conversation.h"
#include "tests/exactness/scenario.h"
#include "tests/model/step_runner.h"
#include "tests/shared_files.h"
#include "tests/test_seed.h"

namespace llmrt {
namespace {

using testing::Conversation;

// Of 1000 scenarios, how many run on a model: the smallest one does most, and the portable tier,
// some 25 times slower, does a few on each of the others.
struct ModelShare {
  const char* name;
  int64_t vectors;
  int64_t portable;
};
constexpr ModelShare kModels[] = {
    {"stories260K-f32", 440, 968},      {"tinystories-1.4M-q8_0", 200, 6},
    {"tinystories-1.4M-f16", 120, 6},   {"tinystories-3.8M-q4_0", 60, 4},
    {"tinystories-3.8M-q4_k_m", 60, 4}, {"tinystories-3.8M-q6_k", 40, 4},
    {"tinystories-3.8M-q8_0", 40, 4},   {"tinystories-3.8M-f16", 40, 4}};

int64_t NumScenarios() {
  if (const char* wanted = std::getenv("LLMRT_SCENARIOS")) return std::atoll(wanted);
  return memory::HeapIsCounted() ? 500 : 25;
}

class ExactnessTest : public ::testing::TestWithParam<backend::CpuTier> {};

TEST_P(ExactnessTest, StreamsGiveTheBitsThatTheyGiveAlone) {
  testing::ScenarioCounts counts;
  int64_t scenarios = 0;
  std::mt19937_64 rng(testing::TestSeed());
  engine::EngineOptions on;
  on.device = "cpu";
  on.tier = GetParam();
  for (const ModelShare& model : kModels) {
    const std::string path = testing::SharedFile(std::string("models/") + model.name + ".gguf");
    if (testing::SkipWithoutFile(path)) return;
    SCOPED_TRACE(model.name);
    const int64_t per_mille =
        GetParam() == backend::CpuTier::kPortable ? model.portable : model.vectors;
    const auto source = std::make_shared<testing::FileSource>(path);
    std::vector<Conversation> conversations;
    const int num_conversations = per_mille > 100 ? 16 : 5;
    const auto alone = testing::OpenEngine(source, testing::AloneOptions(on));
    for (int i = 0; i < num_conversations; ++i)
      conversations.push_back(testing::MakeConversation(alone, rng));
    if (per_mille > 100) counts.Add(testing::RunFullBatch(source, on, rng));
    const bool between =
        GetParam() != backend::CpuTier::kPortable && GetParam() != testing::TiersHere().back();
    const int64_t all = between ? (NumScenarios() + 4) / 5 : NumScenarios();
    const int64_t share = (all * per_mille + 999) / 1000;
    for (int64_t i = 0; i < share; ++i) {
      SCOPED_TRACE(i);
      counts.Add(testing::RunScenario(source, on, conversations, rng));
      ++scenarios;
      if (HasFailure()) return;
    }
  }
  std::printf(
      "%lld scenarios: %lld conversations, %lld turns, %lld forks, %lld rewinds, %lld cancelled, "
      "%lld preemptions, %lld tokens computed again, %lld turns after eviction, KV of %lld tokens, "
      "up to %lld at once\n",
      static_cast<long long>(scenarios), static_cast<long long>(counts.conversations),
      static_cast<long long>(counts.turns), static_cast<long long>(counts.forks),
      static_cast<long long>(counts.rewinds), static_cast<long long>(counts.cancelled),
      static_cast<long long>(counts.preemptions), static_cast<long long>(counts.tokens_recomputed),
      static_cast<long long>(counts.evicted_turns), static_cast<long long>(counts.kv_compared),
      static_cast<long long>(counts.largest_batch));
  // Scenarios that never disturb prove nothing. Preemption is rare (one in six), so a few need not
  // have any; ManySessionsTest always does.
  EXPECT_GT(counts.forks, 0);
  EXPECT_GT(counts.rewinds, 0);
  EXPECT_GT(counts.cancelled, 0);
  if (scenarios >= 300) {
    EXPECT_GT(counts.preemptions, 0);
    EXPECT_GT(counts.evicted_turns, 0);
  }
  EXPECT_GT(counts.kv_compared, counts.conversations);
  EXPECT_EQ(counts.largest_batch, 64);
}

INSTANTIATE_TEST_SUITE_P(Tiers, ExactnessTest, ::testing::ValuesIn(testing::TiersHere()),
                         [](const auto& info) { return testing::NameOfTier(info.param); });

}  // namespace
}  // namespace llmrt
