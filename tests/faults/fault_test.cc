// Every allocation, read and thread start of load, session creation and a short generation is made
// to fail in turn. Whatever fails: the process lives, every call answers with a status, the failure
// has a message, nothing leaks, and the next run without a failure gives the tokens that it always
// gave.

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "llmrt.h"
#include "tests/faults/interpose.h"

namespace llmrt::faults {
namespace {

const std::string kModel = std::string(LLMRT_TEST_DATA_DIR) + "/tiny-300.gguf";

struct Outcome {
  llmrt_status status = LLMRT_STATUS_OK;  // of the first call that failed
  std::string failed_call;
  bool message_missing = false;
  std::vector<int32_t> tokens;
  int32_t finish_reason = LLMRT_FINISH_NONE;
};

// One whole use of the library, which goes on as far as it can and always releases what it got.
class Use {
 public:
  Outcome Run() {
    if (Load()) Converse();
    llmrt_stream_release(stream_);
    llmrt_session_release(session_);
    llmrt_engine_release(engine_);
    llmrt_options_release(stream_options_);
    llmrt_options_release(engine_options_);
    llmrt_source_release(source_);
    return outcome_;
  }

 private:
  bool Ok(llmrt_status status, const char* call) {
    if (status == LLMRT_STATUS_OK) return true;
    if (!outcome_.failed_call.empty()) return false;
    outcome_.status = status;
    outcome_.failed_call = call;
    char message[256];
    int64_t length = 0;
    const llmrt_status got = llmrt_last_message(message, sizeof message, &length);
    outcome_.message_missing = got != LLMRT_STATUS_OK || length == 0;
    return false;
  }

  bool Load() {
    return Ok(llmrt_source_create_path(kModel.c_str(), -1, 0, -1, &source_), "source_create") &&
           Ok(llmrt_options_create(LLMRT_OPTIONS_ENGINE, &engine_options_), "options_create") &&
           Ok(llmrt_options_set_i64(engine_options_, LLMRT_ENGINE_THREADS, 2), "set_i64") &&
           Ok(llmrt_engine_create(source_, engine_options_, &engine_), "engine_create") &&
           Ok(llmrt_engine_wait_load(engine_, -1), "wait_load");
  }

  bool SetStreamOptions() {
    static const char kStop[] = "never said";
    return Ok(llmrt_options_create(LLMRT_OPTIONS_STREAM, &stream_options_), "options_create") &&
           Ok(llmrt_options_set_i64(stream_options_, LLMRT_STREAM_MAX_TOKENS, 6), "set_i64") &&
           Ok(llmrt_options_set_i64(stream_options_, LLMRT_STREAM_SEED, 7), "set_i64") &&
           Ok(llmrt_options_set_i64(stream_options_, LLMRT_STREAM_IGNORE_EOS, 1), "set_i64") &&
           Ok(llmrt_options_set_i64(stream_options_, LLMRT_STREAM_TOP_LOGPROBS, 3), "set_i64") &&
           Ok(llmrt_options_set_f64(stream_options_, LLMRT_STREAM_TEMPERATURE, 0.8), "set_f64") &&
           Ok(llmrt_options_set_f64(stream_options_, LLMRT_STREAM_TOP_P, 0.9), "set_f64") &&
           Ok(llmrt_options_set_bytes(stream_options_, LLMRT_STREAM_STOP_STRINGS, kStop,
                                      sizeof kStop),
              "set_bytes");
  }

  void Converse() {
    if (!Ok(llmrt_session_create(engine_, nullptr, &session_), "session_create") ||
        !Ok(llmrt_session_append_text(session_, "Good day", -1, 0), "append_text") ||
        !SetStreamOptions() ||
        !Ok(llmrt_session_submit(session_, stream_options_, &stream_), "submit")) {
      return;
    }
    while (outcome_.finish_reason == LLMRT_FINISH_NONE) {
      if (!Ok(llmrt_stream_wait(stream_, -1), "stream_wait")) return;
      int32_t tokens[8];
      char text[64];
      llmrt_read_result result = {};
      result.struct_size = sizeof result;
      if (!Ok(llmrt_stream_read(stream_, tokens, nullptr, 8, text, sizeof text, &result), "read")) {
        return;
      }
      outcome_.tokens.insert(outcome_.tokens.end(), tokens, tokens + result.num_tokens);
      outcome_.finish_reason = result.finish_reason;
      if (result.finish_reason == LLMRT_FINISH_ERROR) {
        outcome_.status = static_cast<llmrt_status>(result.status);
        outcome_.failed_call = "the stream";
      }
    }
  }

  Outcome outcome_;
  llmrt_source* source_ = nullptr;
  llmrt_options* engine_options_ = nullptr;
  llmrt_options* stream_options_ = nullptr;
  llmrt_engine* engine_ = nullptr;
  llmrt_session* session_ = nullptr;
  llmrt_stream* stream_ = nullptr;
};

class FaultTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WatchLibraryOf(reinterpret_cast<const void*>(&llmrt_abi_version));
    FillHandleTable();
    Use().Run();
    expected_ = Use().Run();
    ASSERT_EQ(expected_.status, LLMRT_STATUS_OK) << expected_.failed_call;
    ASSERT_EQ(expected_.tokens.size(), 6u);
    resting_ = LiveAllocations();
  }

