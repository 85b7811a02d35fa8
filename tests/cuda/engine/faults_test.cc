// Every call of the driver fails once, in each phase of an engine's life and in three ways: out of
// memory, refused, and with a fault that breaks the context for good. Whatever fails ends as a
// status, nothing stays behind on the device or in the budget, the host's context is current as it
// was, an engine beside it does not notice, and no stream ever gets a wrong token.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "engine/engine.h"
#include "engine/log_ring.h"
#include "engine/resources.h"
#include "memory/counted_heap.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/engine/test_engine.h"
#include "tests/model/random_model.h"

namespace llmrt::testing {
namespace {

using backend::WeightType;

struct Fault {
  const char* name;
  int result;
  bool sticky;
  // Every so many of a step's calls fail. Out of memory and refused go the same ways there.
  uint64_t stride;
};
constexpr Fault kFaults[] = {
    {"OutOfMemory", 2, false, 1}, {"InvalidValue", 1, false, 5}, {"IllegalAddress", 700, true, 1}};

// A sanitizer's build fails fewer: each life costs it a tenth of a second.
uint64_t Stride(uint64_t stride) { return memory::HeapIsCounted() ? stride : 7 * stride; }
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

const std::vector<int32_t> kPrompt = {5, 9, 200, 7, 33};
constexpr int64_t kTokens = 2;

engine::EngineOptions SmallOptions() {
  engine::EngineOptions options = CudaOptions();
  options.pumped = true;
  options.context_length = 64;
  options.sessions = 2;
  options.step_tokens = 4;  // recordings of 1, 2 and 4 rows; the prompt takes two steps
  return options;
}

engine::StreamOptions Greedy(bool on_host) {
  engine::StreamOptions options;
  options.max_tokens = kTokens;
  options.ignore_eos = true;
  options.sampling.logprobs = on_host;  // who wants them has the host draw
  return options;
}

std::shared_ptr<engine::ModelSource> SmallModel() {
  RandomModelSpec spec;
  spec.layers = 1;
  spec.dim = 32;
  spec.ffn_dim = 40;
  spec.context_length = 64;
  spec.type = WeightType::kF16;
  return RandomSource(spec);
}

// Whether the call gives something back: what it refuses to take stays with the driver, and nobody
// can make up for it. A context takes what is in it along.
bool Releases(std::string_view call) { return call == "cuCtxDestroy_v2"; }

class CudaFaultsTest : public ::testing::TestWithParam<Fault> {
 protected:
  void SetUp() override {
    if (SkipWithoutEmulation()) return;
    TheEmulation().reset();
    contexts_at_start_ = Counts().contexts;
    source_ = SmallModel();
    neighbour_ = OpenEngine(source_, SmallOptions());
    expected_ = Generate(neighbour_, kPrompt, Greedy(false), 1000).tokens;
    ASSERT_EQ(expected_.size(), static_cast<size_t>(kTokens));
    PushHostContext();
  }

  void TearDown() override {
    if (source_ == nullptr) return;
    TheEmulation().fail_no_call();
    neighbour_->Close();
    DropHostContext();
    if (!HasFailure()) {
      EXPECT_EQ(Describe(Counts()), Describe({.contexts = contexts_at_start_ + leaked_contexts_}));
    }
    TheEmulation().reset();
  }

  void PushHostContext() {
    ASSERT_EQ(TheDriver().context_create(&host_context_, 0, 0), cuda::kCuSuccess);
    before_ = Counts();
  }
  void DropHostContext() { TheDriver().context_destroy(host_context_); }

  // A fault hits the context that is current, which between two calls of the plugin is the host's.
  void ReplaceHostContext() {
    DropHostContext();
    PushHostContext();
  }

  bool HostContextIsCurrent() const {
    uint64_t depth = 0;
    return TheEmulation().current_context(&depth) == host_context_ && depth == 1;
  }

  // After a life: whether everything is as before it.
  void ExpectNothingLeft(std::string_view failed_call) {
    TheEmulation().fail_no_call();
    EXPECT_TRUE(HostContextIsCurrent());
    LlmrtEmulationCounts now = Counts();
    if (Releases(failed_call)) {
      ++leaked_contexts_;
      --now.contexts;
      now.modules = before_.modules;  // those of the context
    }
    EXPECT_EQ(Describe(now), Describe(before_));
    if (++lives_ % 10 == 0) {
      EXPECT_EQ(Generate(neighbour_, kPrompt, Greedy(false), 1000).tokens, expected_);
    }
    ReplaceHostContext();
  }

