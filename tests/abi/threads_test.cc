// Sixteen host threads on one engine through the C interface, with too few KV blocks for all: they
// create, submit, wait, read, cancel, fork, rewind and release, their own handles and each other's,
// so that many a handle is stale by the time it is used. Every call answers with a status that its
// documentation lists; every generation that nobody cut off has the tokens of its prompt alone; in
// the end nothing is held. Another test closes the engine while all are at work.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "llmrt.h"
#include "tests/engine/watchdog.h"
#include "tests/test_seed.h"

namespace {

constexpr int kThreads = 16;
constexpr int kPool = 12;  // handles that any thread may use
constexpr int kPrompts = 6;
constexpr int kSamplings = 2;
constexpr int64_t kLongest = 36;  // tokens of a generation
constexpr int64_t kContext = 80;
constexpr int64_t kBlocks = 10;  // of 16 tokens

// One conversation that a thread owns. Others may end or release what is in the pool.
struct Talk {
  llmrt_session* session = nullptr;
  llmrt_stream* stream = nullptr;
  int prompt = 0;
  int sampling = 0;
  int64_t max_tokens = 0;
};

template <typename Struct>
Struct Sized() {
  Struct value = {};
  value.struct_size = sizeof value;
  return value;
}

class AbiThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int p = 0; p < kPrompts; ++p) {
      for (int i = 0; i < 4 + 8 * p; ++i) prompts_[p].push_back(3 + (p + 5 * i) % 200);
    }
    // What every prompt gives alone.
    Load(false);
    for (int p = 0; p < kPrompts; ++p) {
      for (int s = 0; s < kSamplings; ++s) {
        Talk talk = Begin(p, s, kLongest);
        ReadToEnd(talk, &alone_[p][s]);
        ASSERT_EQ(alone_[p][s].size(), static_cast<size_t>(kLongest));
        End(talk, 0);
      }
    }
    ASSERT_EQ(llmrt_engine_close(engine_), LLMRT_STATUS_OK);
  }

  void Load(bool pumped) {
    pumped_ = pumped;
    llmrt_source* source = nullptr;
    llmrt_options* options = nullptr;
    const std::string path = LLMRT_TEST_DATA_DIR "/tiny-300.gguf";
    ASSERT_EQ(llmrt_source_create_path(path.c_str(), -1, 0, -1, &source), LLMRT_STATUS_OK);
    ASSERT_EQ(llmrt_options_create(LLMRT_OPTIONS_ENGINE, &options), LLMRT_STATUS_OK);
    const std::pair<int32_t, int64_t> settings[] = {{LLMRT_ENGINE_THREADS, pumped ? 1 : 2},
                                                    {LLMRT_ENGINE_PUMPED, pumped ? 1 : 0},
                                                    {LLMRT_ENGINE_CONTEXT_LENGTH, kContext},
                                                    {LLMRT_ENGINE_SESSIONS, 2},
                                                    {LLMRT_ENGINE_STEP_TOKENS, 24}};
    for (const auto& [key, value] : settings) {
      ASSERT_EQ(llmrt_options_set_i64(options, key, value), LLMRT_STATUS_OK) << key;
    }
    ASSERT_EQ(llmrt_engine_create(source, options, &engine_), LLMRT_STATUS_OK);
    ASSERT_EQ(llmrt_engine_wait_load(engine_, -1), LLMRT_STATUS_OK);
    llmrt_options_release(options);
    llmrt_source_release(source);
  }

  // Whether the call went well; what may go wrong at a bad moment is no failure.
  bool Ok(llmrt_status status) {
    switch (status) {
      case LLMRT_STATUS_OK:
        return true;
      case LLMRT_STATUS_INVALID_HANDLE:
      case LLMRT_STATUS_FAILED_PRECONDITION:
      case LLMRT_STATUS_OUT_OF_RANGE:
      case LLMRT_STATUS_DEADLINE_EXCEEDED:
      case LLMRT_STATUS_NOT_FOUND:
      case LLMRT_STATUS_UNAVAILABLE:
        return false;
      default:
        ADD_FAILURE() << "status " << status;
        return false;
    }
  }

  bool Submit(Talk& talk) {
    llmrt_options* options = nullptr;
    EXPECT_EQ(llmrt_options_create(LLMRT_OPTIONS_STREAM, &options), LLMRT_STATUS_OK);
    llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, talk.max_tokens);
    llmrt_options_set_i64(options, LLMRT_STREAM_IGNORE_EOS, 1);
    llmrt_options_set_i64(options, LLMRT_STREAM_SEED, 3);
    llmrt_options_set_i64(options, LLMRT_STREAM_QUEUE_TOKENS, talk.max_tokens % 3 == 0 ? 5 : 4096);
    llmrt_options_set_f64(options, LLMRT_STREAM_TEMPERATURE, talk.sampling == 0 ? 0.0 : 0.9);
    const bool ok = Ok(llmrt_session_submit(talk.session, options, &talk.stream));
    llmrt_options_release(options);
    return ok;
  }

  Talk Begin(int prompt, int sampling, int64_t max_tokens) {
    Talk talk = {nullptr, nullptr, prompt, sampling, max_tokens};
    const std::vector<int32_t>& tokens = prompts_[prompt];
    if (Ok(llmrt_session_create(engine_, nullptr, &talk.session)) &&
        Ok(llmrt_session_append_tokens(talk.session, tokens.data(),
                                       static_cast<int64_t>(tokens.size())))) {
      Submit(talk);
    }
    return talk;
  }

  // Either first, and perhaps twice: a stale handle is no one's.
  static void End(const Talk& talk, uint32_t bits) {
    if (bits & 1) llmrt_session_release(talk.session);
    llmrt_stream_release(talk.stream);
    llmrt_session_release(talk.session);
    if (bits & 2) llmrt_stream_release(talk.stream);
  }

  // The finish reason; NONE where the stream was taken away.
  int32_t ReadToEnd(const Talk& talk, std::vector<int32_t>* all) {
    for (int64_t turn = 0;; ++turn) {
      int32_t tokens[6];
      char text[40];
      llmrt_read_result result = Sized<llmrt_read_result>();
      const llmrt_status waited = llmrt_stream_wait(talk.stream, turn % 4 == 0 ? -1 : turn % 3);
      if (!Ok(waited)) {
        if (waited == LLMRT_STATUS_FAILED_PRECONDITION) std::this_thread::yield();  // others pump
        if (waited == LLMRT_STATUS_INVALID_HANDLE || waited == LLMRT_STATUS_OUT_OF_RANGE) return 0;
        continue;
      }
      if (!Ok(llmrt_stream_read(talk.stream, tokens, nullptr, 6, text, sizeof text, &result))) {
        return 0;
      }
      EXPECT_EQ(result.first_token, static_cast<int64_t>(all->size()));
      all->insert(all->end(), tokens, tokens + result.num_tokens);
      if (result.finish_reason != LLMRT_FINISH_NONE) return result.finish_reason;
    }
  }

  void ReadAndCompare(const Talk& talk) {
    std::vector<int32_t> tokens;
    const int32_t reason = ReadToEnd(talk, &tokens);
    const std::vector<int32_t>& alone = alone_[talk.prompt][talk.sampling];
    ASSERT_LE(tokens.size(), static_cast<size_t>(talk.max_tokens));
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), alone.begin())) << talk.prompt;
    if (reason == LLMRT_FINISH_MAX_TOKENS) {
      EXPECT_EQ(tokens.size(), static_cast<size_t>(talk.max_tokens));
      whole_.fetch_add(1);
    } else {
      EXPECT_TRUE(reason == LLMRT_FINISH_NONE || reason == LLMRT_FINISH_CANCELLED ||
                  (reason == LLMRT_FINISH_ENGINE_CLOSED && closing_.load()))
          << reason;
    }
  }

  // A conversation from its beginning to its end, sometimes with a second try after a rewind, or
  // with a fork that says the same.
  void TalkOnce(int t, std::mt19937& random) {
    watchdog_.Note(t, "talk");
    const int prompt = static_cast<int>(random() % kPrompts);
    Talk talk = Begin(prompt, static_cast<int>(random() % kSamplings), 1 + random() % kLongest);
    if (random() % 2 == 0) {
      sessions_[random() % kPool].store(talk.session);
      streams_[random() % kPool].store(talk.stream);
    }
    if (random() % 4 != 0) ReadAndCompare(talk);
    const auto length = static_cast<int64_t>(prompts_[prompt].size());
    if (random() % 3 == 0) {
      watchdog_.Note(t, "rewind");
      if (Ok(llmrt_session_rewind(talk.session, length))) {
        llmrt_stream_release(talk.stream);
        if (Submit(talk)) ReadAndCompare(talk);
      }
    } else if (random() % 3 == 0) {
      watchdog_.Note(t, "fork");
      Talk child = talk;
      child.stream = nullptr;
      if (Ok(llmrt_session_fork(talk.session, length, &child.session))) {
        if (Submit(child)) ReadAndCompare(child);
        End(child, random());
      }
    }
    watchdog_.Note(t, "end");
    End(talk, random());
  }

  // With handles that are somebody else's, if they are anybody's.
  void Meddle(int t, std::mt19937& random) {
    llmrt_session* session = sessions_[random() % kPool].load();
    llmrt_stream* stream = streams_[random() % kPool].load();
    llmrt_session* child = nullptr;
    llmrt_stream_info stream_info = Sized<llmrt_stream_info>();
    llmrt_session_info session_info = Sized<llmrt_session_info>();
    int32_t tokens[8];
    int64_t count = 0;
    watchdog_.Note(t, "meddle");
    switch (random() % 8) {
      case 0:
        Ok(llmrt_stream_cancel(stream));
        break;
      case 1:
        if (Ok(llmrt_stream_get_info(stream, &stream_info))) {
          EXPECT_LT(stream_info.cached_tokens, stream_info.prompt_tokens);
        }
        break;
      case 2:
        if (Ok(llmrt_session_get_info(session, &session_info))) {
          EXPECT_LE(session_info.num_cached, session_info.num_tokens);
        }
        break;
      case 3:
        Ok(llmrt_session_get_tokens(session, random() % 60, tokens, 8, &count));
        break;
      case 4:
        if (Ok(llmrt_session_fork(session, -1, &child))) llmrt_session_release(child);
        break;
      case 5:
        llmrt_stream_release(stream);
        break;
      case 6:
        llmrt_session_release(session);
        break;
      default:
        Ok(llmrt_stream_wait(stream, 1));
    }
  }

  void AskTheEngine(int t, std::mt19937& random) {
    watchdog_.Note(t, "ask");
    llmrt_stream* ready[4];
    llmrt_engine_info info = Sized<llmrt_engine_info>();
    llmrt_log_info log = Sized<llmrt_log_info>();
    char text[200];
    int64_t count = 0;
    Ok(llmrt_engine_wait(engine_, ready, 4, &count, random() % 3));
    Ok(llmrt_engine_poll_log(engine_, &log, text, sizeof text, &count));
    if (Ok(llmrt_engine_get_info(engine_, &info))) {
      EXPECT_EQ(info.blocks_used + info.blocks_cached + info.blocks_free, kBlocks);
    }
  }

  void Pump(int t, std::mt19937& random, const std::atomic<int>& working) {
    while (working.load() > 0) {
      watchdog_.Note(t, "step");
      llmrt_step_info info = Sized<llmrt_step_info>();
      Ok(llmrt_engine_step(engine_, std::array<int64_t, 3>{0, 100, 1000}[random() % 3], &info));
      std::this_thread::yield();
    }
  }

  void RunThreads(int rounds, int closer) {
    const uint32_t seed = llmrt::testing::TestSeed();
    const int pumpers = pumped_ ? 2 : 0;
    std::atomic<int> working{kThreads - pumpers};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(seed + static_cast<uint32_t>(t));
        if (t < pumpers) return Pump(t, random, working);
        for (int round = 0; round < rounds; ++round) {
          if (t == closer && round == rounds / 2) Close(t);
          const uint32_t what = random() % 10;
          what < 3 ? TalkOnce(t, random) : what < 8 ? Meddle(t, random) : AskTheEngine(t, random);
        }
        watchdog_.Note(t, "done");
        working.fetch_sub(1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void Close(int t) {
    watchdog_.Note(t, "close");
    closing_.store(true);
    EXPECT_EQ(llmrt_engine_close(engine_), LLMRT_STATUS_OK);
  }

  // Streams that were released are gone once the loop has looked.
  void ExpectNothingHeld() {
    llmrt_engine_info info = Sized<llmrt_engine_info>();
    do {
      if (pumped_) Ok(llmrt_engine_step(engine_, -1, nullptr));
      ASSERT_EQ(llmrt_engine_get_info(engine_, &info), LLMRT_STATUS_OK);
    } while (info.num_streams > 0);
    EXPECT_EQ(info.num_sessions, 0);
    EXPECT_EQ(info.blocks_used, 0);
    EXPECT_EQ(info.blocks_cached, 0);
    EXPECT_EQ(info.blocks_free, kBlocks);
    EXPECT_EQ(info.tokens_stored, 0);
    EXPECT_GT(info.tokens_recomputed, 0);
    EXPECT_EQ(llmrt_engine_close(engine_), LLMRT_STATUS_OK);
  }

  llmrt_engine* engine_ = nullptr;
  bool pumped_ = false;
  std::array<std::vector<int32_t>, kPrompts> prompts_;
  std::array<std::array<std::vector<int32_t>, kSamplings>, kPrompts> alone_;
  std::array<std::atomic<llmrt_session*>, kPool> sessions_ = {};
  std::array<std::atomic<llmrt_stream*>, kPool> streams_ = {};
  std::atomic<bool> closing_{false};
  std::atomic<int> whole_{0};
  llmrt::testing::Watchdog watchdog_{kThreads};
};

TEST_F(AbiThreadsTest, SixteenThreadsOnAnEngineWithItsOwnThread) {
  Load(false);
  RunThreads(200, -1);
  EXPECT_GT(whole_.load(), 100);
  ExpectNothingHeld();
}

TEST_F(AbiThreadsTest, SixteenThreadsOfWhichTwoPump) {
  Load(true);
  RunThreads(100, -1);
  EXPECT_GT(whole_.load(), 50);
  ExpectNothingHeld();
}

TEST_F(AbiThreadsTest, ClosingWhileAllAreAtWorkLeavesOnlyStaleHandles) {
  for (int round = 0; round < 10; ++round) {
    closing_.store(false);
    Load(round % 2 == 1);
    RunThreads(24, 2 + round);
    llmrt_engine_info info = Sized<llmrt_engine_info>();
    EXPECT_EQ(llmrt_engine_get_info(engine_, &info), LLMRT_STATUS_INVALID_HANDLE);
    llmrt_engine_release(engine_);
  }
}

}  // namespace