  // The table's chunks stay with the library; handles go to its shards by turns.
  static void FillHandleTable() {
    std::vector<llmrt_options*> handles(64);
    for (llmrt_options*& handle : handles) llmrt_options_create(LLMRT_OPTIONS_ENGINE, &handle);
    for (llmrt_options* handle : handles) llmrt_options_release(handle);
  }

  int64_t CallsOfOneUse(Site site) {
    Arm(site, -1, Mode::kOnce);
    Use().Run();
    return Calls(site);
  }

  // Fails call `n`; true if it was reached.
  bool FailAndCheck(Site site, int64_t n, Mode mode) {
    Arm(site, n, mode);
    return RunAndCheck(n);
  }

  bool RunAndCheck(int64_t n) {
    const Outcome outcome = Use().Run();
    const bool fired = Fired();
    Disarm();
    EXPECT_FALSE(outcome.message_missing) << outcome.failed_call << ", call " << n;
    EXPECT_EQ(LiveAllocations(), resting_) << "call " << n << ": " << outcome.failed_call;
    if (outcome.status == LLMRT_STATUS_OK) {
      EXPECT_EQ(outcome.tokens, expected_.tokens) << "call " << n;
    }
    if (outcome.status != LLMRT_STATUS_OK) ++failures_;
    if (fired) reached_.insert(FiredPlace());
    return fired;
  }

  // Every place in the library that a use without faults passes must have been made to fail. What
  // the numbers missed, because two threads allocate, is tried by its place.
  void ExpectEveryPlaceFailed(Site site) {
    NotePlaces(site);
    Use().Run();
    const std::vector<Place> noted = NotedPlaces();
    const std::set<Place> places(noted.begin(), noted.end());
    for (const Place place : places) {
      for (int i = 0; i < 50 && reached_.count(place) == 0; ++i) {
        ArmAt(site, place, 0);
        RunAndCheck(-1);
      }
      EXPECT_EQ(reached_.count(place), 1u) << "never failed: " << place;
    }
    RecordProperty("places", std::to_string(places.size()));
  }

  void ExpectUndamaged() {
    const Outcome after = Use().Run();
    EXPECT_EQ(after.status, LLMRT_STATUS_OK);
    EXPECT_EQ(after.tokens, expected_.tokens);
  }

  Outcome expected_;
  int64_t resting_ = 0;
  std::set<Place> reached_;  // places that were failed
  int64_t failures_ = 0;     // uses that ended with a status
};

TEST_F(FaultTest, EveryAllocationMayFail) {
  const int64_t calls = CallsOfOneUse(Site::kAllocation);
  ASSERT_GT(calls, 200);
  int64_t fired = 0;
  for (int64_t n = 0; n < calls; ++n) fired += FailAndCheck(Site::kAllocation, n, Mode::kOnce);
  // Two threads allocate, so the last few numbers are not reached in every run.
  EXPECT_GE(fired, calls - 20);
  EXPECT_GE(failures_, calls * 9 / 10);
  RecordProperty("allocations", std::to_string(calls));
  ExpectEveryPlaceFailed(Site::kAllocation);
  ExpectUndamaged();
}

TEST_F(FaultTest, MemoryMayRunOutForGood) {
  const int64_t calls = CallsOfOneUse(Site::kAllocation);
  for (int64_t n = 0; n < calls; n += 3) FailAndCheck(Site::kAllocation, n, Mode::kForever);
  EXPECT_GE(failures_, calls / 3 * 9 / 10);
  ExpectUndamaged();
}

TEST_F(FaultTest, EveryReadMayFailOrFindTheFileCut) {
  const int64_t calls = CallsOfOneUse(Site::kRead);
  ASSERT_GE(calls, 2);
  for (int64_t n = 0; n < calls; ++n) {
    EXPECT_TRUE(FailAndCheck(Site::kRead, n, Mode::kOnce));
    EXPECT_TRUE(FailAndCheck(Site::kRead, n, Mode::kShort));
  }
  EXPECT_EQ(failures_, 2 * calls);
  ExpectEveryPlaceFailed(Site::kRead);
  ExpectUndamaged();
}

TEST_F(FaultTest, EveryThreadMayFailToStart) {
  const int64_t calls = CallsOfOneUse(Site::kThreadStart);
  ASSERT_GE(calls, 2);  // the engine's and one of the backend's
  for (int64_t n = 0; n < calls; ++n) {
    EXPECT_TRUE(FailAndCheck(Site::kThreadStart, n, Mode::kOnce));
  }
  EXPECT_EQ(failures_, calls);
  ExpectEveryPlaceFailed(Site::kThreadStart);
  ExpectUndamaged();
}

}  // namespace
}  // namespace llmrt::faults
