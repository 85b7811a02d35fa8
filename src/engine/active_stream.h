// A stream in flight and the session that it runs on, as it stands in the scheduler's line.
#pragma once

#include <memory>

#include "engine/session_state.h"
#include "engine/stream_state.h"
#include "scheduler/scheduler.h"
#include "speculation/drafter.h"

namespace llmrt::engine {

// Stays at one address while it is in flight: the scheduler points to it.
struct ActiveStream : scheduler::Request {
  ActiveStream(std::shared_ptr<StreamState> the_stream, std::shared_ptr<SessionState> the_session);

  // The session has tokens whose KV is missing: those it had, and the one drawn last.
  void UpdateTokens() { num_tokens = static_cast<int64_t>(session->tokens.size()); }
  bool WantsToken() const;
  // Tokens that may be drafted in one step: as many as there is use and room for, but for the one
  // that the step gives anyway.
  int64_t DraftsMax() const;
  // Lets the host see where the stream stands.
  void TellProgress(Phase phase);

  const std::shared_ptr<StreamState> stream;
  const std::shared_ptr<SessionState> session;
  std::unique_ptr<speculation::StreamDrafts> drafts;  // null where it may not draft
  bool paused = false;                                // out of line until the host has read
  bool in_step = false;                               // has rows in the step in flight
};

}  // namespace llmrt::engine
