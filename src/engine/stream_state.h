// The two ends of one generation. The step loop pushes tokens and one end; the host reads tokens
// and text, waits, and may cancel. Text passes through the stop strings first and is cut into whole
// characters last, so a host sees neither half a character nor a part of a stop string.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/bounded_queue.h"
#include "engine/options.h"
#include "engine/stream.h"
#include "sampling/sampler.h"
#include "text/stop_matcher.h"
#include "text/utf8_stream.h"

namespace llmrt::engine {

// Wakes those who wait for any stream of an engine.
class ReadySignal {
 public:
  void Notify();
  int64_t generation();
  // False when `deadline` passed first.
  bool WaitPast(int64_t generation, std::chrono::steady_clock::time_point deadline);

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  int64_t generation_ = 0;
};

// The session's tokens when the stream was submitted.
struct PromptShape {
  int64_t first_new = 0;  // the first that was appended for this stream
  int64_t length = 0;
  int64_t cached = 0;
  int64_t room = INT64_MAX;  // tokens that the session may still hold
};

class StreamState {
 public:
  // INVALID_ARGUMENT: stop strings that cannot be matched.
  static absl::StatusOr<std::shared_ptr<StreamState>> Create(StreamOptions options,
                                                             const PromptShape& prompt,
                                                             std::shared_ptr<ReadySignal> ready,
                                                             bool pumped);

  // Of a stream that nobody reads before its end, for plans: itself, its queue and the text of as
  // many tokens. Both are there from the start, so no token fails for want of memory. What a stream
  // is asked for beyond that (longer queues, log-probabilities, long stop strings) is not planned.
  static int64_t HeapBytes(int64_t context_length, bool drafts);
  // Of these, what comes while it runs.
  static int64_t RunningHeapBytes();

  // --- The step loop's end. One caller at a time.

  const StreamOptions& options() const { return options_; }
  const PromptShape& prompt() const { return prompt_; }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // Whether there is room for what comes. A stream whose queue is full pauses, and goes on when
  // half of it was read: so a host that reads token by token does not stop and start it for each. A
  // token counts until both its id and its text are read, or the host has shown that it wants only
  // one.
  bool MayRun(bool paused) const;
  // Tokens that it could be given now.
  int64_t QueueRoom() const;
  // Where it stands, how often it was preempted, and how many tokens were computed again for that.
  void SetProgress(Phase phase, int64_t preemptions, int64_t tokens_recomputed);
  int64_t generated() const { return generated_; }
  // Adds a token and its bytes; true when a stop string is now complete. MayRun must have said yes.
  // On an exception nothing of the token is visible. `drafted`: a drafter had it.
  bool Push(sampling::Draw draw, std::string_view bytes, bool drafted = false);
  // A step draws for it, with so many drafts.
  void AddStep(int64_t drafts);
  // That of the prompt's token at `position`; they come in order.
  void SetPromptLogprob(int64_t position, float logprob);
  bool finished() const { return done_.load(std::memory_order_acquire); }
  // The terminal event; the first one counts. Never allocates.
  void Finish(FinishReason reason, absl::Status status);

  // --- The host's end. Any thread.

  // `made_room`: a paused stream may go on now.
  absl::StatusOr<ReadResult> Read(const ReadBuffers& buffers, bool* made_room);
  absl::Status Wait(int64_t timeout_ms);
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  StreamInfo Info() const;
  absl::StatusOr<int64_t> TopLogprobs(int64_t index, absl::Span<sampling::TokenLogprob> out) const;
  absl::StatusOr<int64_t> PromptLogprobs(int64_t first, absl::Span<float> out) const;
  absl::StatusOr<int64_t> DraftLengths(int64_t first, absl::Span<int32_t> out) const;
  void SetTag(uint64_t tag);
  // The host has let go of the stream: nobody will read it, so nobody waits for it either.
  void Drop();

  // For Engine::Wait: the tag if there is something to read (else 0), and whether there ever will
  // be.
  uint64_t ReadyTag() const;
  bool Delivered() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct OutputToken {
    int32_t token;
    float logprob;
    int64_t text_end;  // bytes of the whole text once this token was in it
  };

  StreamState(StreamOptions options, const PromptShape& prompt, std::shared_ptr<ReadySignal> ready,
              bool pumped);
  int64_t MicrosSinceSubmit() const;
  int64_t UnreadTokens() const { return first_token_ + tokens_.size() - first_unread_; }
  bool Readable() const {
    return !delivered_ && (UnreadTokens() > 0 || !text_.empty() || finished_);
  }
  bool IsHalfRead() const { return tokens_.size() <= options_.queue_tokens / 2; }
  void DropReadTokens();
  void DropOldTops();
  void TakeTokens(const ReadBuffers& buffers, ReadResult& result);
  absl::Status TakeText(const ReadBuffers& buffers, ReadResult& result);

  const StreamOptions options_;
  const PromptShape prompt_;
  const std::shared_ptr<ReadySignal> ready_;
  const bool pumped_;
  const Clock::time_point submitted_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> done_{false};  // finished_, for the step loop, which asks in every step
  int64_t generated_ = 0;          // the step loop's own count

  mutable std::mutex mu_;
  std::condition_variable changed_;
  // Guarded by mu_.
  text::StopMatcher stops_;
  text::Utf8Stream characters_;
  BoundedQueue<OutputToken> tokens_;                     // of which the id or the text is unread
  int64_t first_token_ = 0;                              // index in the output of tokens_[0]
  int64_t first_unread_ = 0;                             // index of the first whose id is unread
  std::string text_;                                     // unread, whole characters
  int64_t text_read_ = 0;                                // bytes of the text before text_
  std::deque<std::vector<sampling::TokenLogprob>> top_;  // of the last tokens
  int64_t first_top_ = 0;                                // output index of top_.front()
  std::vector<float> prompt_logprobs_;
  std::vector<uint8_t> draft_lengths_;  // by step
  StreamInfo info_;
  bool pushing_ = false;  // true after a Push that failed: what is held back has some of its bytes
  bool finished_ = false;
  bool delivered_ = false;
  uint64_t tag_ = 0;
};

}  // namespace llmrt::engine
