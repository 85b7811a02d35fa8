#include "engine/active_stream.h"

#include <algorithm>
#include <utility>

namespace llmrt::engine {

ActiveStream::ActiveStream(std::shared_ptr<StreamState> the_stream,
                           std::shared_ptr<SessionState> the_session)
    : stream(std::move(the_stream)), session(std::move(the_session)) {
  sequence = &session->sequence;
  UpdateTokens();
  // The row of position p tells the probabilities of token p + 1.
  if (stream->options().prompt_logprobs) {
    logits_from = std::max<int64_t>(0, stream->prompt().first_new - 1);
  }
}

bool ActiveStream::WantsToken() const {
  const int64_t limit = stream->options().max_tokens;
  return limit < 0 || stream->generated() < limit;
}

void ActiveStream::TellProgress(Phase phase) {
  stream->SetProgress(phase, preemptions, tokens_recomputed);
}

}  // namespace llmrt::engine
