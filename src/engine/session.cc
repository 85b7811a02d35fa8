#include "engine/session.h"

#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/engine_core.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {

Session::Session(std::shared_ptr<Engine> engine, std::shared_ptr<SessionState> state)
    : engine_(std::move(engine)), state_(std::move(state)) {}

Session::~Session() { engine_->core().DestroySession(*state_); }

absl::Status Session::AppendTokens(absl::Span<const int32_t> tokens) {
  const memory::ScopedHeapAccount account(engine_->core().heap(),
                                          engine_->core().heap_reserve_bytes());
  return engine_->core().AppendTokens(*state_, tokens);
}

absl::Status Session::AppendText(std::string_view text, const text::EncodeOptions& options) {
  absl::StatusOr<bool> empty = engine_->core().IsEmpty(*state_);
  if (!empty.ok()) return empty.status();
  absl::StatusOr<std::shared_ptr<const Model>> model = engine_->GetModel();
  if (!model.ok()) return model.status();
  absl::StatusOr<const text::Tokenizer*> tokenizer = (*model)->tokenizer();
  if (!tokenizer.ok()) return tokenizer.status();
  text::EncodeOptions here = options;
  here.add_special = options.add_special && *empty;
  here.add_eos = false;  // the generation goes on behind the text
  // What tokenizing takes is gone when the call returns, like a copy that a host asks for, and is
  // not the engine's: its budget would have to hold the longest text that anybody may append.
  absl::StatusOr<std::vector<int32_t>> tokens = (*tokenizer)->Encode(text, here);
  if (!tokens.ok()) return tokens.status();
  return engine_->core().AppendTokens(*state_, *tokens);
}

absl::StatusOr<std::shared_ptr<Stream>> Session::Submit(StreamOptions options) {
  const memory::ScopedHeapAccount account(engine_->core().heap(),
                                          engine_->core().heap_reserve_bytes());
  std::shared_ptr<Stream> stream;
  absl::Status status = engine_->core().Submit(
      state_, std::move(options), [&](const std::shared_ptr<StreamState>& state) {
        stream = std::make_shared<Stream>(shared_from_this(), state);
      });
  if (!status.ok()) return status;
  return stream;
}

absl::StatusOr<std::shared_ptr<Session>> Session::Fork(int64_t num_tokens) const {
  const memory::ScopedHeapAccount account(engine_->core().heap(),
                                          engine_->core().heap_reserve_bytes());
  absl::StatusOr<std::shared_ptr<SessionState>> child =
      engine_->core().ForkSession(*state_, num_tokens);
  if (!child.ok()) return child.status();
  return engine_->Adopt(*std::move(child));
}

absl::Status Session::Rewind(int64_t num_tokens) {
  return engine_->core().RewindSession(*state_, num_tokens);
}

memory::Budget* Session::heap() const { return engine_->core().heap().get(); }

absl::StatusOr<SessionInfo> Session::Info() const {
  return engine_->core().GetSessionInfo(*state_);
}

absl::StatusOr<int64_t> Session::GetTokens(int64_t first, absl::Span<int32_t> out) const {
  return engine_->core().GetTokens(*state_, first, out);
}

}  // namespace llmrt::engine
