#include "engine/stream_state.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {
namespace {

using Clock = std::chrono::steady_clock;

// A wait without limit is one of a year: steady clocks overflow at their maximum.
Clock::time_point DeadlineAfter(int64_t timeout_ms) {
  constexpr int64_t kYearMs = int64_t{365} * 24 * 3600 * 1000;
  const int64_t bounded = timeout_ms < 0 ? kYearMs : std::min(timeout_ms, kYearMs);
  return Clock::now() + std::chrono::milliseconds(bounded);
}

absl::Status AlreadyDelivered() {
  return absl::OutOfRangeError(
      "the stream's end was already delivered, or the stream is released; submit another");
}

// Bytes of a token's text that are there from the start: English takes 4, Chinese up to 6.
constexpr int64_t kTextBytes = 6;

// Tokens that can lie unread at once, one at least.
int64_t QueueCapacity(const StreamOptions& options, int64_t room) {
  const int64_t wanted = options.max_tokens < 0 ? room : std::min(room, options.max_tokens);
  return std::max<int64_t>(1, std::min<int64_t>(wanted, options.queue_tokens));
}

// Bytes of the longest prefix of whole characters that `capacity` holds. `text` is valid UTF-8
// unless it is raw, where every byte may end a piece.
size_t WholeCharacters(std::string_view text, int64_t capacity, bool raw) {
  size_t count =
      static_cast<size_t>(std::min<int64_t>(capacity, static_cast<int64_t>(text.size())));
  if (raw || count == text.size()) return count;
  while (count > 0 && (static_cast<unsigned char>(text[count]) & 0xC0) == 0x80) --count;
  return count;
}

}  // namespace

void ReadySignal::Notify() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++generation_;
  }
  changed_.notify_all();
}

int64_t ReadySignal::generation() {
  std::lock_guard<std::mutex> lock(mu_);
  return generation_;
}

bool ReadySignal::WaitPast(int64_t generation, Clock::time_point deadline) {
  std::unique_lock<std::mutex> lock(mu_);
  return changed_.wait_until(lock, deadline, [&] { return generation_ != generation; });
}

StreamState::StreamState(StreamOptions options, const PromptShape& prompt,
                         std::shared_ptr<ReadySignal> ready, bool pumped)
    : options_(std::move(options)),
      prompt_(prompt),
      ready_(std::move(ready)),
      pumped_(pumped),
      submitted_(Clock::now()),
      tokens_(QueueCapacity(options_, prompt.room)) {
  text_.reserve(static_cast<size_t>(kTextBytes * tokens_.capacity()));
  info_.seed = options_.sampling.seed;
  info_.prompt_tokens = prompt.length;
  info_.cached_tokens = prompt.cached;
}

absl::StatusOr<std::shared_ptr<StreamState>> StreamState::Create(StreamOptions options,
                                                                 const PromptShape& prompt,
                                                                 std::shared_ptr<ReadySignal> ready,
                                                                 bool pumped) {
  std::shared_ptr<StreamState> state(
      new StreamState(std::move(options), prompt, std::move(ready), pumped));
  absl::StatusOr<text::StopMatcher> stops = text::StopMatcher::Create(state->options_.stop_strings);
  if (!stops.ok()) return stops.status();
  state->stops_ = *std::move(stops);
  if (state->options_.prompt_logprobs) {
    state->prompt_logprobs_.reserve(static_cast<size_t>(prompt.length - prompt.first_new));
    if (prompt.first_new == 0) state->prompt_logprobs_.push_back(0);  // nothing comes before it
  }
  if (state->options_.draft_max > 0) {
    // Each step gives a token, or the end.
    const int64_t limit = state->options_.max_tokens;
    const int64_t tokens = limit < 0 ? prompt.room : std::min(limit, prompt.room);
    state->draft_lengths_.reserve(static_cast<size_t>(tokens) + 1);
  }
  return state;
}

