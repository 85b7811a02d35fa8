// Sixteen host threads share one engine whose KV memory is far too small for their sessions, and do
// at random whatever a host may do: append, submit, read slowly or never, wait, cancel, fork,
// rewind, ask, release. Every step meets preemption, eviction or a paused stream, and often all.
// Whatever the order was, each generation must have the tokens that its prompt gives alone, which
// is computed afterwards on an engine with nobody else; each stream ends once; and when everything
// is released every block is free.
//
// The work is bounded by a number of operations, so the test takes what the machine needs for them.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "tests/engine/test_engine.h"
#include "tests/engine/watchdog.h"
#include "tests/test_seed.h"

namespace llmrt::engine {
namespace {

constexpr int kThreads = 16;
constexpr int kSlots = 24;
constexpr int64_t kContext = 80;    // tokens: five blocks
constexpr int64_t kKvBlocks = 10;   // for up to kSlots sessions of up to five
constexpr int64_t kPromptMax = 24;  // tokens that one append adds
constexpr int32_t kVocabSize = 300;

// One generation: what went in, and what the readers, who may be several, got out of it.
struct Record {
  std::mutex mu;
  std::vector<int32_t> before;  // the session's tokens when it was submitted
  StreamOptions options;
  int64_t context_length = 0;
  std::vector<int32_t> tokens;  // by index in the output; -1: not read
  std::vector<float> logprobs;
  int ends = 0;
  FinishReason reason = FinishReason::kNone;
};

// Threads take a session from here and work on it without the lock. Only what would change the
// tokens below a submission (append, submit, rewind) is done with it held, so that the test knows
// what the prompt was.
struct Slot {
  std::mutex mu;
  std::shared_ptr<Session> session;
  int64_t context_length = 0;
  std::shared_ptr<Stream> stream;
  std::shared_ptr<Record> record;
};

struct Handles {
  std::shared_ptr<Session> session;
  std::shared_ptr<Stream> stream;
  std::shared_ptr<Record> record;
  int64_t context_length = 0;
};

llmrt::testing::RandomModelSpec SmallModel() {
  llmrt::testing::RandomModelSpec spec;
  spec.layers = 1;
  spec.dim = 32;
  spec.ffn_dim = 32;
  spec.vocab_size = kVocabSize;
  return spec;
}

class ThreadsTest : public ::testing::Test {
 protected:
  void Open(bool pumped) {
    EngineOptions options;
    options.context_length = kContext;
    options.sessions = static_cast<int32_t>(kKvBlocks * options.block_size / kContext);
    options.step_tokens = 24;
    options.threads = 1;
    quiet_ = llmrt::testing::OpenEngine(source_, options);
    options.pumped = pumped;
    options.threads = pumped ? 1 : 2;
    options.tpot_target_us = 300;  // prompts are cut short while others wait
    engine_ = llmrt::testing::OpenEngine(source_, options);
    ASSERT_EQ(engine_->GetInfo()->blocks_total, kKvBlocks);
    pumped_ = pumped;
  }

