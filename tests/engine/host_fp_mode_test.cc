#include "engine/host_fp_mode.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "engine/resources.h"
#include "tests/engine/test_engine.h"
#include "tests/model/step_runner.h"

namespace llmrt::engine {
namespace {

using numerics::ScopedFpMode;

#if defined(__x86_64__) || defined(_M_X64)

constexpr uint64_t kUpward = kInitialFpMode | 0x4000;
constexpr uint64_t kDownward = kInitialFpMode | 0x2000;

// Puts the test's own mode back.
class HostFpModeTest : public ::testing::Test {
 protected:
  ~HostFpModeTest() override { ScopedFpMode::Write(before_); }
  const uint64_t before_ = ScopedFpMode::Read();
};

TEST_F(HostFpModeTest, CallbacksInsideAnEntrySeeTheModeItFound) {
  ScopedFpMode::Write(kUpward);
  {
    const ScopedEntryFpMode entry;
    EXPECT_EQ(ScopedFpMode::Read(), ScopedFpMode::kComputeMode);
    {
      const ScopedHostFpMode host;
      EXPECT_EQ(ScopedFpMode::Read(), kUpward);
      ScopedFpMode::Write(kDownward);
      {
        const ScopedEntryFpMode again;  // the host calls in from its callback
        const ScopedHostFpMode inner;
        EXPECT_EQ(ScopedFpMode::Read(), kDownward);
      }
      EXPECT_EQ(ScopedFpMode::Read(), kDownward);
    }
    EXPECT_EQ(ScopedFpMode::Read(), ScopedFpMode::kComputeMode);
    const ScopedHostFpMode host;
    EXPECT_EQ(ScopedFpMode::Read(), kUpward);
  }
  EXPECT_EQ(ScopedFpMode::Read(), kUpward);
}

TEST_F(HostFpModeTest, CallbacksOfOurThreadsSeeWhatThreadsStartWith) {
  const ScopedFpMode ours;
  const ScopedHostFpMode host;
  EXPECT_EQ(ScopedFpMode::Read(), kInitialFpMode);
}

struct Seen {
  int calls = 0;
  int in_another_mode = 0;
};

void Look(void* user) {
  auto& seen = *static_cast<Seen*>(user);
  ++seen.calls;
  if (ScopedFpMode::Read() != kInitialFpMode) ++seen.in_another_mode;
  ScopedFpMode::Write(kUpward);
}

memory::HostHooks LookingHooks(Seen& seen) {
  return {.allocate = [](void* user, int64_t bytes, int64_t alignment, int32_t) -> void* {
            Look(user);
            return std::aligned_alloc(
                static_cast<size_t>(alignment),
                static_cast<size_t>((bytes + alignment - 1) / alignment * alignment));
          },
          .release =
              [](void* user, void* pointer, int64_t, int32_t) {
                Look(user);
                std::free(pointer);
              },
          .user = &seen};
}

TEST_F(HostFpModeTest, HooksThatLeaveAnotherModeChangeNoToken) {
  EngineOptions options;
  const auto run = [&] {
    StreamOptions stream;
    stream.max_tokens = 20;
    stream.ignore_eos = true;
    stream.sampling.logprobs = true;
    return llmrt::testing::Generate(
        llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), options), {1, 40, 50}, stream);
  };
  const auto expected = run();
  Seen seen;
  options.memory_hooks = LookingHooks(seen);
  const auto generation = run();
  EXPECT_EQ(generation.tokens, expected.tokens);
  EXPECT_EQ(generation.logprobs, expected.logprobs);
  EXPECT_GT(seen.calls, 4);
  EXPECT_EQ(seen.in_another_mode, 0);
}

// A host that runs some jobs inside the call, and refuses others by throwing.
int32_t LookingSubmit(void* user, void (*job)(void*), void* context) {
  Look(user);
  const int call = static_cast<Seen*>(user)->calls;
  if (call % 2 == 0) throw std::runtime_error("full");
  ScopedFpMode::Write(kInitialFpMode);
  job(context);
  if (ScopedFpMode::Read() != kInitialFpMode) ++static_cast<Seen*>(user)->in_another_mode;
  ScopedFpMode::Write(kUpward);
  return 0;
}