int64_t StreamState::HeapBytes(int64_t context_length, bool drafts) {
  using memory::HeapBytesOf;
  constexpr int64_t kSharedCounts = 24;  // of a pointer that was taken over
  // The best tokens' deque, though it is empty: libstdc++ begins with 8 pointers and one node.
  constexpr int64_t kDeque = HeapBytesOf(8 * sizeof(void*)) + HeapBytesOf(512);
  const int64_t tokens = QueueCapacity({}, context_length);
  return HeapBytesOf(sizeof(StreamState)) + HeapBytesOf(kSharedCounts) + kDeque +
         HeapBytesOf(tokens * int64_t{sizeof(OutputToken)}) + HeapBytesOf(kTextBytes * tokens + 1) +
         (drafts ? HeapBytesOf(context_length + 1) : 0) + RunningHeapBytes();
}

int64_t StreamState::RunningHeapBytes() { return memory::HeapBytesOf(128); }

int64_t StreamState::MicrosSinceSubmit() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - submitted_).count();
}

bool StreamState::MayRun(bool paused) const {
  std::lock_guard<std::mutex> lock(mu_);
  return paused ? IsHalfRead() : tokens_.size() < options_.queue_tokens;
}

int64_t StreamState::QueueRoom() const {
  std::lock_guard<std::mutex> lock(mu_);
  return tokens_.capacity() - tokens_.size();
}

void StreamState::SetProgress(Phase phase, int64_t preemptions, int64_t tokens_recomputed) {
  std::lock_guard<std::mutex> lock(mu_);
  info_.preemptions = preemptions;
  info_.tokens_recomputed = tokens_recomputed;
  if (finished_) return;
  if (info_.queue_us < 0 && phase != Phase::kQueued) info_.queue_us = MicrosSinceSubmit();
  info_.phase = phase;
}

bool StreamState::Push(sampling::Draw draw, std::string_view bytes, bool drafted) {
  bool stopped = false;
  {
    std::lock_guard<std::mutex> lock(mu_);
    pushing_ = true;
    text::StopMatcher::Output output = stops_.Feed(bytes);
    std::string text = options_.raw_bytes ? std::move(output.text) : characters_.Feed(output.text);
    // Everything that can fail comes before the first visible change.
    text_.reserve(text_.size() + text.size());
    const int64_t text_end = text_read_ + static_cast<int64_t>(text_.size() + text.size());
    if (options_.sampling.top_logprobs > 0) top_.push_back(std::move(draw.top));
    tokens_.Push({draw.token, draw.logprob, text_end});
    text_.append(text);
    DropOldTops();
    ++generated_;
    info_.generated_tokens = generated_;
    info_.accepted += drafted ? 1 : 0;
    const int64_t now_us = MicrosSinceSubmit();
    if (info_.ttft_us < 0) info_.ttft_us = now_us;
    if (generated_ > 1) info_.tpot_us = (now_us - info_.ttft_us) / (generated_ - 1);
    stopped = output.matched;
    pushing_ = false;
  }
  changed_.notify_all();
  ready_->Notify();
  return stopped;
}

void StreamState::AddStep(int64_t drafts) {
  std::lock_guard<std::mutex> lock(mu_);
  ++info_.steps;
  info_.drafted += drafts;
  // Never allocates: a step gives at least one token or the end; see Create.
  if (draft_lengths_.size() < draft_lengths_.capacity()) {
    draft_lengths_.push_back(static_cast<uint8_t>(drafts));
  }
}

void StreamState::SetPromptLogprob(int64_t position, float logprob) {
  std::lock_guard<std::mutex> lock(mu_);
  const int64_t next = prompt_.first_new + static_cast<int64_t>(prompt_logprobs_.size());
  // A step that was dropped after its draws comes again: what was told stays.
  if (position == next) prompt_logprobs_.push_back(logprob);  // never allocates: see Create
}

