// Memory is a contract: what the plan says is what full use takes, and a budget is a hard limit.
// Through the shared library, as a host has it.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "llmrt.hpp"
#include "tests/abi/full_use.h"

namespace {

using namespace llmrt::testing;  // NOLINT: this file is tests of what that has.

void ExpectTheContractHolds(const std::string& path, const Shape& shape) {
  SCOPED_TRACE(path + ": " + std::to_string(shape.sessions) + " sessions of " +
               std::to_string(shape.context) + ", budget " + std::to_string(shape.budget));
  const llmrt::Source source = llmrt::Source::FromPath(path);
  const llmrt::Options options = OptionsFor(shape);
  const llmrt_plan before = llmrt::Model(source).Plan(options);
  llmrt::Engine engine(source, options);
  engine.WaitLoad();
  const llmrt_plan plan = engine.Plan();
  EXPECT_EQ(plan.total_bytes, before.total_bytes);
  EXPECT_EQ(plan.heap_bytes, before.heap_bytes);
  EXPECT_EQ(plan.kv_blocks, before.kv_blocks);
  UseFully(engine, shape.sessions);
  const llmrt_engine_info info = engine.Info();
  if (info.heap_bytes == 0) return;  // a sanitizer keeps its own operator new
  EXPECT_GE(plan.total_bytes, info.memory_peak_bytes);
  EXPECT_GE(static_cast<double>(info.memory_peak_bytes),
            static_cast<double>(plan.total_bytes) / 1.02)
      << "total " << plan.total_bytes << ", peak " << info.memory_peak_bytes;
  EXPECT_TRUE(shape.budget == 0 || plan.total_bytes <= shape.budget) << plan.total_bytes;
}

TEST(MemoryContractTest, FullUseComesWithinTwoPercentOfThePlanForEveryModel) {
  for (const std::string& path : Models()) {
    ExpectTheContractHolds(path, {.sessions = 1});
    ExpectTheContractHolds(path, {.sessions = 1, .context = 64});
    ExpectTheContractHolds(path, {.sessions = 8, .context = 64, .kv_type = "f32"});
  }
}

TEST(MemoryContractTest, FullUseComesWithinTwoPercentOfThePlanForEveryOption) {
  const std::string path = Bundled("village-draft-q8_0.gguf");
  for (const int64_t sessions : {1, 8, 64}) {
    for (const int64_t context : {64, 200, 0}) {
      for (const char* type : {"f16", "f32"}) {
        ExpectTheContractHolds(path, {.sessions = sessions, .context = context, .kv_type = type});
      }
    }
  }
  ExpectTheContractHolds(path, {.context = 0, .step_tokens = 32});
}

TEST(MemoryContractTest, FullUseComesWithinTwoPercentOfThePlanWithDrafts) {
  const std::string path = Bundled("village-draft-q8_0.gguf");
  for (const int64_t sessions : {1, 8}) {
    for (const int64_t context : {64, 0}) {
      Shape shape = {.sessions = sessions, .context = context, .draft_max = 16};
      ExpectTheContractHolds(path, shape);
      shape.draft_lookup = true;
      const llmrt::Model model{llmrt::Source::FromPath(path)};
      shape.budget = model.Plan(OptionsFor(shape)).total_bytes;
      ExpectTheContractHolds(path, shape);
    }
  }
  ExpectTheContractHolds(path, {.sessions = 64, .context = 64, .draft_lookup = true});
}

TEST(MemoryContractTest, OnlyEnginesThatAskForDraftsPayForThem) {
  const llmrt::Model model{llmrt::Source::FromPath(Bundled("village-draft-q8_0.gguf"))};
  const auto total = [&](const Shape& shape) { return model.Plan(OptionsFor(shape)).total_bytes; };
  const int64_t plain = total({.sessions = 4, .context = 256});
  EXPECT_EQ(total({.sessions = 4, .context = 256, .draft_max = 0}), plain);
  EXPECT_EQ(total({.sessions = 4, .context = 256, .draft_max = 0, .draft_lookup = true}), plain);
  const int64_t eight = total({.sessions = 4, .context = 256, .draft_max = 8});
  EXPECT_GT(eight, plain);
  // The index of a look-up is heap, which a sanitizer's build does not count.
  const int64_t looking = total({.sessions = 4, .context = 256, .draft_lookup = true});
  const bool counted = model.Plan(OptionsFor({})).heap_bytes > 0;
  EXPECT_EQ(looking > eight, counted);
  EXPECT_GE(looking, eight);
}

TEST(MemoryContractTest, FullUseComesWithinTwoPercentOfThePlanUnderABudget) {
  for (const std::string& path : Models()) {
    const llmrt_plan whole = llmrt::Model(llmrt::Source::FromPath(path)).Plan(OptionsFor({}));
    // To the byte, and with room for about half of the KV.
    ExpectTheContractHolds(path, {.budget = whole.total_bytes});
    ExpectTheContractHolds(path, {.budget = whole.total_bytes - whole.kv_bytes / 2});
    Shape many = {.sessions = 64, .context = 64};
    many.budget = llmrt::Model(llmrt::Source::FromPath(path)).Plan(OptionsFor(many)).total_bytes;
    ExpectTheContractHolds(path, many);
  }
}

TEST(MemoryContractTest, ABudgetOneByteTooSmallIsRefusedWithItsNumbers) {
  const llmrt::Source source = llmrt::Source::FromPath(Bundled("village-draft-q8_0.gguf"));
  const int64_t least =
      llmrt::Model(source).Plan(OptionsFor({.context = 16})).total_bytes;  // one block
  ExpectTheContractHolds(Bundled("village-draft-q8_0.gguf"), {.context = 16, .budget = least});
  try {
    llmrt::Engine engine(source, OptionsFor({.context = 16, .budget = least - 1}));
    engine.WaitLoad();
    FAIL() << "the load went through";
  } catch (const llmrt::Error& error) {
    EXPECT_EQ(error.status(), LLMRT_STATUS_RESOURCE_EXHAUSTED);
    for (const int64_t number : {least, least - 1}) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(number)), std::string::npos)
          << error.what();
    }
  }
}