TEST_F(HostFpModeTest, AJobHookThatLeavesAnotherModeChangesNoToken) {
  EngineOptions options;
  options.threads = 3;
  const auto run = [&] {
    StreamOptions stream;
    stream.max_tokens = 60;  // some hundreds of runs: a refused hook is left alone for 256 of them
    stream.ignore_eos = true;
    stream.sampling.logprobs = true;
    return llmrt::testing::Generate(
        llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), options), {1, 40, 50}, stream);
  };
  const auto expected = run();
  Seen seen;
  options.job_hook = {.submit = LookingSubmit, .user = &seen};
  const auto generation = run();
  EXPECT_EQ(generation.tokens, expected.tokens);
  EXPECT_EQ(generation.logprobs, expected.logprobs);
  EXPECT_GE(seen.calls, 2);
  EXPECT_EQ(seen.in_another_mode, 0);
}

TEST_F(HostFpModeTest, AJobHookIsCalledInTheHostsModeAlsoWhenItThrows) {
  Seen seen;
  backend::JobHook host = {.submit = [](void* user, void (*)(void*), void*) -> int32_t {
                             Look(user);
                             throw std::runtime_error("full");
                           },
                           .user = &seen};
  const backend::JobHook hook = InHostFpMode(host);
  const ScopedFpMode ours;
  EXPECT_THROW(hook.submit(hook.user, nullptr, nullptr), std::runtime_error);
  EXPECT_EQ(ScopedFpMode::Read(), ScopedFpMode::kComputeMode);
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.in_another_mode, 0);
}

// Where nothing stands between the reader and the engine, the engine's own scopes must do.
TEST_F(HostFpModeTest, ResourcesLoadedInAnyModeHaveTheSameRopeTable) {
  LogRing log(LogLevel::kInfo);
  llmrt::testing::RandomModelSpec spec;
  spec.rope_divisors = {1, 1.1f, 1.3f, 1.7f, 2.3f, 2.9f, 4, 8};
  const auto source = llmrt::testing::RandomSource(spec);  // made in one mode for all
  const auto load = [&] {
    return LoadResources(*source, {}, log, [](float) { return true; }).value();
  };
  const auto logits = [](Resources& resources) {
    std::vector<int32_t> positions(400), blocks(25);
    std::iota(positions.begin(), positions.end(), 0);
    std::iota(blocks.begin(), blocks.end(), 0);
    const std::vector<int32_t> tokens = llmrt::testing::RandomTokens(400, 300, 1);
    const std::vector<int32_t> sequences(400, 0), rows = {399};
    const std::vector<absl::Span<const int32_t>> tables = {blocks};
    const backend::Batch batch{
        .tokens = tokens, .positions = positions, .sequences = sequences, .block_tables = tables};
    EXPECT_TRUE(resources.pass->Begin(batch, rows).ok());
    EXPECT_TRUE(resources.pass->Advance(1 << 20, [] { return false; }).value());
    const absl::Span<const float> row = resources.pass->Logits(0).value();
    return std::vector<float>(row.begin(), row.end());
  };
  const auto plain = load();
  const std::vector<float> expected = logits(*plain);
  for (const uint64_t mode : {kUpward, kDownward, kInitialFpMode | 0x6000 | 0x8040}) {
    ScopedFpMode::Write(mode);
    const auto resources = load();
    const std::vector<float> seen = logits(*resources);
    EXPECT_EQ(ScopedFpMode::Read() & ~uint64_t{0x3f}, mode);
    ScopedFpMode::Write(kInitialFpMode);
    EXPECT_EQ(resources->fingerprint, plain->fingerprint);
    EXPECT_EQ(seen, expected);
  }
}

#endif

TEST(InHostFpModeTest, NullHooksStayNull) {
  EXPECT_EQ(InHostFpMode(backend::JobHook{}).submit, nullptr);
  const memory::HostHooks none;
  EXPECT_EQ(InHostFpMode(none).allocate, nullptr);
  EXPECT_EQ(InHostFpMode(none).release, nullptr);
}

}  // namespace
}  // namespace llmrt::engine
