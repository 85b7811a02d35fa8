// Engines inside a context, and a stream, that belong to the host: they give the tokens of an
// engine with a context of its own, leave the host's objects as they were, and refuse what does not
// fit together.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/engine/test_engine.h"
#include "tests/model/random_model.h"

namespace llmrt::testing {
namespace {

using cuda::kCuSuccess;

const std::vector<int32_t> kPrompt = {5, 9, 200, 7};

std::shared_ptr<engine::ModelSource> SmallModel() {
  RandomModelSpec spec;
  spec.layers = 1;
  spec.dim = 32;
  spec.ffn_dim = 40;
  spec.context_length = 64;
  spec.type = backend::WeightType::kF16;
  return RandomSource(spec);
}

engine::StreamOptions FourTokens() {
  engine::StreamOptions options;
  options.max_tokens = 4;
  options.ignore_eos = true;
  return options;
}

class CudaHostContextTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (SkipWithoutEmulation()) return;
    TheEmulation().reset();
    source_ = SmallModel();
    expected_ = Generate(OpenEngine(source_, CudaOptions()), kPrompt, FourTokens()).tokens;
    EXPECT_EQ(Describe(Counts()), Describe({}));
  }
  void TearDown() override {
    if (source_ == nullptr) return;
    if (!HasFailure()) {
      EXPECT_EQ(Describe(Counts()), Describe({}));
    }
    TheEmulation().reset();
  }

  // Of the host's, which knows it by its handle and has nothing current.
  static cuda::CuContext MakeContext(int device = 0) {
    cuda::CuContext context = nullptr, popped = nullptr;
    EXPECT_EQ(TheDriver().context_create(&context, 0, device), kCuSuccess);
    EXPECT_EQ(TheDriver().context_pop(&popped), kCuSuccess);
    return context;
  }
  static cuda::CuStream MakeStream(cuda::CuContext context) {
    cuda::CuStream stream = nullptr;
    cuda::CuContext popped = nullptr;
    EXPECT_EQ(TheDriver().context_push(context), kCuSuccess);
    EXPECT_EQ(TheDriver().stream_create(&stream, cuda::kCuStreamNonBlocking), kCuSuccess);
    EXPECT_EQ(TheDriver().context_pop(&popped), kCuSuccess);
    return stream;
  }
  static void Destroy(cuda::CuContext context) {
    EXPECT_EQ(TheDriver().context_destroy(context), kCuSuccess);
  }

  static engine::EngineOptions Inside(cuda::CuContext context, cuda::CuStream stream = nullptr) {
    engine::EngineOptions options = CudaOptions();
    options.cuda_context = reinterpret_cast<int64_t>(context);
    options.cuda_stream = reinterpret_cast<int64_t>(stream);
    return options;
  }
  // How loading ends.
  absl::Status Load(const engine::EngineOptions& options) {
    return engine::Engine::Create(source_, options).value()->WaitLoad(-1);
  }

  std::shared_ptr<engine::ModelSource> source_;
  std::vector<int32_t> expected_;
};

TEST_F(CudaHostContextTest, EngineWorksInTheHostsContextAndStream) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext();
  const cuda::CuStream stream = MakeStream(context);
  const LlmrtEmulationCounts before = Counts();
  {
    const auto engine = OpenEngine(source_, Inside(context, stream));
    EXPECT_EQ(Counts().contexts, 1u);
    EXPECT_EQ(Counts().streams, 1u);
    EXPECT_EQ(Generate(engine, kPrompt, FourTokens()).tokens, expected_);
    engine->Close();
  }
  EXPECT_EQ(Describe(Counts()), Describe(before));
  Destroy(context);
}

TEST_F(CudaHostContextTest, ContextAloneGetsAStreamOfTheEngines) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext();
  const LlmrtEmulationCounts before = Counts();
  {
    // Two of them share it.
    const auto engine = OpenEngine(source_, Inside(context));
    const auto other = OpenEngine(source_, Inside(context));
    EXPECT_EQ(Counts().contexts, 1u);
    EXPECT_EQ(Counts().streams, 2u);
    EXPECT_EQ(Generate(engine, kPrompt, FourTokens()).tokens, expected_);
    engine->Close();
    EXPECT_EQ(Generate(other, kPrompt, FourTokens()).tokens, expected_);
  }
  EXPECT_EQ(Describe(Counts()), Describe(before));
  Destroy(context);
}

