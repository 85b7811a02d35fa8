#include "engine/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

TEST(SessionTest, BosIsAddedOnlyAtTheStart) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendText("ab", {}).ok());
  ASSERT_TRUE(session->AppendText("cd", {}).ok());
  StreamOptions options;
  options.max_tokens = 0;
  llmrt::testing::ReadAll(*engine, *session->Submit(options).value());
  std::vector<int32_t> tokens(20);
  tokens.resize(static_cast<size_t>(session->GetTokens(0, absl::MakeSpan(tokens)).value()));
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 1), 1);
  EXPECT_EQ(tokens[0], 1);
}

TEST(SessionTest, EosIsNeverAddedBehindAPrompt) {
  std::vector<uint8_t> bytes = llmrt::testing::MakeRandomModel({});
  // With this key gone BOS is added by default, and the key of the same length asks for EOS.
  const std::string_view key = "add_bos_token", other = "add_eos_token";
  const auto at = std::search(bytes.begin(), bytes.end(), key.begin(), key.end());
  ASSERT_NE(at, bytes.end());
  std::copy(other.begin(), other.end(), at);
  const auto engine =
      llmrt::testing::OpenEngine(std::make_shared<llmrt::testing::MemorySource>(std::move(bytes)));
  EXPECT_EQ(engine->GetModel().value()->tokenizer().value()->Encode("ab", {})->back(), 2);
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendText("ab", {}).ok());
  ASSERT_TRUE(session->AppendText("cd", {}).ok());
  StreamOptions options;
  options.max_tokens = 0;
  llmrt::testing::ReadAll(*engine, *session->Submit(options).value());
  std::vector<int32_t> tokens(20);
  tokens.resize(static_cast<size_t>(session->GetTokens(0, absl::MakeSpan(tokens)).value()));
  EXPECT_EQ(tokens[0], 1);
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 2), 0);
}

TEST(SessionTest, PlainTextHasNoBos) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendText("ab", {.add_special = false}).ok());
  StreamOptions options;
  options.max_tokens = 0;
  llmrt::testing::ReadAll(*engine, *session->Submit(options).value());
  int32_t first = 0;
  ASSERT_EQ(session->GetTokens(0, absl::MakeSpan(&first, 1)).value(), 1);
  EXPECT_NE(first, 1);
}

TEST(SessionTest, InvalidUtf8IsAStatusAndAppendsNothing) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  const auto session = engine->CreateSession({}).value();
  EXPECT_EQ(session->AppendText("ab\xFF", {}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(session->Info()->num_pending, 0);
}

TEST(SessionTest, ASubmissionThatFindsNoMemoryChangesNothing) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer has the heap";
  EngineOptions pumped;
  pumped.pumped = true;  // nothing moves, so what is in flight stays so
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource(), pumped);
  const auto session = engine->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(40, 3)).ok());
  StreamOptions options;
  options.stop_strings = {"a string that is longer than what fits into the object itself"};
  int64_t failures = 0;
  std::shared_ptr<Stream> stream;
  while (stream == nullptr) {
    memory::FailHeapAllocation(failures);
    try {
      stream = session->Submit(options).value();
    } catch (const std::bad_alloc&) {
      ++failures;
      ASSERT_EQ(session->Info()->num_pending, 40) << "allocation " << failures;
      ASSERT_FALSE(session->Info()->stream_in_flight) << "allocation " << failures;
      ASSERT_EQ(engine->GetInfo()->num_streams, 0) << "allocation " << failures;
    }
  }
  memory::FailHeapAllocation(-1);
  EXPECT_GT(failures, 5);
  EXPECT_EQ(session->Info()->num_pending, 0);
}

TEST(SessionTest, DestroyingASessionGivesItsBlocksBack) {
  const auto engine = llmrt::testing::OpenEngine(llmrt::testing::RandomSource());
  {
    const auto session = engine->CreateSession({}).value();
    ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>(40, 3)).ok());
    StreamOptions options;
    options.max_tokens = 0;
    llmrt::testing::ReadAll(*engine, *session->Submit(options).value());
    EXPECT_EQ(engine->GetInfo()->blocks_cached, 3);
    EXPECT_EQ(session->Info()->num_cached, 40);
  }
  EXPECT_EQ(engine->GetInfo()->blocks_used, 0);
  EXPECT_EQ(engine->GetInfo()->num_sessions, 0);
}

}  // namespace
}  // namespace llmrt::engine
