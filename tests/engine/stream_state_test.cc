#include "engine/stream_state.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {
namespace {

std::shared_ptr<StreamState> Make(StreamOptions options, bool pumped = false) {
  return StreamState::Create(std::move(options), {.first_new = 0, .length = 4, .cached = 0},
                             std::make_shared<ReadySignal>(), pumped)
      .value();
}

sampling::Draw Token(int32_t id) {
  sampling::Draw draw;
  draw.token = id;
  draw.logprob = -static_cast<float>(id);
  return draw;
}

struct Reader {
  std::vector<int32_t> tokens = std::vector<int32_t>(16);
  std::vector<float> logprobs = std::vector<float>(16);
  std::string text = std::string(64, '\0');
  bool was_full = false;

  absl::StatusOr<ReadResult> Read(StreamState& stream, int64_t text_capacity = 64) {
    return stream.Read({tokens.data(), logprobs.data(), 16, text.data(), text_capacity}, &was_full);
  }
};

TEST(StreamStateTest, TokensAndTextComeOutInOrder) {
  const auto stream = Make({});
  stream->Push(Token(5), "he");
  stream->Push(Token(6), "llo");
  Reader reader;
  const auto result = reader.Read(*stream);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->num_tokens, 2);
  EXPECT_EQ(reader.tokens[1], 6);
  EXPECT_EQ(reader.logprobs[1], -6.0f);
  EXPECT_EQ(reader.text.substr(0, 5), "hello");
  EXPECT_EQ(result->finish_reason, FinishReason::kNone);
}

TEST(StreamStateTest, ACharacterIsNeverCutBetweenTokensOrReads) {
  const auto stream = Make({});
  stream->Push(Token(1), "\xE2\x82");
  Reader reader;
  EXPECT_EQ(reader.Read(*stream)->text_bytes, 0);
  stream->Push(Token(2),
               "\xAC"
               "x\xC3\xA4");
  const auto first = reader.Read(*stream, 5);
  EXPECT_EQ(first->text_bytes, 4);  // the euro sign and x; the umlaut would be cut
  EXPECT_EQ(reader.Read(*stream)->text_bytes, 2);
}

TEST(StreamStateTest, ACapacityThatHoldsNoCharacterIsOutOfRangeAndLosesNothing) {
  const auto stream = Make({});
  stream->Push(Token(1), "\xE2\x82\xAC");
  Reader reader;
  EXPECT_EQ(reader.Read(*stream, 2).status().code(), absl::StatusCode::kOutOfRange);
  const auto result = reader.Read(*stream, 4);
  EXPECT_EQ(result->text_bytes, 3);
  EXPECT_EQ(result->num_tokens, 1);
}