TEST_F(CudaHostContextTest, PumpingLeavesTheThreadsContextsAsTheyWere) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext(), current = MakeContext();
  ASSERT_EQ(TheDriver().context_push(current), kCuSuccess);
  {
    engine::EngineOptions options = Inside(context);
    options.pumped = true;
    const auto engine = OpenEngine(source_, options);
    EXPECT_EQ(Generate(engine, kPrompt, FourTokens(), 50).tokens, expected_);
    engine->Close();
  }
  uint64_t depth = 0;
  EXPECT_EQ(TheEmulation().current_context(&depth), current);
  EXPECT_EQ(depth, 1u);
  Destroy(current);
  Destroy(context);
}

TEST_F(CudaHostContextTest, ContextOfAnotherDeviceIsRefused) {
  if (source_ == nullptr) return;
  TheEmulation().set_devices(2);
  const cuda::CuContext context = MakeContext(1);
  const absl::Status status = Load(Inside(context));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_NE(status.message().find("cuda:0"), std::string::npos) << status;
  engine::EngineOptions fitting = Inside(context);
  fitting.device = "cuda:1";
  EXPECT_EQ(Generate(OpenEngine(source_, fitting), kPrompt, FourTokens()).tokens, expected_);
  EXPECT_EQ(Counts().contexts, 1u);
  Destroy(context);
}

TEST_F(CudaHostContextTest, StreamWithoutContextIsRefused) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext();
  const cuda::CuStream stream = MakeStream(context);
  const absl::Status status = Load(Inside(nullptr, stream));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(Counts().streams, 1u);
  Destroy(context);
}

TEST_F(CudaHostContextTest, StreamOfAnotherContextIsAStatus) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext(), other = MakeContext();
  const cuda::CuStream stream = MakeStream(other);
  const LlmrtEmulationCounts before = Counts();
  const absl::Status status = Load(Inside(context, stream));
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(status.message().empty());
  EXPECT_EQ(Describe(Counts()), Describe(before));
  Destroy(context);
  Destroy(other);
}

TEST_F(CudaHostContextTest, DestroyedContextIsAStatus) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext();
  Destroy(context);
  const absl::Status status = Load(Inside(context));
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(status.message().empty());
}

// The host is told not to; it gets a status, not a crash.
TEST_F(CudaHostContextTest, ContextThatGoesDuringTheEnginesLifeEndsItsStreams) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext();
  const auto engine = OpenEngine(source_, Inside(context));
  EXPECT_EQ(Generate(engine, kPrompt, FourTokens()).tokens, expected_);
  Destroy(context);
  const Generation generation = Generate(engine, {8, 8, 8}, FourTokens());
  EXPECT_EQ(generation.reason, engine::FinishReason::kError);
  EXPECT_FALSE(generation.status.ok());
  engine->Close();
}

TEST_F(CudaHostContextTest, FaultInTheHostsContextEndsTheEngineAndLeavesTheContextToTheHost) {
  if (source_ == nullptr) return;
  const cuda::CuContext context = MakeContext();
  const auto engine = OpenEngine(source_, Inside(context));
  TheEmulation().reset_calls();
  // Somewhere in the middle of the prompt's step, with the host's context current: a launch.
  TheEmulation().fail_call(10, cuda::kCuIllegalAddress, 1);
  const Generation generation = Generate(engine, kPrompt, FourTokens());
  EXPECT_EQ(generation.reason, engine::FinishReason::kError);
  EXPECT_TRUE(engine::IsUnhealthy(generation.status)) << generation.status;
  EXPECT_TRUE(engine::IsUnhealthy(engine->CreateSession({}).status()));
  engine->Close();
  TheEmulation().fail_no_call();
  EXPECT_EQ(Counts().contexts, 1u);
  Destroy(context);
}

}  // namespace
}  // namespace llmrt::testing
