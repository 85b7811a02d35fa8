// The promise that machinery is invisible, through engines on the emulated device: random scenarios
// of tests/exactness, in which half of the draws are the device's. LLMRT_CUDA_SCENARIOS sets
// another number of them; a sanitizer's build does fewer.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "memory/counted_heap.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/engine/test_engine.h"
#include "tests/exactness/conversation.h"
#include "tests/exactness/scenario.h"
#include "tests/model/random_model.h"
#include "tests/test_seed.h"

namespace llmrt::testing {
namespace {

using backend::KvType;
using backend::WeightType;

int64_t NumScenarios() {
  if (const char* wanted = std::getenv("LLMRT_CUDA_SCENARIOS")) return std::atoll(wanted);
  return memory::HeapIsCounted() ? 42 : 12;
}

// As small as models go that still have groups of heads and several blocks of features.
RandomModelSpec SpecOf(WeightType type) {
  RandomModelSpec spec;
  spec.layers = 1;
  spec.dim = 32;
  spec.ffn_dim = 48;
  spec.context_length = 320;
  spec.type = type;
  return spec;
}

struct Case {
  const char* name;
  WeightType weights;
  KvType kv;
};
constexpr Case kCases[] = {{"Float16", WeightType::kF16, KvType::kF16},
                           {"BFloat16", WeightType::kBF16, KvType::kBF16},
                           {"Float16WithFloat32Cache", WeightType::kF16, KvType::kF32}};

engine::EngineOptions On(const Case& c) {
  engine::EngineOptions options = CudaOptions();
  options.kv_type = c.kv;
  return options;
}

TEST(CudaScenariosTest, StreamsGiveTheBitsThatTheyGiveAlone) {
  if (SkipWithoutEmulation()) return;
  std::mt19937_64 rng(TestSeed());
  ScenarioCounts counts;
  int64_t scenarios = 0;
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const auto source = RandomSource(SpecOf(c.weights));
    std::vector<Conversation> conversations;
    TheEmulation().set_seed(rng());
    {
      const auto alone = OpenEngine(source, AloneOptions(On(c)));
      for (int i = 0; i < 8; ++i) {
        conversations.push_back(MakeConversation(
            alone, rng, {.long_answer_min = 8, .long_answer_max = 16, .plain_draws = true}));
      }
    }
    for (int64_t i = 0; i < (NumScenarios() + 2) / 3; ++i, ++scenarios) {
      SCOPED_TRACE(i);
      TheEmulation().set_seed(rng());
      counts.Add(RunScenario(source, On(c), conversations, rng, /*most=*/20));
      if (HasFailure()) return;
    }
  }
  std::printf(
      "%lld scenarios: %lld conversations, %lld turns, %lld forks, %lld rewinds, %lld cancelled, "
      "%lld preemptions, %lld tokens computed again, KV of %lld tokens, up to %lld at once\n",
      static_cast<long long>(scenarios), static_cast<long long>(counts.conversations),
      static_cast<long long>(counts.turns), static_cast<long long>(counts.forks),
      static_cast<long long>(counts.rewinds), static_cast<long long>(counts.cancelled),
      static_cast<long long>(counts.preemptions), static_cast<long long>(counts.tokens_recomputed),
      static_cast<long long>(counts.kv_compared), static_cast<long long>(counts.largest_batch));
  EXPECT_GT(counts.forks, 0);
  EXPECT_GT(counts.rewinds, 0);
  EXPECT_GT(counts.cancelled, 0);
  EXPECT_GT(counts.kv_compared, counts.conversations);
  EXPECT_EQ(Describe(Counts()), Describe(LlmrtEmulationCounts{}));
}

// Kernels that ran since sites are recorded.
std::set<std::string> KernelsSeen() {
  std::set<std::string> kernels;
  LlmrtEmulationSite site;
  for (uint32_t i = 0; TheEmulation().site(i, &site) != 0; ++i) kernels.insert(site.kernel);
  return kernels;
}

TEST(CudaScenariosTest, TheDeviceDrawsWhatTheHostDraws) {
  if (SkipWithoutEmulation()) return;
  std::mt19937_64 rng(TestSeed());
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const auto engine = OpenEngine(RandomSource(SpecOf(c.weights)), On(c));
    for (const float temperature : {0.0f, 0.3f, 1.0f, 4.0f}) {
      engine::StreamOptions options;
      options.max_tokens = 12;
      options.ignore_eos = true;
      options.seed_given = true;
      options.sampling.temperature = temperature;
      options.sampling.seed = rng() >> 1;
      std::vector<int32_t> tokens[2];
      for (const bool on_host : {false, true}) {
        // Whoever wants log-probabilities has the host look at the logits, and draw.
        options.sampling.logprobs = on_host;
        TheEmulation().reset_sites();
        TheEmulation().record_sites(1);
        tokens[on_host] = Generate(engine, {5, 9, 200}, options).tokens;
        TheEmulation().record_sites(0);
        EXPECT_EQ(KernelsSeen().count("DrawPartsKernel"), on_host ? 0u : 1u);
      }
      EXPECT_EQ(tokens[0].size(), 12u);
      EXPECT_EQ(tokens[0], tokens[1]) << temperature;
    }
  }
}

}  // namespace
}  // namespace llmrt::testing
