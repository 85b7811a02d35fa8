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
#include "tests/model/step_runner.h"
#include "tests/test_seed.h"

namespace llmrt::testing {
namespace {

using backend::KvType;
using backend::WeightType;

int64_t NumScenarios() {
  if (const char* wanted = std::getenv("LLMRT_CUDA_SCENARIOS")) return std::atoll(wanted);
  return memory::HeapIsCounted() ? 40 : 8;
}

// As small as models go that still have groups of heads and several blocks of features.
RandomModelSpec SpecOf(WeightType type) {
  RandomModelSpec spec;
  spec.layers = 1;
  spec.dim = 32;
  spec.ffn_dim = 48;
  spec.q_heads = 2;
  spec.kv_heads = 1;
  spec.context_length = 320;
  spec.type = type;
  return spec;
}

struct Case {
  const char* name;
  WeightType weights;
  KvType kv;
  int64_t percent;  // of the scenarios; float32 is slow here
};
constexpr Case kCases[] = {{"Float16", WeightType::kF16, KvType::kF16, 50},
                           {"BFloat16", WeightType::kBF16, KvType::kBF16, 40},
                           {"Float16WithFloat32Cache", WeightType::kF16, KvType::kF32, 10}};

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
            alone, rng,
            {.prompt_max = 24, .long_answer_min = 8, .long_answer_max = 16, .plain_draws = true}));
      }
    }
    // Once, sixty-four streams that decode in the same steps.
    if (scenarios == 0) counts.Add(RunFullBatch(source, On(c), rng));
    for (int64_t i = 0; i < (NumScenarios() * c.percent + 99) / 100; ++i, ++scenarios) {
      SCOPED_TRACE(i);
      TheEmulation().set_seed(rng());
      counts.Add(RunScenario(source, On(c), conversations, rng, {.most = 20}));
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
  EXPECT_EQ(counts.largest_batch, 64);
  EXPECT_EQ(Describe(Counts()), Describe(LlmrtEmulationCounts{}));
}

// Each draft takes a row, a draw and logits of its own: on the device, too.
TEST(CudaScenariosTest, SpeculationGivesTheSameBits) {
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
      for (int i = 0; i < 6; ++i) {
        conversations.push_back(MakeConversation(
            alone, rng,
            {.prompt_max = 24, .long_answer_min = 8, .long_answer_max = 16, .plain_draws = true}));
      }
    }
    for (int64_t i = 0; i < (NumScenarios() * c.percent + 399) / 400; ++i, ++scenarios) {
      SCOPED_TRACE(i);
      TheEmulation().set_seed(rng());
      counts.Add(RunScenario(source, On(c), conversations, rng, {.most = 10, .speculates = true}));
      if (HasFailure()) return;
    }
  }
  std::printf("%lld scenarios: %lld turns, %lld tokens drafted, %lld accepted, KV of %lld tokens\n",
              static_cast<long long>(scenarios), static_cast<long long>(counts.turns),
              static_cast<long long>(counts.drafted), static_cast<long long>(counts.accepted),
              static_cast<long long>(counts.kv_compared));
  EXPECT_GT(counts.accepted, scenarios);
  EXPECT_GT(counts.drafted - counts.accepted, scenarios);
  EXPECT_EQ(Describe(Counts()), Describe(LlmrtEmulationCounts{}));
}

// Four blocks for two streams that begin in one each and come to need three: one gives way, and
// computes its rows again.
TEST(CudaScenariosTest, PreemptedStreamsGiveTheSameTokens) {
  if (SkipWithoutEmulation()) return;
  TheEmulation().reset();
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const auto source = RandomSource(SpecOf(c.weights));
    engine::EngineOptions options = On(c);
    options.context_length = 64;
    options.block_size = 16;
    engine::StreamOptions stream;
    stream.max_tokens = 34;
    stream.ignore_eos = true;
    std::vector<std::vector<int32_t>> prompts, expected;
    for (const uint32_t seed : {1, 2}) {
      prompts.push_back(RandomTokens(8, 300, seed));
      expected.push_back(Generate(OpenEngine(source, options), prompts.back(), stream).tokens);
    }
    options.pumped = true;
    const auto engine = OpenEngine(source, options);
    std::vector<std::shared_ptr<engine::Session>> sessions;
    std::vector<std::shared_ptr<engine::Stream>> streams;
    for (const std::vector<int32_t>& prompt : prompts) {
      sessions.push_back(engine->CreateSession({}).value());
      ASSERT_TRUE(sessions.back()->AppendTokens(prompt).ok());
      streams.push_back(sessions.back()->Submit(stream).value());
    }
    for (size_t i = 0; i < 2; ++i)
      EXPECT_EQ(ReadAll(*engine, *streams[i], 500).tokens, expected[i]);
    EXPECT_GT(engine->GetInfo()->preemptions, 0);
    EXPECT_GT(engine->GetInfo()->tokens_recomputed, 0);
  }
}

// Kernels that ran since sites are recorded.
std::set<std::string> KernelsSeen() {
  std::set<std::string> kernels;
  LlmrtEmulationSite site;
  for (uint32_t i = 0; TheEmulation().site(i, &site) != 0; ++i) kernels.insert(site.kernel);
  return kernels;
}

// How many copies from the device were asked for since the calls were forgotten.
int64_t CopiesToHost() {
  int64_t count = 0;
  for (uint64_t i = 0; i < TheEmulation().calls(); ++i) {
    count += std::string(TheEmulation().call_name(i)) == "cuMemcpyDtoHAsync_v2" ? 1 : 0;
  }
  return count;
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
        TheEmulation().reset_calls();
        TheEmulation().reset_sites();
        TheEmulation().record_sites(1);
        tokens[on_host] = Generate(engine, {5, 9, 200}, options).tokens;
        TheEmulation().record_sites(0);
        EXPECT_EQ(KernelsSeen().count("DrawPartsKernel"), on_host ? 0u : 1u);
        // One a step, of the draw's result or of the logits. The host would draw again where it
        // found no result, and hide that nobody had waited for it.
        EXPECT_EQ(CopiesToHost(), 12);
      }
      EXPECT_EQ(tokens[0].size(), 12u);
      EXPECT_EQ(tokens[0], tokens[1]) << temperature;
    }
  }
}

}  // namespace
}  // namespace llmrt::testing