  // Every thread does `rounds` operations; on a pumped engine the first two pump until the others
  // are done. The thread `closer` closes the engine half-way, -1: nobody.
  void RunThreads(int rounds, int closer) {
    const uint32_t seed = llmrt::testing::TestSeed();
    const int pumpers = pumped_ ? 2 : 0;
    std::atomic<int> working{kThreads - pumpers};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(seed + static_cast<uint32_t>(t));
        if (t < pumpers) {
          Pump(t, random, working);
          return;
        }
        for (int round = 0; round < rounds; ++round) {
          if (t == closer && round == rounds / 2) {
            watchdog_.Note(t, "close");
            closing_.store(true);
            engine_->Close();
          }
          Operate(t, random);
        }
        watchdog_.Note(t, "done");
        working.fetch_sub(1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // The two fight for the pump.
  void Pump(int t, std::mt19937& random, const std::atomic<int>& working) {
    while (working.load() > 0) {
      watchdog_.Note(t, "step");
      const int64_t max_us = std::array<int64_t, 4>{0, 50, 1000, -1}[random() % 4];
      const absl::Status status = engine_->Step(max_us).status();
      if (!status.ok() && !absl::IsUnavailable(status)) Expect(status);
      std::this_thread::yield();
    }
  }

  // What a call may answer that is used at a bad moment.
  void Expect(const absl::Status& status) {
    switch (status.code()) {
      case absl::StatusCode::kOk:
      case absl::StatusCode::kFailedPrecondition:
      case absl::StatusCode::kOutOfRange:
      case absl::StatusCode::kDeadlineExceeded:
      case absl::StatusCode::kNotFound:
        return;
      default:
        ADD_FAILURE() << status;
    }
  }

  void Operate(int t, std::mt19937& random) {
    Slot& slot = slots_[random() % kSlots];
    const uint32_t what = random() % 100;
    const auto note = [&](const char* doing) { watchdog_.Note(t, doing); };
    if (what < 30) {
      note("submit");
      Submit(slot, random);
    } else if (what < 45) {
      note("read to the end");
      ReadToEnd(Take(slot), random);
    } else if (what < 60) {
      note("read a little");
      ReadSome(Take(slot), random);
    } else if (what < 66) {
      note("cancel");
      if (const auto stream = Take(slot).stream; stream != nullptr) stream->Cancel();
    } else if (what < 72) {
      note("fork");
      Fork(slot, random);
    } else if (what < 78) {
      note("rewind");
      Rewind(slot, random);
    } else if (what < 92) {
      note("ask");
      Ask(Take(slot), random);
    } else if (what < 95) {
      note("engine wait");
      uint64_t tags[4];
      Expect(engine_->Wait(tags, random() % 3).status());
    } else {
      note("release");
      Release(slot, random);
    }
  }

  static Handles Take(Slot& slot) {
    std::lock_guard<std::mutex> lock(slot.mu);
    return {slot.session, slot.stream, slot.record, slot.context_length};
  }

  static StreamOptions AnyOptions(std::mt19937& random) {
    StreamOptions options;
    options.max_tokens = random() % 20 == 0 ? -1 : static_cast<int64_t>(random() % 64);
    options.ignore_eos = random() % 4 != 0;
    options.seed_given = true;
    options.sampling.seed = random() % 5;
    options.sampling.logprobs = true;
    if (random() % 2 == 0) options.sampling.temperature = 0.9f;
    if (random() % 3 == 0) options.sampling.repetition_penalty = 1.2f;
    if (random() % 3 == 0) options.sampling.top_logprobs = 2;
    options.prompt_logprobs = random() % 4 == 0;
    if (random() % 3 == 0) options.queue_tokens = 1 + static_cast<int32_t>(random() % 12);
    if (random() % 3 == 0) options.stop_strings = {"ab", "never said by anybody"};
    return options;
  }

  // Submits on the slot's session, after appending to it, or on a new one.
  void Submit(Slot& slot, std::mt19937& random) {
    std::lock_guard<std::mutex> lock(slot.mu);
    if (slot.session == nullptr || random() % 4 == 0) {
      const int64_t context = random() % 8 == 0 ? 30 : kContext;
      auto session = engine_->CreateSession({.context_length = context});
      if (!session.ok()) return Expect(session.status());
      slot.stream.reset();
      slot.session = *std::move(session);
      slot.context_length = context;
    }
    // Few different tokens: so sessions differ, but not all of them.
    std::vector<int32_t> tokens(random() % kPromptMax);
    for (int32_t& token : tokens) token = 1 + static_cast<int32_t>(random() % 3);
    Expect(slot.session->AppendTokens(tokens));
    auto record = std::make_shared<Record>();
    record->options = AnyOptions(random);
    record->context_length = slot.context_length;
    auto stream = slot.session->Submit(record->options);
    if (!stream.ok()) return Expect(stream.status());
    (*stream)->SetTag(1 + random() % kSlots);
    record->before.resize(static_cast<size_t>((*stream)->Info().prompt_tokens));
    slot.stream = *std::move(stream);
    slot.record.reset();
    const auto copied = slot.session->GetTokens(0, absl::MakeSpan(record->before));
    if (!copied.ok()) return Expect(copied.status());  // closed meanwhile
    EXPECT_EQ(*copied, static_cast<int64_t>(record->before.size()));
    slot.record = record;
    std::lock_guard<std::mutex> records_lock(records_mu_);
    records_.push_back(record);
  }

  // One read of a few tokens; false when the stream has nothing more to give.
  bool ReadOnce(const Handles& handles, std::mt19937& random) {
    int32_t tokens[5];
    float logprobs[5];
    char text[16];
    const ReadBuffers buffers = {.tokens = tokens,
                                 .logprobs = logprobs,
                                 .tokens_capacity = 1 + static_cast<int64_t>(random() % 5),
                                 .text = random() % 2 == 0 ? nullptr : text,
                                 .text_capacity = 4 + static_cast<int64_t>(random() % 13)};
    const absl::StatusOr<ReadResult> result = handles.stream->Read(buffers);
    if (!result.ok()) {
      Expect(result.status());
      return false;
    }
    Record& record = *handles.record;
    std::lock_guard<std::mutex> lock(record.mu);
    const auto end = static_cast<size_t>(result->first_token + result->num_tokens);
    if (record.tokens.size() < end) {
      record.tokens.resize(end, -1);
      record.logprobs.resize(end);
    }
    for (int64_t i = 0; i < result->num_tokens; ++i) {
      const auto index = static_cast<size_t>(result->first_token + i);
      EXPECT_EQ(record.tokens[index], -1) << "a token was read twice";
      record.tokens[index] = tokens[i];
      record.logprobs[index] = logprobs[i];
    }
    if (result->finish_reason == FinishReason::kNone) return true;
    ++record.ends;
    record.reason = result->finish_reason;
    return false;
  }

  void ReadSome(const Handles& handles, std::mt19937& random) {
    if (handles.stream == nullptr || handles.record == nullptr) return;
    for (uint32_t i = random() % 4; i > 0 && ReadOnce(handles, random); --i) continue;
  }

  void ReadToEnd(const Handles& handles, std::mt19937& random) {
    if (handles.stream == nullptr || handles.record == nullptr) return;
    // A session that is released meanwhile leaves the stream to this thread.
    for (;;) {
      const absl::Status waited = handles.stream->Wait(random() % 4 == 0 ? -1 : random() % 3);
      if (absl::IsOutOfRange(waited)) return;
      Expect(waited);
      if (waited.ok() && !ReadOnce(handles, random)) return;
      if (absl::IsFailedPrecondition(waited)) std::this_thread::yield();  // others pump
    }
  }

  void Fork(Slot& slot, std::mt19937& random) {
    const Handles from = Take(slot);
    if (from.session == nullptr) return;
    const int64_t kept = random() % 3 == 0 ? -1 : static_cast<int64_t>(random() % kContext);
    auto child = from.session->Fork(kept);
    if (!child.ok()) return Expect(child.status());
    Slot& to = slots_[random() % kSlots];
    std::lock_guard<std::mutex> lock(to.mu);
    to.session = *std::move(child);
    to.context_length = from.context_length;
    to.stream.reset();
    to.record.reset();
  }

  void Rewind(Slot& slot, std::mt19937& random) {
    std::lock_guard<std::mutex> lock(slot.mu);
    if (slot.session == nullptr) return;
    Expect(slot.session->Rewind(static_cast<int64_t>(random() % kContext)));
  }

  void Ask(const Handles& handles, std::mt19937& random) {
    const absl::StatusOr<EngineInfo> engine = engine_->GetInfo();
    Expect(engine.status());
    if (engine.ok()) {
      EXPECT_EQ(engine->blocks_used + engine->blocks_cached + engine->blocks_free, kKvBlocks);
      EXPECT_LE(engine->streams_running + engine->streams_waiting, engine->num_streams);
    }
    Expect(engine_->PollLog(random() % 200).status());
    if (handles.session == nullptr) return;
    const absl::StatusOr<SessionInfo> session = handles.session->Info();
    Expect(session.status());
    EXPECT_TRUE(!session.ok() || session->num_cached <= session->num_tokens);
    int32_t tokens[8];
    Expect(handles.session->GetTokens(random() % kContext, tokens).status());
    if (handles.stream == nullptr) return;
    const StreamInfo stream = handles.stream->Info();
    EXPECT_LT(stream.cached_tokens, stream.prompt_tokens);
    sampling::TokenLogprob best[2];
    Expect(handles.stream->TopLogprobs(random() % 8, absl::MakeSpan(best)).status());
    float logprobs[8];
    Expect(handles.stream->PromptLogprobs(random() % kContext, absl::MakeSpan(logprobs)).status());
  }

  static void Release(Slot& slot, std::mt19937& random) {
    Handles gone;  // destroyed outside the lock, and in any order
    std::lock_guard<std::mutex> lock(slot.mu);
    const uint32_t what = random() % 3;
    if (what != 0) gone.stream = std::move(slot.stream);
    if (what != 1) gone.session = std::move(slot.session);
  }

  // What is still in the slots ends now, by itself or cancelled.
  void EndAll() {
    std::mt19937 random(1);
    for (Slot& slot : slots_) {
      Handles rest = Take(slot);
      if (rest.stream != nullptr) rest.stream->Cancel();
      while (rest.stream != nullptr && rest.record != nullptr) {
        if (pumped_) Expect(engine_->Step(-1).status());
        const absl::Status waited = rest.stream->Wait(-1);
        if (!waited.ok() || !ReadOnce(rest, random)) break;
      }
      slot.stream.reset();
      slot.session.reset();
    }
  }

  // The engine's own thread takes a moment to let go of streams that were cancelled.
  void WaitUntilIdle() {
    while (engine_->GetInfo()->num_streams > 0) {
      if (pumped_) Expect(engine_->Step(-1).status());
      std::this_thread::yield();
    }
  }

  void ExpectNothingHeld() {
    const EngineInfo info = engine_->GetInfo().value();
    EXPECT_EQ(info.num_sessions, 0);
    EXPECT_EQ(info.blocks_used, 0);
    EXPECT_EQ(info.blocks_cached, 0);
    EXPECT_EQ(info.blocks_free, kKvBlocks);
    EXPECT_EQ(info.tokens_stored, 0);
    EXPECT_EQ(info.streams_running + info.streams_waiting, 0);
    EXPECT_GT(info.preemptions, 0);
    RecordProperty("preemptions", std::to_string(info.preemptions));
    RecordProperty("tokens_recomputed", std::to_string(info.tokens_recomputed));
    EXPECT_GT(info.tokens_recomputed, 0);
  }

  // The same generation with nobody else. One that was cut off is compared as far as it came.
  void CheckAlone(const Record& record) {
    ASSERT_LE(record.ends, 1);
    if (record.ends == 0 && record.tokens.empty()) return;
    const bool whole = record.ends == 1 && record.reason != FinishReason::kCancelled &&
                       record.reason != FinishReason::kEngineClosed;
    std::vector<int32_t> tokens = record.tokens;
    // A stream that lost its host half-way may have pieces that nobody read.
    if (record.ends == 0)
      tokens.resize(std::find(tokens.begin(), tokens.end(), -1) - tokens.begin());
    const auto session = quiet_->CreateSession({.context_length = record.context_length}).value();
    ASSERT_TRUE(session->AppendTokens(record.before).ok());
    StreamOptions options = record.options;
    options.queue_tokens = 4096;
    if (!whole) options.max_tokens = static_cast<int64_t>(tokens.size());
    const auto stream = session->Submit(options);
    ASSERT_TRUE(stream.ok()) << stream.status();
    const auto alone = llmrt::testing::ReadAll(*quiet_, **stream);
    EXPECT_EQ(tokens, alone.tokens) << record.before.size() << " tokens before";
    for (size_t i = 0; i < tokens.size() && i < alone.logprobs.size(); ++i) {
      EXPECT_EQ(record.logprobs[i], alone.logprobs[i]) << "token " << i;
    }
    EXPECT_TRUE(!whole || record.reason == alone.reason) << static_cast<int>(record.reason);
  }

  void CheckAllAlone(size_t whole_min) {
    size_t whole = 0;
    for (const std::shared_ptr<Record>& record : records_) {
      CheckAlone(*record);
      EXPECT_NE(record->reason, FinishReason::kError);
      EXPECT_TRUE(closing_.load() || record->reason != FinishReason::kEngineClosed);
      whole += record->ends == 1 && record->reason != FinishReason::kCancelled;
    }
    EXPECT_GE(whole, whole_min) << "of " << records_.size();
    RecordProperty("generations", std::to_string(records_.size()));
    RecordProperty("whole", std::to_string(whole));
  }

  const std::shared_ptr<ModelSource> source_ = llmrt::testing::RandomSource(SmallModel());
  std::shared_ptr<Engine> quiet_;
  std::shared_ptr<Engine> engine_;
  bool pumped_ = false;
  std::atomic<bool> closing_{false};
  std::array<Slot, kSlots> slots_;
  std::mutex records_mu_;
  std::vector<std::shared_ptr<Record>> records_;
  llmrt::testing::Watchdog watchdog_{kThreads};
};

TEST_F(ThreadsTest, SixteenThreadsOnAnEngineWithItsOwnThread) {
  Open(false);
  RunThreads(500, -1);
  EndAll();
  WaitUntilIdle();
  ExpectNothingHeld();
  CheckAllAlone(100);
}

TEST_F(ThreadsTest, SixteenThreadsOfWhichTwoPump) {
  Open(true);
  RunThreads(500, -1);
  EndAll();
  WaitUntilIdle();
  ExpectNothingHeld();
  CheckAllAlone(100);
}

TEST_F(ThreadsTest, ClosingWhileAllAreAtWorkEndsEveryStreamOnce) {
  for (const bool pumped : {false, true}) {
    for (int round = 0; round < 6; ++round) {
      closing_.store(false);
      records_.clear();
      Open(pumped);
      RunThreads(60, 2 + round);
      EXPECT_EQ(engine_->GetInfo().status().code(), absl::StatusCode::kFailedPrecondition);
      std::mt19937 random(1);
      for (Slot& slot : slots_) {
        const Handles rest = Take(slot);
        ReadToEnd(rest, random);  // nothing moves any more, and yet the end comes
        EXPECT_TRUE(rest.record == nullptr || rest.stream == nullptr || rest.record->ends == 1);
        slot.stream.reset();
        slot.record.reset();
        slot.session.reset();
      }
      CheckAllAlone(1);
    }
  }
}

}  // namespace
}  // namespace llmrt::engine
