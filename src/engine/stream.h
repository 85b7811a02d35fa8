// What a host does with one generation. The work itself is done by the engine's step loop on the
// StreamState that both share; a Stream is the host's end of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/log_probs.h"

namespace llmrt::engine {

class Session;
class StreamState;

enum class Phase : int32_t { kQueued = 0, kPrefill = 1, kDecode = 2, kPaused = 3, kFinished = 4 };

enum class FinishReason : int32_t {
  kNone = 0,
  kStopToken = 1,
  kStopString = 2,
  kMaxTokens = 3,
  kContextFull = 4,
  kCancelled = 5,
  kEngineClosed = 6,
  kError = 7,
};

// Caller's arrays; each may be null, see llmrt_stream_read.
struct ReadBuffers {
  int32_t* tokens = nullptr;
  float* logprobs = nullptr;
  int64_t tokens_capacity = 0;
  char* text = nullptr;
  int64_t text_capacity = 0;
};

struct ReadResult {
  int64_t num_tokens = 0;
  int64_t text_bytes = 0;
  int64_t first_token = 0;
  FinishReason finish_reason = FinishReason::kNone;  // set by exactly one read
  absl::Status status;                               // of kError
};

struct StreamInfo {
  Phase phase = Phase::kQueued;
  FinishReason finish_reason = FinishReason::kNone;
  absl::Status status;
  uint64_t seed = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;
  int64_t queue_us = -1;
  int64_t ttft_us = -1;
  int64_t total_us = -1;
  int64_t tpot_us = -1;
  int64_t preemptions = 0;
  int64_t tokens_recomputed = 0;
  int64_t drafted = 0;
  int64_t accepted = 0;
  int64_t steps = 0;  // that drew for it
};

// Thread-safe. Destroying a stream that runs cancels it.
class Stream {
 public:
  Stream(std::shared_ptr<Session> session, std::shared_ptr<StreamState> state);
  ~Stream();

  // OUT_OF_RANGE after the terminal event was delivered.
  absl::StatusOr<ReadResult> Read(const ReadBuffers& buffers);
  // -1: without limit. DEADLINE_EXCEEDED, OUT_OF_RANGE (already delivered), FAILED_PRECONDITION
  // (pumped engine with nothing to read).
  absl::Status Wait(int64_t timeout_ms);
  void Cancel();
  StreamInfo Info() const;
  // Best tokens at output index; at most `out.size()`; returns their number.
  absl::StatusOr<int64_t> TopLogprobs(int64_t index, absl::Span<sampling::TokenLogprob> out) const;
  absl::StatusOr<int64_t> PromptLogprobs(int64_t first, absl::Span<float> out) const;
  // Tokens that were drafted in each step that drew for it, from step `first` on. OUT_OF_RANGE:
  // there was no such step.
  absl::StatusOr<int64_t> DraftLengths(int64_t first, absl::Span<int32_t> out) const;
  // A number of the caller's that Engine::Wait lists ready streams by.
  void SetTag(uint64_t tag);
  // Cancels, and ends every wait for this stream: its host has let go of it.
  void Drop();

 private:
  const std::shared_ptr<Session> session_;
  const std::shared_ptr<StreamState> state_;
};

}  // namespace llmrt::engine