TEST(MemoryContractTest, SessionsWithoutEndAreRefusedAndTheOthersGoOn) {
  const llmrt::Source source = llmrt::Source::FromPath(Bundled("village-draft-q8_0.gguf"));
  const std::vector<int32_t> prompt = {1, 40, 41, 42};
  llmrt::Engine free_engine(source, OptionsFor({.context = 256}));
  free_engine.WaitLoad();
  llmrt::Session free_session = free_engine.CreateSession();
  free_session.AppendTokens(prompt);
  llmrt::Stream free_stream = free_session.Submit(StreamOptions(200));
  const std::vector<int32_t> expected = ReadToTheEnd(free_stream).first;
  ASSERT_EQ(expected.size(), 200u);

  const int64_t budget = free_engine.Plan().total_bytes + 50000;
  llmrt::Engine engine(source, OptionsFor({.context = 256, .budget = budget}));
  engine.WaitLoad();
  if (engine.Info().heap_bytes == 0) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  llmrt::Session session = engine.CreateSession();
  session.AppendTokens(prompt);
  llmrt::Stream stream = session.Submit(StreamOptions(200));
  std::vector<llmrt::Session> more;
  llmrt_status status = LLMRT_STATUS_OK;
  std::string message;
  while (status == LLMRT_STATUS_OK && more.size() < 1000000) {
    try {
      more.push_back(engine.CreateSession());
    } catch (const llmrt::Error& error) {
      status = error.status();
      message = error.what();
    }
  }
  EXPECT_EQ(status, LLMRT_STATUS_RESOURCE_EXHAUSTED);
  EXPECT_NE(message.find("budget of " + std::to_string(budget)), std::string::npos) << message;
  EXPECT_GT(more.size(), 50u);
  EXPECT_THROW(session.AppendTokens(prompt), llmrt::Error);  // in flight, or no room: no crash
  EXPECT_EQ(ReadToTheEnd(stream), std::make_pair(expected, int32_t{LLMRT_FINISH_MAX_TOKENS}));
  EXPECT_LE(engine.Info().memory_peak_bytes, budget);
  more.clear();
  EXPECT_NO_THROW(engine.CreateSession());
}

TEST(MemoryContractTest, WhatIsReleasedIsRefunded) {
  const llmrt::Source source = llmrt::Source::FromPath(Bundled("village-draft-q8_0.gguf"));
  llmrt::Engine engine(source, OptionsFor({.sessions = 4, .context = 64}));
  engine.WaitLoad();
  UseFully(engine, 4);
  const int64_t used = engine.Info().memory_used_bytes;
  for (int i = 0; i < 5; ++i) UseFully(engine, 4);
  EXPECT_EQ(engine.Info().memory_used_bytes, used);
}

}  // namespace