  static std::string CallName(uint64_t index) {
    const char* name = TheEmulation().call_name(index);
    return name != nullptr ? name : "";
  }

  std::shared_ptr<engine::ModelSource> source_;
  std::shared_ptr<engine::Engine> neighbour_;
  std::vector<int32_t> expected_;
  cuda::CuContext host_context_ = nullptr;
  LlmrtEmulationCounts before_;
  int64_t lives_ = 0;
  uint64_t contexts_at_start_ = 0;  // those that an earlier test could not destroy
  uint64_t leaked_contexts_ = 0;    // that the driver refused to destroy
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaFaultsTest, ::testing::ValuesIn(kFaults),
                         [](const auto& info) { return std::string(info.param.name); });

// Loading and closing on the test's own thread, which sees the budget and its context. The message,
// empty for success.
std::string LoadAndClose(engine::ModelSource& source) {
  engine::EngineAccounts accounts = engine::EngineAccounts::Create(0);
  std::string message;
  {
    const memory::ScopedHeapAccount heap(accounts.heap);
    engine::LogRing log(engine::LogLevel::kError);
    const auto loaded = engine::LoadResources(
        source, SmallOptions(), log, [](float) { return true; }, accounts);
    const memory::ScopedHeapAccount ours(nullptr);
    if (!loaded.ok()) message = std::string(loaded.status().message());
    if (!loaded.ok() && message.empty()) message = "no message";
  }
  EXPECT_EQ(accounts.everything->used_bytes(), 0);
  return message;
}

TEST_P(CudaFaultsTest, LoadsThatFailLeaveNothing) {
  if (source_ == nullptr) return;
  TheEmulation().reset_calls();
  EXPECT_EQ(LoadAndClose(*source_), "");
  const uint64_t calls = TheEmulation().calls();
  int64_t failed = 0;
  for (uint64_t index = 0; index < calls; ++index) {
    TheEmulation().reset_calls();
    TheEmulation().fail_call(index, GetParam().result, GetParam().sticky);
    const std::string message = LoadAndClose(*source_);
    const std::string name = CallName(index);
    SCOPED_TRACE(::testing::Message() << "call " << index << " of " << calls << ": " << name);
    if (!message.empty()) ++failed;
    EXPECT_NE(message, "no message");
    EXPECT_EQ(message.find('\n'), std::string::npos);
    ExpectNothingLeft(name);
    if (HasFailure()) return;
  }
  std::printf("%llu calls, %lld of them end the load\n", static_cast<unsigned long long>(calls),
              static_cast<long long>(failed));
  // All but those of the teardown, and a few that only tidy up.
  EXPECT_GT(failed, static_cast<int64_t>(calls / 2));
}

// What a stream was given by a life with a fault: the right tokens, or the first of them and why no
// more came.
struct Outcome {
  std::vector<int32_t> tokens;
  absl::Status status;
};

// Pumps until the stream is over, checking after every call of the engine.
Outcome PumpToTheEnd(engine::Engine& engine, engine::Stream& stream,
                     absl::FunctionRef<void()> check) {
  Outcome outcome;
  int32_t tokens[8];
  for (int turns = 0; turns < 100000; ++turns) {
    const auto stepped = engine.Step(200);
    check();
    const auto read = stream.Read({.tokens = tokens, .tokens_capacity = 8});
    if (!read.ok()) {
      outcome.status = read.status();
      return outcome;
    }
    outcome.tokens.insert(outcome.tokens.end(), tokens, tokens + read->num_tokens);
    if (read->finish_reason == engine::FinishReason::kNone) continue;
    outcome.status = read->status;
    if (!stepped.ok() && read->finish_reason != engine::FinishReason::kError) {
      ADD_FAILURE() << stepped.status();
    }
    return outcome;
  }
  ADD_FAILURE() << "the stream does not end";
  return outcome;
}

// A loaded engine's life: two streams side by side, one drawn by the device and one by the host,
// then a fork of a session, which copies a block, and its close.
class Life {
 public:
  Life(std::shared_ptr<engine::Engine> engine, absl::FunctionRef<void()> check)
      : engine_(std::move(engine)), check_(check) {}

