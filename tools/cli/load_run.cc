#include "load_run.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "generation.h"
#include "loading.h"
#include "random_tokens.h"

namespace llmrt::cli {
namespace {

int64_t SteadyUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double Milliseconds(int64_t microseconds) { return static_cast<double>(microseconds) / 1000; }

}  // namespace

LoadRun::LoadRun(llmrt_engine* engine, const std::vector<LoadRequest>& requests, uint64_t seed,
                 const InterruptScope& interrupt)
    : engine_(engine), requests_(requests), seed_(seed), interrupt_(interrupt) {}

int64_t LoadRun::NowUs() const { return SteadyUs() - epoch_us_; }

Outcome LoadRun::Prepare() {
  Model model;
  LLMRT_CLI_TRY(GetModel(engine_, &model));
  auto info = Sized<llmrt_model_info>();
  LLMRT_CLI_TRY(Check(llmrt_model_get_info(model.get(), &info)));
  if (info.vocab_size < 1) return Failed("the model has no vocabulary to draw tokens from");
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(Check(llmrt_engine_get_plan(engine_, &plan)));
  context_length_ = plan.context_length;
  // Drawn before the clock starts.
  std::mt19937_64 random(seed_);
  for (const LoadRequest& request : requests_) {
    prompts_.push_back(RandomTokens(random, info.vocab_size, request.prompt_tokens));
  }
  return Done();
}

size_t LoadRun::GroupEnd() const { return std::min(next_ + group_size_, requests_.size()); }

int64_t LoadRun::NextStartUs() const {
  if (next_ == requests_.size()) return -1;
  if (mode_ == LoadMode::kContinuous) return requests_[next_].arrival_us;
  // A group waits for its last request, and before that for the group before it.
  return running_.empty() ? requests_[GroupEnd() - 1].arrival_us : -1;
}

size_t LoadRun::CountDue(int64_t now_us) const {
  const int64_t start_us = NextStartUs();
  if (start_us < 0 || start_us > now_us) return 0;
  if (mode_ != LoadMode::kContinuous) return GroupEnd() - next_;
  size_t end = next_;
  while (end < requests_.size() && requests_[end].arrival_us <= now_us) ++end;
  return end - next_;
}

Outcome LoadRun::StartDue() {
  const size_t count = CountDue(NowUs());
  int64_t longest = 0;
  for (size_t i = next_; i < next_ + count; ++i) {
    longest = std::max(longest, requests_[i].output_tokens);
  }
  for (size_t i = 0; i < count; ++i, ++next_) {
    const LoadRequest& request = requests_[next_];
    const int64_t room = context_length_ - request.prompt_tokens;
    const int64_t tokens = mode_ == LoadMode::kStatic ? longest : request.output_tokens;
    LLMRT_CLI_TRY(Start(next_, std::min(tokens, room)));
  }
  return Done();
}

Outcome LoadRun::Start(size_t request, int64_t max_tokens) {
  Options options;
  LLMRT_CLI_TRY(CreateOptions(LLMRT_OPTIONS_STREAM, &options));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(options.get(), LLMRT_STREAM_MAX_TOKENS, max_tokens)));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(options.get(), LLMRT_STREAM_IGNORE_EOS, 1)));
  InFlight flight;
  flight.request = request;
  const llmrt_status status = Submit(options.get(), &flight);
  if (status == LLMRT_STATUS_RESOURCE_EXHAUSTED) {
    // With `flight` goes the session, if there was memory for one.
    ++outcome_->rejected;
    return Done();
  }
  LLMRT_CLI_TRY(Check(status));
  llmrt_stream* const handle = flight.stream.get();
  running_.emplace(handle, std::move(flight));
  return Done();
}

llmrt_status LoadRun::Submit(llmrt_options* options, InFlight* flight) {
  llmrt_session* session = nullptr;
  llmrt_status status = llmrt_session_create(engine_, nullptr, &session);
  if (status != LLMRT_STATUS_OK) return status;
  flight->session.reset(session);
  const std::vector<int32_t>& prompt = prompts_[flight->request];
  status = llmrt_session_append_tokens(session, prompt.data(), static_cast<int64_t>(prompt.size()));
  if (status != LLMRT_STATUS_OK) return status;
  llmrt_stream* stream = nullptr;
  status = llmrt_session_submit(session, options, &stream);
  flight->stream.reset(stream);
  return status;
}