TEST(StreamStateTest, TheEndIsDeliveredExactlyOnceAndLast) {
  const auto stream = Make({});
  stream->Push(Token(1), "abc");
  stream->Finish(FinishReason::kMaxTokens, absl::OkStatus());
  stream->Finish(FinishReason::kCancelled, absl::OkStatus());  // the first end counts
  Reader reader;
  EXPECT_EQ(reader.Read(*stream, 1)->finish_reason, FinishReason::kNone);
  EXPECT_EQ(reader.Read(*stream)->finish_reason, FinishReason::kMaxTokens);
  EXPECT_EQ(reader.Read(*stream).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(stream->Wait(0).code(), absl::StatusCode::kOutOfRange);
}

TEST(StreamStateTest, AStopStringIsNeverSeenNotEvenItsBeginning) {
  StreamOptions options;
  options.stop_strings = {"STOP"};
  const auto stream = Make(options);
  Reader reader;
  EXPECT_FALSE(stream->Push(Token(1), "one ST"));
  EXPECT_EQ(reader.Read(*stream)->text_bytes, 4);
  EXPECT_FALSE(stream->Push(Token(2), "AND ST"));
  EXPECT_EQ(reader.Read(*stream)->text_bytes, 6);  // "STAND "
  EXPECT_TRUE(stream->Push(Token(3), "OP two"));
  stream->Finish(FinishReason::kStopString, absl::OkStatus());
  const auto last = reader.Read(*stream);
  EXPECT_EQ(last->text_bytes, 0);
  EXPECT_EQ(last->finish_reason, FinishReason::kStopString);
}

TEST(StreamStateTest, WhatWasHeldBackIsReleasedAtTheEnd) {
  StreamOptions options;
  options.stop_strings = {"STOP"};
  const auto stream = Make(options);
  stream->Push(Token(1), "STO\xC3");
  stream->Finish(FinishReason::kMaxTokens, absl::OkStatus());
  Reader reader;
  const auto result = reader.Read(*stream);
  EXPECT_EQ(reader.text.substr(0, static_cast<size_t>(result->text_bytes)), "STO\xEF\xBF\xBD");
}

TEST(StreamStateTest, RawBytesAreHandedOutAsTheyCome) {
  StreamOptions options;
  options.raw_bytes = true;
  const auto stream = Make(options);
  stream->Push(Token(1), "\xE2\x82");
  Reader reader;
  EXPECT_EQ(reader.Read(*stream, 1)->text_bytes, 1);
  EXPECT_EQ(reader.Read(*stream, 1)->text_bytes, 1);
}

TEST(StreamStateTest, AFullQueueIsSeenByTheReaderThatEmptiesIt) {
  StreamOptions options;
  options.queue_tokens = 2;
  const auto stream = Make(options);
  stream->Push(Token(1), "a");
  EXPECT_TRUE(stream->MayRun(false));
  stream->Push(Token(2), "b");
  EXPECT_FALSE(stream->MayRun(false));
  Reader reader;
  ASSERT_TRUE(reader.Read(*stream).ok());
  EXPECT_TRUE(reader.was_full);
  EXPECT_TRUE(stream->MayRun(false));
}

TEST(StreamStateTest, APausedStreamGoesOnWhenHalfOfItsQueueIsRead) {
  StreamOptions options;
  options.queue_tokens = 4;
  const auto stream = Make(options);
  for (int32_t i = 0; i < 4; ++i) stream->Push(Token(i), "a");
  EXPECT_FALSE(stream->MayRun(false));
  char text[1];
  int32_t token = 0;
  const ReadBuffers one = {
      .tokens = &token, .tokens_capacity = 1, .text = text, .text_capacity = 1};
  bool made_room = true;
  ASSERT_TRUE(stream->Read(one, &made_room).ok());
  EXPECT_FALSE(made_room);
  EXPECT_TRUE(stream->MayRun(false));
  EXPECT_FALSE(stream->MayRun(true));
  ASSERT_TRUE(stream->Read(one, &made_room).ok());
  EXPECT_TRUE(made_room);
  EXPECT_TRUE(stream->MayRun(true));
  ASSERT_TRUE(stream->Read(one, &made_room).ok());
  EXPECT_FALSE(made_room);  // it was told already
}

TEST(StreamStateTest, UnreadTextKeepsTheQueueFullAlthoughTheTokensAreRead) {
  StreamOptions options;
  options.queue_tokens = 2;
  const auto stream = Make(options);
  stream->Push(Token(1), "abc");
  stream->Push(Token(2), "def");
  Reader reader;
  EXPECT_EQ(reader.Read(*stream, 0)->num_tokens, 2);
  EXPECT_FALSE(stream->MayRun(false));
  EXPECT_EQ(reader.Read(*stream, 3)->text_bytes, 3);
  EXPECT_TRUE(stream->MayRun(false));  // one token's text is left
  EXPECT_EQ(reader.Read(*stream, 3)->text_bytes, 3);
  stream->Push(Token(3), "g");
  const auto result = reader.Read(*stream);
  EXPECT_EQ(result->first_token, 2);
  EXPECT_EQ(result->num_tokens, 1);
}

TEST(StreamStateTest, ReadingTextAlonePassesOverTheTokensWhoseTextIsRead) {
  StreamOptions options;
  options.queue_tokens = 2;
  const auto stream = Make(options);
  stream->Push(Token(1), "abc");
  stream->Push(Token(2), "def");
  std::string text(8, ' ');
  bool was_full = false;
  EXPECT_EQ(stream->Read({nullptr, nullptr, 0, text.data(), 2}, &was_full)->text_bytes, 2);
  EXPECT_FALSE(stream->MayRun(false));
  EXPECT_EQ(stream->Read({nullptr, nullptr, 0, text.data(), 2}, &was_full)->text_bytes, 2);
  EXPECT_TRUE(stream->MayRun(false));
  Reader reader;
  const auto rest = reader.Read(*stream);
  EXPECT_EQ(rest->first_token, 1);  // the second token, of whose text two bytes were left
  EXPECT_EQ(rest->num_tokens, 1);
  EXPECT_EQ(rest->text_bytes, 2);
}

// However late the other thread starts, the wait ends: by the end itself or at once after it.
TEST(StreamStateTest, AWaitEndsWhenTheStreamIsDroppedOrTheEngineCloses) {
  const auto dropped = Make({});
  std::thread host([&] { dropped->Drop(); });
  EXPECT_EQ(dropped->Wait(-1).code(), absl::StatusCode::kOutOfRange);
  host.join();
  const auto closed = Make({});
  std::thread closer([&] { closed->Finish(FinishReason::kEngineClosed, absl::OkStatus()); });
  EXPECT_TRUE(closed->Wait(-1).ok());
  closer.join();
  Reader reader;
  EXPECT_EQ(reader.Read(*closed)->finish_reason, FinishReason::kEngineClosed);
}

TEST(StreamStateTest, WithoutArraysTokensAreSkippedAndTextIsDropped) {
  const auto stream = Make({});
  stream->Push(Token(1), "ab");
  stream->Finish(FinishReason::kMaxTokens, absl::OkStatus());
  bool was_full = false;
  const auto result = stream->Read({}, &was_full);
  EXPECT_EQ(result->num_tokens, 0);
  EXPECT_EQ(result->finish_reason, FinishReason::kMaxTokens);
}

TEST(StreamStateTest, TopLogprobsAreKeptUntilAQueueMoreWasRead) {
  StreamOptions options;
  options.sampling.top_logprobs = 2;
  options.queue_tokens = 3;
  const auto stream = Make(options);
  for (int32_t i = 0; i < 5; ++i) {
    sampling::Draw draw = Token(i);
    draw.top = {{i, -0.5f}, {i + 1, -1.5f}};
    stream->Push(std::move(draw), "x");
  }
  Reader reader;
  EXPECT_EQ(reader.Read(*stream)->num_tokens, 5);
  sampling::Draw next = Token(5);
  next.top = {{5, -0.5f}, {6, -1.5f}};
  stream->Push(std::move(next), "x");
  sampling::TokenLogprob out[2];
  EXPECT_EQ(stream->TopLogprobs(1, absl::MakeSpan(out)).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(stream->TopLogprobs(4, absl::MakeSpan(out)).value(), 2);
  EXPECT_EQ(out[1].token, 5);
  EXPECT_EQ(stream->TopLogprobs(4, absl::MakeSpan(out, 1)).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Make({})->TopLogprobs(0, absl::MakeSpan(out)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(StreamStateTest, PromptLogprobsBeginWithZeroForTheFirstToken) {
  StreamOptions options;
  options.prompt_logprobs = true;
  const auto stream = Make(options);
  stream->SetPromptLogprob(1, -1);
  stream->SetPromptLogprob(1, -2);  // told once more: the first counts
  float out[8];
  EXPECT_EQ(stream->PromptLogprobs(0, absl::MakeSpan(out)).value(), 2);
  EXPECT_EQ(out[0], 0.0f);
  EXPECT_EQ(out[1], -1.0f);
  EXPECT_EQ(stream->PromptLogprobs(3, absl::MakeSpan(out)).value(), 0);
  EXPECT_EQ(stream->PromptLogprobs(4, absl::MakeSpan(out)).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Make({})->PromptLogprobs(0, absl::MakeSpan(out)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(StreamStateTest, WaitEndsByTimeByTokenAndByEnd) {
  const auto stream = Make({});
  EXPECT_EQ(stream->Wait(1).code(), absl::StatusCode::kDeadlineExceeded);
  std::thread producer([&] { stream->Push(Token(1), "a"); });
  EXPECT_TRUE(stream->Wait(-1).ok());
  producer.join();
  EXPECT_EQ(Make({}, /*pumped=*/true)->Wait(-1).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(StreamStateTest, AnEmptyStopStringIsRefused) {
  StreamOptions options;
  options.stop_strings = {""};
  EXPECT_EQ(
      StreamState::Create(options, {}, std::make_shared<ReadySignal>(), false).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(StreamStateTest, OnlyTaggedStreamsAreListedAsReady) {
  const auto stream = Make({});
  stream->Push(Token(1), "a");
  EXPECT_EQ(stream->ReadyTag(), 0u);
  stream->SetTag(7);
  EXPECT_EQ(stream->ReadyTag(), 7u);
}

constexpr char kLongText[] = "a piece of text that no string object holds inside";

TEST(StreamStateTest, WithoutMemoryForTheLastTextAStreamEndsWithAnError) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer has the heap";
  for (const FinishReason reason : {FinishReason::kMaxTokens, FinishReason::kCancelled}) {
    StreamOptions options;
    options.stop_strings.push_back(absl::StrCat(kLongText, "!"));
    const auto stream = Make(options);
    stream->Push(Token(1), kLongText);  // all of it is held back
    memory::FailHeapAllocation(0);
    stream->Finish(reason, absl::OkStatus());
    memory::FailHeapAllocation(-1);
    const StreamInfo info = stream->Info();
    const bool cut = reason == FinishReason::kMaxTokens;
    EXPECT_EQ(info.finish_reason, cut ? FinishReason::kError : reason);
    EXPECT_EQ(absl::IsResourceExhausted(info.status), cut);
  }
}

TEST(StreamStateTest, OfATokenThatFoundNoMemoryNothingIsVisible) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer has the heap";
  int64_t failures = 0;
  for (bool pushed = false; !pushed; ++failures) {
    StreamOptions options;
    options.stop_strings.push_back(absl::StrCat(kLongText, "!"));
    const auto stream = Make(options);
    stream->Push(Token(1), "before ");
    memory::FailHeapAllocation(failures);
    try {
      stream->Push(Token(2), kLongText);
      pushed = true;
    } catch (const std::bad_alloc&) {
    }
    memory::FailHeapAllocation(-1);
    stream->Finish(FinishReason::kError, absl::ResourceExhaustedError(""));
    Reader reader;
    const auto result = reader.Read(*stream).value();
    EXPECT_EQ(result.num_tokens, pushed ? 2 : 1);
    EXPECT_EQ(reader.text.substr(0, static_cast<size_t>(result.text_bytes)),
              pushed ? absl::StrCat("before ", kLongText) : "before ");
  }
  EXPECT_GT(failures, 2);
}

}  // namespace
}  // namespace llmrt::engine