void StreamState::Finish(FinishReason reason, absl::Status status) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (finished_) return;
    finished_ = true;
    done_.store(true, std::memory_order_release);
    info_.phase = Phase::kFinished;
    info_.finish_reason = reason;
    info_.status = std::move(status);
    info_.total_us = MicrosSinceSubmit();
    // What was held back is text after all, unless a stop string swallowed it. Without memory for
    // it the text ends a few bytes early, and a stream that would have ended well says so.
    try {
      std::string tail = pushing_ ? std::string() : stops_.Flush();
      if (!options_.raw_bytes && !pushing_) tail = characters_.Feed(tail) + characters_.Flush();
      text_.append(tail);
    } catch (const std::bad_alloc&) {
      if (reason < FinishReason::kCancelled) {
        info_.finish_reason = FinishReason::kError;
        info_.status = absl::Status(absl::StatusCode::kResourceExhausted, "");
      }
    }
  }
  changed_.notify_all();
  ready_->Notify();
}

void StreamState::DropOldTops() {
  // A host asks for those of tokens that it has just read, while more tokens come.
  while (!top_.empty() && first_top_ + options_.queue_tokens < first_unread_) {
    top_.pop_front();
    ++first_top_;
  }
}

void StreamState::DropReadTokens() {
  while (!tokens_.empty() && first_token_ < first_unread_ && tokens_[0].text_end <= text_read_) {
    tokens_.DropOldest();
    ++first_token_;
  }
}

void StreamState::TakeTokens(const ReadBuffers& buffers, ReadResult& result) {
  result.first_token = first_unread_;
  if (buffers.tokens == nullptr && buffers.logprobs == nullptr) {
    // Who wants the text alone passes over the tokens whose text is read.
    for (int64_t i = first_unread_ - first_token_;
         i < tokens_.size() && tokens_[i].text_end <= text_read_; ++i) {
      ++first_unread_;
    }
    return;
  }
  const int64_t count = std::min(UnreadTokens(), buffers.tokens_capacity);
  for (int64_t i = 0; i < count; ++i) {
    const OutputToken& token = tokens_[first_unread_ - first_token_];
    if (buffers.tokens != nullptr) buffers.tokens[i] = token.token;
    if (buffers.logprobs != nullptr) buffers.logprobs[i] = token.logprob;
    ++first_unread_;
  }
  result.num_tokens = count;
}

absl::Status StreamState::TakeText(const ReadBuffers& buffers, ReadResult& result) {
  if (buffers.text == nullptr) {
    text_read_ += static_cast<int64_t>(text_.size());
    text_.clear();
    return absl::OkStatus();
  }
  const size_t count = WholeCharacters(text_, buffers.text_capacity, options_.raw_bytes);
  if (count == 0 && !text_.empty() && buffers.text_capacity > 0) {
    return absl::OutOfRangeError(absl::StrCat("text_capacity is ", buffers.text_capacity,
                                              "; the next character is longer; give at least 4"));
  }
  std::memcpy(buffers.text, text_.data(), count);
  text_.erase(0, count);
  text_read_ += static_cast<int64_t>(count);
  result.text_bytes = static_cast<int64_t>(count);
  return absl::OkStatus();
}

absl::StatusOr<ReadResult> StreamState::Read(const ReadBuffers& buffers, bool* made_room) {
  std::unique_lock<std::mutex> lock(mu_);
  if (delivered_) return AlreadyDelivered();
  const bool half_read_before = IsHalfRead();
  ReadResult result;
  absl::Status status = TakeText(buffers, result);
  if (!status.ok()) return status;
  TakeTokens(buffers, result);
  DropReadTokens();
  *made_room = !half_read_before && IsHalfRead();
  if (finished_ && UnreadTokens() == 0 && text_.empty()) {
    delivered_ = true;
    result.finish_reason = info_.finish_reason;
    result.status = info_.status;
    lock.unlock();
    // Others who wait would otherwise wait for an end that only one reader gets.
    changed_.notify_all();
    ready_->Notify();
  }
  return result;
}