Outcome LoadRun::WaitForTokens() {
  constexpr int64_t kLookForInterruptUs = 50000;
  const int64_t start_us = NextStartUs();
  int64_t left_us = kLookForInterruptUs;
  if (start_us >= 0) left_us = std::clamp<int64_t>(start_us - NowUs(), 0, left_us);
  if (running_.empty()) {
    std::this_thread::sleep_for(std::chrono::microseconds(left_us));
    return Done();
  }
  // The library's timeouts are whole milliseconds; an arrival may so be late by less than one.
  constexpr int64_t kReady = 64;
  llmrt_stream* ready[kReady];
  int64_t count = 0;
  const llmrt_status status =
      llmrt_engine_wait(engine_, ready, kReady, &count, (left_us + 999) / 1000);
  if (status == LLMRT_STATUS_DEADLINE_EXCEEDED) return Done();
  LLMRT_CLI_TRY(Check(status));
  for (int64_t i = 0; i < count; ++i) LLMRT_CLI_TRY(Read(ready[i]));
  return Done();
}

Outcome LoadRun::Read(llmrt_stream* stream) {
  constexpr int64_t kTokens = 256;
  int32_t tokens[kTokens];
  auto result = Sized<llmrt_read_result>();
  LLMRT_CLI_TRY(Check(llmrt_stream_read(stream, tokens, nullptr, kTokens, nullptr, 0, &result)));
  const auto found = running_.find(stream);
  if (found == running_.end()) return Failed("the library named a stream that was never submitted");
  if (result.num_tokens > 0) CountTokens(found->second, result.num_tokens, NowUs());
  if (result.finish_reason == LLMRT_FINISH_NONE) return Done();
  return End(stream, result.finish_reason);
}

void LoadRun::CountTokens(InFlight& flight, int64_t count, int64_t now_us) {
  const LoadRequest& request = requests_[flight.request];
  count = std::min(count, request.output_tokens - flight.tokens);
  if (count <= 0) return;
  int64_t gaps = count;
  if (flight.tokens == 0) {
    flight.first_us = flight.last_us = now_us;
    --gaps;
  }
  for (int64_t i = 0; i < gaps; ++i) {
    outcome_->itl_ms.push_back(Milliseconds(now_us - flight.last_us) / static_cast<double>(gaps));
  }
  flight.last_us = now_us;
  flight.tokens += count;
}

Outcome LoadRun::End(llmrt_stream* stream, int32_t finish_reason) {
  // With the node go the stream and the session, and with them the memory.
  auto node = running_.extract(stream);
  const InFlight& flight = node.mapped();
  auto info = Sized<llmrt_stream_info>();
  LLMRT_CLI_TRY(Check(llmrt_stream_get_info(stream, &info)));
  if (finish_reason == LLMRT_FINISH_ERROR && info.status == LLMRT_STATUS_RESOURCE_EXHAUSTED) {
    ++outcome_->rejected;
    return Done();
  }
  const LoadRequest& request = requests_[flight.request];
  if (flight.tokens < request.output_tokens) {
    return Failed("a stream ended early (" + std::string(FinishReasonName(finish_reason)) + ")");
  }
  ++outcome_->finished;
  outcome_->prompt_tokens += request.prompt_tokens;
  outcome_->output_tokens += flight.tokens;
  outcome_->cached_tokens += info.cached_tokens;
  outcome_->ttft_ms.push_back(Milliseconds(flight.first_us - request.arrival_us));
  if (flight.tokens > 1) {
    outcome_->tpot_ms.push_back(Milliseconds(flight.last_us - flight.first_us) /
                                static_cast<double>(flight.tokens - 1));
  }
  return Done();
}

Outcome LoadRun::Play(LoadMode mode, int64_t group_size, LoadOutcome* outcome) {
  mode_ = mode;
  group_size_ = static_cast<size_t>(group_size);
  *outcome = {};
  outcome_ = outcome;
  next_ = 0;
  LLMRT_CLI_TRY(Prepare());
  ProgressBar bar("playing");
  epoch_us_ = SteadyUs();
  while (next_ < requests_.size() || !running_.empty()) {
    if (interrupt_.interrupted()) {
      return Failed("interrupted after " + std::to_string(outcome->finished) + " requests");
    }
    LLMRT_CLI_TRY(StartDue());
    LLMRT_CLI_TRY(WaitForTokens());
    bar.Show(static_cast<float>(outcome->finished + outcome->rejected) /
             static_cast<float>(requests_.size()));
  }
  outcome->duration_us = NowUs();
  return Done();
}

}  // namespace llmrt::cli
