// A conversation in plain turns on one session: the transcript as text, and how much of it the
// session already holds.
//
//   <preamble>
//   Player: Where is the mill?
//   Mira: Behind the church.
#pragma once

#include <string>
#include <vector>

#include "generation.h"
#include "library.h"

namespace llmrt::cli {

struct Turns {
  std::string user;       // "Player:"
  std::string assistant;  // "Mira:"
  std::string preamble;   // empty: none
};

// The turns that the model's own metadata names (llmrt.turn.user, .assistant, .preamble), or
// "User:" and "Assistant:".
Outcome ReadTurns(llmrt_model* model, Turns* turns);

// "Player" and "Player:" both mean the label "Player:".
std::string TurnLabel(const std::string& name);

// What a conversation runs on; all of it outlives the conversation.
struct ConversationParts {
  llmrt_engine* engine = nullptr;
  llmrt_model* model = nullptr;
  llmrt_options* stream_options = nullptr;
  int64_t context_length = 0;
};

// What became of one line.
struct Reply {
  Generation answer;
  bool started_anew = false;  // the transcript no longer fitted the context and was dropped before
  bool line_refused = false;  // the outcome says why; the conversation is as it was
};

class Conversation {
 public:
  Conversation(const ConversationParts& parts, Turns turns);

  // Says `line` as the user and reads the answer, which ends before the line's end. A line that is
  // no UTF-8 or does not fit the context is refused: a failure after which another line may follow.
  // After any other failure the conversation is over.
  Outcome Say(const std::string& line, const InterruptScope& interrupt, const TextSink& sink,
              Reply* reply);
  // Forgets everything but the preamble.
  void StartAnew();

 private:
  std::string PromptFor(const std::string& line) const;
  // The prompt's tokens; starts anew where they leave too little room for an answer.
  Outcome FitPrompt(const std::string& line, std::vector<int32_t>* tokens, Reply* reply);
  Outcome BringSessionTo(const std::vector<int32_t>& tokens);

  const ConversationParts parts_;
  const Turns turns_;
  std::string transcript_;  // ends with a line's end, or is empty
  Session session_;
};

}  // namespace llmrt::cli
