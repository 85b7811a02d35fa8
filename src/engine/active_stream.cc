#include "engine/active_stream.h"

#include <algorithm>
#include <utility>

#include "engine/host_fp_mode.h"

namespace llmrt::engine {

ActiveStream::ActiveStream(std::shared_ptr<StreamState> the_stream,
                           std::shared_ptr<SessionState> the_session)
    : stream(std::move(the_stream)), session(std::move(the_session)) {
  sequence = &session->sequence;
  UpdateTokens();
  if (stream->options().draft_max > 0) {
    drafts = std::make_unique<speculation::StreamDrafts>();
    drafts->lookup = session->lookup.get();
    drafts->host = InHostFpMode(stream->options().drafter);
  }
  // The row of position p tells the probabilities of token p + 1.
  if (stream->options().prompt_logprobs) {
    logits_from = std::max<int64_t>(0, stream->prompt().first_new - 1);
  }
}

bool ActiveStream::WantsToken() const {
  const int64_t limit = stream->options().max_tokens;
  return limit < 0 || stream->generated() < limit;
}

int64_t ActiveStream::DraftsMax() const {
  const StreamOptions& options = stream->options();
  int64_t most = std::min(options.draft_max, stream->QueueRoom() - 1);
  if (options.max_tokens >= 0) most = std::min(most, options.max_tokens - stream->generated() - 1);
  return std::min(most, session->context_length - num_tokens - 1);
}

void ActiveStream::TellProgress(Phase phase) {
  stream->SetProgress(phase, preemptions, tokens_recomputed);
}

}  // namespace llmrt::engine