absl::Status StreamState::Wait(int64_t timeout_ms) {
  std::unique_lock<std::mutex> lock(mu_);
  if (delivered_) return AlreadyDelivered();
  if (Readable()) return absl::OkStatus();
  if (pumped_) {
    return absl::FailedPreconditionError(
        "nothing is ready and the engine is pumped by the host; call llmrt_engine_step");
  }
  const bool ready = changed_.wait_until(lock, DeadlineAfter(timeout_ms),
                                         [this] { return Readable() || delivered_; });
  if (!ready) {
    return absl::DeadlineExceededError(
        absl::StrCat("nothing was ready after ", timeout_ms, " ms; wait again"));
  }
  return Readable() ? absl::OkStatus() : AlreadyDelivered();
}

StreamInfo StreamState::Info() const {
  std::lock_guard<std::mutex> lock(mu_);
  return info_;
}

absl::StatusOr<int64_t> StreamState::TopLogprobs(int64_t index,
                                                 absl::Span<sampling::TokenLogprob> out) const {
  const int64_t wanted = options_.sampling.top_logprobs;
  if (wanted == 0) {
    return absl::FailedPreconditionError(
        "TOP_LOGPROBS is 0 for this stream; set it before submitting");
  }
  if (static_cast<int64_t>(out.size()) < wanted) {
    return absl::OutOfRangeError(
        absl::StrCat("capacity is ", out.size(), "; TOP_LOGPROBS is ", wanted));
  }
  std::lock_guard<std::mutex> lock(mu_);
  const int64_t end = first_top_ + static_cast<int64_t>(top_.size());
  if (index < first_top_ || index >= end) {
    return absl::OutOfRangeError(absl::StrCat("output token ", index, " is not kept; kept are ",
                                              first_top_, " to ", end - 1));
  }
  const std::vector<sampling::TokenLogprob>& best = top_[static_cast<size_t>(index - first_top_)];
  std::copy(best.begin(), best.end(), out.begin());
  return static_cast<int64_t>(best.size());
}

absl::StatusOr<int64_t> StreamState::PromptLogprobs(int64_t first, absl::Span<float> out) const {
  if (!options_.prompt_logprobs) {
    return absl::FailedPreconditionError(
        "PROMPT_LOGPROBS is 0 for this stream; set it before submitting");
  }
  if (first < prompt_.first_new || first >= prompt_.length) {
    return absl::OutOfRangeError(absl::StrCat("prompt token ", first,
                                              " is not this stream's; its part is ",
                                              prompt_.first_new, " to ", prompt_.length - 1));
  }
  std::lock_guard<std::mutex> lock(mu_);
  const int64_t begin = first - prompt_.first_new;
  const int64_t known = static_cast<int64_t>(prompt_logprobs_.size()) - begin;
  const int64_t count = std::max<int64_t>(0, std::min(known, static_cast<int64_t>(out.size())));
  std::copy_n(prompt_logprobs_.begin() + std::min<int64_t>(begin, begin + known), count,
              out.begin());
  return count;
}

absl::StatusOr<int64_t> StreamState::DraftLengths(int64_t first, absl::Span<int32_t> out) const {
  std::lock_guard<std::mutex> lock(mu_);
  const auto known = static_cast<int64_t>(draft_lengths_.size());
  if (first < 0 || first > info_.steps) {
    return absl::OutOfRangeError(
        absl::StrCat("first is ", first, "; the stream has had ", info_.steps, " steps"));
  }
  if (first >= known) return 0;
  const int64_t count = std::min(known - first, static_cast<int64_t>(out.size()));
  std::copy_n(draft_lengths_.begin() + first, count, out.begin());
  return count;
}

void StreamState::SetTag(uint64_t tag) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    tag_ = tag;
  }
  ready_->Notify();  // a stream without a tag cannot be listed, even if it was ready before
}

void StreamState::Drop() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    delivered_ = true;
    tag_ = 0;
  }
  changed_.notify_all();
  ready_->Notify();
}

uint64_t StreamState::ReadyTag() const {
  std::lock_guard<std::mutex> lock(mu_);
  return Readable() ? tag_ : 0;
}

bool StreamState::Delivered() const {
  std::lock_guard<std::mutex> lock(mu_);
  return delivered_;
}

}  // namespace llmrt::engine
