#include "conversation.h"

#include <algorithm>
#include <utility>

#include "loading.h"
#include "utf8.h"

namespace llmrt::cli {

std::string TurnLabel(const std::string& name) { return name.ends_with(':') ? name : name + ":"; }

Outcome ReadTurns(llmrt_model* model, Turns* turns) {
  turns->user = "User";
  turns->assistant = "Assistant";
  bool found = false;
  LLMRT_CLI_TRY(GetMetadata(model, "llmrt.turn.user", &turns->user, &found));
  LLMRT_CLI_TRY(GetMetadata(model, "llmrt.turn.assistant", &turns->assistant, &found));
  return GetMetadata(model, "llmrt.turn.preamble", &turns->preamble, &found);
}

Conversation::Conversation(const ConversationParts& parts, Turns turns)
    : parts_(parts), turns_(std::move(turns)) {
  StartAnew();
}

void Conversation::StartAnew() {
  transcript_ = turns_.preamble.empty() ? std::string() : turns_.preamble + "\n";
}

std::string Conversation::PromptFor(const std::string& line) const {
  return transcript_ + TurnLabel(turns_.user) + " " + line + "\n" + TurnLabel(turns_.assistant);
}

Outcome Conversation::FitPrompt(const std::string& line, std::vector<int32_t>* tokens,
                                Reply* reply) {
  const size_t invalid = FindInvalidUtf8(line);
  if (invalid != std::string::npos) {
    reply->line_refused = true;
    return Failed("the line is no valid UTF-8 at byte " + std::to_string(invalid) +
                  "; type it again");
  }
  LLMRT_CLI_TRY(TokenizeOpenEnded(parts_.model, PromptFor(line), LLMRT_TEXT_DEFAULT, tokens));
  // An answer needs some room as well: 64 tokens, less in a small context.
  const int64_t room = std::min<int64_t>(64, parts_.context_length / 4);
  const auto fits = [&] {
    return static_cast<int64_t>(tokens->size()) + room <= parts_.context_length;
  };
  if (fits()) return Done();
  const std::string kept = transcript_;
  StartAnew();
  LLMRT_CLI_TRY(TokenizeOpenEnded(parts_.model, PromptFor(line), LLMRT_TEXT_DEFAULT, tokens));
  reply->started_anew = fits();
  if (reply->started_anew) return Done();
  transcript_ = kept;
  reply->line_refused = true;
  return Failed("the line makes a prompt of " + std::to_string(tokens->size()) +
                " tokens; the context holds " + std::to_string(parts_.context_length) +
                " and an answer needs " + std::to_string(room) + "; shorten the line");
}

Outcome Conversation::BringSessionTo(const std::vector<int32_t>& tokens) {
  std::vector<int32_t> held;
  if (session_ != nullptr) {
    auto info = Sized<llmrt_session_info>();
    LLMRT_CLI_TRY(Check(llmrt_session_get_info(session_.get(), &info)));
    held.resize(static_cast<size_t>(info.num_tokens));
    int64_t count = 0;
    LLMRT_CLI_TRY(
        Check(llmrt_session_get_tokens(session_.get(), 0, held.data(), info.num_tokens, &count)));
  }
  // The transcript decides. Where the session holds its beginning, only the rest is new; where it
  // holds something else (an end token, a word cut by Ctrl-C), a fresh session processes all of it.
  const bool goes_on = session_ != nullptr && held.size() < tokens.size() &&
                       std::equal(held.begin(), held.end(), tokens.begin());
  if (!goes_on) {
    session_.reset();  // first, so that its memory serves the new one
    LLMRT_CLI_TRY(CreateSession(parts_.engine, &session_));
    held.clear();
  }
  return Check(llmrt_session_append_tokens(session_.get(), tokens.data() + held.size(),
                                           static_cast<int64_t>(tokens.size() - held.size())));
}

Outcome Conversation::Say(const std::string& line, const InterruptScope& interrupt,
                          const TextSink& sink, Reply* reply) {
  *reply = {};
  std::vector<int32_t> tokens;
  LLMRT_CLI_TRY(FitPrompt(line, &tokens, reply));
  LLMRT_CLI_TRY(BringSessionTo(tokens));
  LLMRT_CLI_TRY(Generate(session_.get(), parts_.stream_options, interrupt, sink, &reply->answer));
  transcript_ = PromptFor(line) + reply->answer.text + "\n";
  return Done();
}

}  // namespace llmrt::cli