  // Of the streams that could be begun.
  std::vector<Outcome> Run() {
    std::vector<Outcome> outcomes;
    const auto first = Begin(kPrompt, false), second = Begin(kPrompt, true);
    for (const auto& stream : {first, second}) {
      if (stream != nullptr) outcomes.push_back(PumpToTheEnd(*engine_, *stream, check_));
    }
    // All but the last token of the prompt: the fork shares a block that is not full.
    if (sessions_.empty()) return outcomes;
    const auto fork = sessions_[0]->Fork(static_cast<int64_t>(kPrompt.size()) - 1);
    if (!fork.ok()) return outcomes;
    sessions_.push_back(*fork);
    const std::shared_ptr<engine::Stream> third = Submit(*fork, {kPrompt.back()}, false);
    if (third != nullptr) outcomes.push_back(PumpToTheEnd(*engine_, *third, check_));
    return outcomes;
  }

 private:
  std::shared_ptr<engine::Stream> Begin(const std::vector<int32_t>& prompt, bool on_host) {
    auto session = engine_->CreateSession({});
    if (!session.ok()) return nullptr;
    sessions_.push_back(*session);
    return Submit(*session, prompt, on_host);
  }
  std::shared_ptr<engine::Stream> Submit(const std::shared_ptr<engine::Session>& session,
                                         const std::vector<int32_t>& tokens, bool on_host) {
    if (!session->AppendTokens(tokens).ok()) return nullptr;
    auto stream = session->Submit(Greedy(on_host));
    check_();
    return stream.ok() ? *stream : nullptr;
  }

  const std::shared_ptr<engine::Engine> engine_;
  const absl::FunctionRef<void()> check_;
  std::vector<std::shared_ptr<engine::Session>> sessions_;
};

TEST_P(CudaFaultsTest, StepsThatFailEndStreamsAndNothingElse) {
  if (source_ == nullptr) return;
  const auto check = [this] { EXPECT_TRUE(HostContextIsCurrent()); };
  int64_t failed = 0, unhealthy = 0;
  uint64_t calls = 1;
  for (uint64_t index = 0; index < calls; index += index == 0 ? 1 : Stride(GetParam().stride)) {
    const auto engine = OpenEngine(source_, SmallOptions());
    // The same order of events in every life, so that a call's number means the same.
    TheEmulation().set_seed(7);
    TheEmulation().reset_calls();
    // The first life counts.
    if (index > 0) TheEmulation().fail_call(index - 1, GetParam().result, GetParam().sticky);
    bool any_failed = false;
    for (const Outcome& outcome : Life(engine, check).Run()) {
      any_failed |= !outcome.status.ok();
      ASSERT_LE(outcome.tokens.size(), expected_.size());
      EXPECT_TRUE(std::equal(outcome.tokens.begin(), outcome.tokens.end(), expected_.begin()));
      if (outcome.status.ok()) {
        EXPECT_EQ(outcome.tokens, expected_);
      }
    }
    const bool hit = index > 0 && TheEmulation().calls() >= index;
    const std::string name = hit ? CallName(index - 1) : "";
    SCOPED_TRACE(::testing::Message() << "call " << index << " of " << calls << ": " << name);
    EXPECT_FALSE(index == 0 && any_failed);
    failed += any_failed ? 1 : 0;
    if (hit) {
      const absl::Status health = engine->Step(0).status();
      if (GetParam().sticky && any_failed) {
        EXPECT_TRUE(engine::IsUnhealthy(health)) << health;
        EXPECT_TRUE(engine::IsUnhealthy(engine->CreateSession({}).status()));
        EXPECT_TRUE(engine::IsUnhealthy(engine->GetInfo().status()));
        ++unhealthy;
      } else if (!GetParam().sticky) {
        EXPECT_TRUE(health.ok()) << health;
        EXPECT_EQ(Generate(engine, kPrompt, Greedy(false), 1000).tokens, expected_);
      }
    }
    engine->Close();
    if (index == 0) calls = TheEmulation().calls() + 1;
    ExpectNothingLeft(hit ? name : index > 0 ? CallName(index - 1) : "");
    if (HasFailure()) return;
  }
  std::printf("%llu calls, %lld of them end a stream, %lld the engine\n",
              static_cast<unsigned long long>(calls - 1), static_cast<long long>(failed),
              static_cast<long long>(unhealthy));
  EXPECT_GT(failed, static_cast<int64_t>(calls / Stride(GetParam().stride) / 3));
  EXPECT_EQ(unhealthy, GetParam().sticky ? failed : 0);
}

}  // namespace
}  // namespace llmrt::testing
