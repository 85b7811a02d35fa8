#include "engine/stream.h"

#include <utility>

#include "engine/engine.h"
#include "engine/engine_core.h"
#include "engine/session.h"
#include "engine/stream_state.h"

namespace llmrt::engine {

Stream::Stream(std::shared_ptr<Session> session, std::shared_ptr<StreamState> state)
    : session_(std::move(session)), state_(std::move(state)) {}

Stream::~Stream() { Drop(); }

void Stream::Drop() {
  state_->Drop();
  Cancel();
}

absl::StatusOr<ReadResult> Stream::Read(const ReadBuffers& buffers) {
  bool made_room = false;
  absl::StatusOr<ReadResult> result = state_->Read(buffers, &made_room);
  if (made_room) session_->engine().core().Wake();  // the stream may have paused
  return result;
}

absl::Status Stream::Wait(int64_t timeout_ms) { return state_->Wait(timeout_ms); }

void Stream::Cancel() {
  if (state_->finished()) return;
  state_->Cancel();
  session_->engine().core().WakeToCancel();
}

StreamInfo Stream::Info() const { return state_->Info(); }

absl::StatusOr<int64_t> Stream::TopLogprobs(int64_t index,
                                            absl::Span<sampling::TokenLogprob> out) const {
  return state_->TopLogprobs(index, out);
}

absl::StatusOr<int64_t> Stream::PromptLogprobs(int64_t first, absl::Span<float> out) const {
  return state_->PromptLogprobs(first, out);
}

absl::StatusOr<int64_t> Stream::DraftLengths(int64_t first, absl::Span<int32_t> out) const {
  return state_->DraftLengths(first, out);
}

void Stream::SetTag(uint64_t tag) { state_->SetTag(tag); }

}  // namespace llmrt::engine
