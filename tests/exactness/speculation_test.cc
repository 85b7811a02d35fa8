// The promise that speculation is invisible, end to end: 1000 random scenarios, in which tokens are
// drafted well and badly, at any load, and every token, log-probability and KV bit is what it is
// without. LLMRT_SCENARIOS sets another number; a sanitizer's build does fewer.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"
#include "tests/exactness/conversation.h"
#include "tests/exactness/scenario.h"
#include "tests/shared_files.h"
#include "tests/test_seed.h"

namespace llmrt {
namespace {

int64_t NumScenarios() {
  if (const char* wanted = std::getenv("LLMRT_SCENARIOS")) return std::atoll(wanted);
  return memory::HeapIsCounted() ? 1000 : 40;
}

struct ModelShare {
  const char* name;
  int64_t per_mille;
};
constexpr ModelShare kModels[] = {{"stories260K-f32", 700},
                                  {"tinystories-1.4M-q8_0", 180},
                                  {"tinystories-1.4M-f16", 60},
                                  {"tinystories-3.8M-q4_0", 30},
                                  {"tinystories-3.8M-q4_k_m", 30}};

TEST(SpeculationTest, StreamsGiveTheBitsThatTheyGiveWithout) {
  testing::ScenarioCounts counts;
  int64_t scenarios = 0;
  std::mt19937_64 rng(testing::TestSeed());
  engine::EngineOptions on;
  on.device = "cpu";
  for (const ModelShare& model : kModels) {
    const std::string path = testing::SharedFile(std::string("models/") + model.name + ".gguf");
    if (testing::SkipWithoutFile(path)) return;
    SCOPED_TRACE(model.name);
    const auto source = std::make_shared<testing::FileSource>(path);
    std::vector<testing::Conversation> conversations;
    const auto alone = testing::OpenEngine(source, testing::AloneOptions(on));
    const int num_conversations = model.per_mille > 100 ? 16 : 5;
    for (int i = 0; i < num_conversations; ++i) {
      conversations.push_back(testing::MakeConversation(alone, rng));
    }
    const int64_t share = (NumScenarios() * model.per_mille + 999) / 1000;
    for (int64_t i = 0; i < share; ++i) {
      SCOPED_TRACE(i);
      counts.Add(testing::RunScenario(source, on, conversations, rng, {.speculates = true}));
      ++scenarios;
      if (HasFailure()) return;
    }
  }
  std::printf(
      "%lld scenarios: %lld turns, %lld tokens drafted, %lld accepted, %lld drafters dropped, "
      "%lld cancelled, %lld preemptions, %lld tokens computed again, KV of %lld tokens, up to %lld "
      "at once\n",
      static_cast<long long>(scenarios), static_cast<long long>(counts.turns),
      static_cast<long long>(counts.drafted), static_cast<long long>(counts.accepted),
      static_cast<long long>(counts.drafters_dropped), static_cast<long long>(counts.cancelled),
      static_cast<long long>(counts.preemptions), static_cast<long long>(counts.tokens_recomputed),
      static_cast<long long>(counts.kv_compared), static_cast<long long>(counts.largest_batch));
  // Drafts that are all right, or all wrong, prove half.
  EXPECT_GT(counts.accepted, 5 * scenarios);
  EXPECT_GT(counts.drafted - counts.accepted, 5 * scenarios);
  EXPECT_GT(counts.drafters_dropped, 0);
  EXPECT_GT(counts.cancelled, 0);
  if (scenarios >= 300) {
    EXPECT_GT(counts.preemptions, 0);
  }
}

}  // namespace
}  // namespace llmrt
