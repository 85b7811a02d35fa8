// A busy engine for fault tests: several sessions in flight at once on too few KV blocks (a prompt
// of many chunks, decoders that report log-probabilities, a fork beside its parent, a stop string,
// a stream that is cancelled inside a step), then a second turn of a session that was evicted.
//
// A call that answers RESOURCE_EXHAUSTED is made once more: it must not have changed anything.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "llmrt.h"

namespace llmrt::faults {

// What one stream gave.
struct Answer {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::vector<int32_t> top_tokens;
  std::vector<float> top_logprobs;
  std::vector<float> prompt_logprobs;
  std::string text;
  int32_t finish_reason = LLMRT_FINISH_NONE;
  int32_t status = LLMRT_STATUS_OK;

  bool operator==(const Answer&) const = default;
};

class Conversation {
 public:
  enum Part {
    kBase,
    kEarlier,
    kLong,
    kDecoder,
    kFork,
    kParent,
    kScored,
    kStopped,
    kCancelled,
    kLater
  };
  static constexpr int kParts = 10;

  // `stop_string` ends the part kStopped where it is said.
  Conversation(llmrt_engine* engine, bool pumped, std::string stop_string)
      : engine_(engine), pumped_(pumped), stop_string_(std::move(stop_string)) {}

  // Talks to the end and releases everything.
  void Run();

  const std::vector<Answer>& answers() const { return answers_; }
  // Calls that answered RESOURCE_EXHAUSTED, and other answers that nothing here explains.
  int failed_calls() const { return failed_calls_; }
  const std::vector<std::string>& complaints() const { return complaints_; }
  // Of the later turn's prompt, what had not been evicted.
  int64_t later_cached() const { return later_cached_; }

 private:
  struct Wish {
    int64_t max_tokens = 8;
    double temperature = 0;
    int32_t top_logprobs = 0;
    bool prompt_logprobs = false;
    int32_t queue_tokens = 4096;
    std::string stop_string;
  };

  llmrt_status Call(const char* name, const std::function<llmrt_status()>& call);
  llmrt_session* NewSession();
  void Append(llmrt_session* session, int32_t first, int32_t count);
  void Submit(Part part, llmrt_session* session, const Wish& wish);
  llmrt_options* OptionsFor(const Wish& wish);
  void Move();
  bool Read(Part part);
  void CheckMessage(Part part);
  void ReadBest(Part part, const llmrt_read_result& result);
  void ReadScores(Part part);
  void TalkToTheEnd();
  void CancelWhenItHas(int64_t tokens);

  llmrt_engine* const engine_;
  const bool pumped_;
  const std::string stop_string_;
  std::vector<Answer> answers_ = std::vector<Answer>(kParts);
  llmrt_stream* streams_[kParts] = {};
  bool scored_[kParts] = {};  // whether prompt scores were asked for
  int32_t top_[kParts] = {};
  int failed_calls_ = 0;
  int64_t later_cached_ = -1;
  bool cancelled_ = false;
  std::vector<std::string> complaints_;
};

}  // namespace llmrt::faults
