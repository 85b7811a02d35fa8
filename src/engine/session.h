// What a host does with one conversation: append spans, submit a generation, look at the tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/options.h"
#include "engine/stream.h"
#include "memory/budget.h"
#include "text/tokenizer.h"

namespace llmrt::engine {

class Engine;
struct SessionState;

struct SessionInfo {
  bool stream_in_flight = false;
  int64_t num_tokens = 0;
  int64_t num_pending = 0;
  int64_t num_cached = 0;
  int64_t context_length = 0;
};

// Thread-safe. Destroying a session gives its KV blocks back.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Engine> engine, std::shared_ptr<SessionState> state);
  ~Session();

  absl::Status AppendTokens(absl::Span<const int32_t> tokens);
  // BOS only where the session is empty.
  absl::Status AppendText(std::string_view text, const text::EncodeOptions& options);
  absl::StatusOr<std::shared_ptr<Stream>> Submit(StreamOptions options);
  // A new session with the first `num_tokens` tokens of this one, -1: all.
  absl::StatusOr<std::shared_ptr<Session>> Fork(int64_t num_tokens) const;
  // Forgets all tokens from `num_tokens` on.
  absl::Status Rewind(int64_t num_tokens);
  absl::StatusOr<SessionInfo> Info() const;
  // Copies committed tokens from `first`; returns how many.
  absl::StatusOr<int64_t> GetTokens(int64_t first, absl::Span<int32_t> out) const;

  Engine& engine() const { return *engine_; }
  // Whom the small objects of this session are charged to.
  memory::Budget* heap() const;
  const SessionState& state() const { return *state_; }

 private:
  const std::shared_ptr<Engine> engine_;
  const std::shared_ptr<SessionState> state_;
};

}  // namespace llmrt::engine
