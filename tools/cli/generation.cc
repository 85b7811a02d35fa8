#include "generation.h"

namespace llmrt::cli {
namespace {

// Waits for something to read, and cancels the stream once Ctrl-C was pressed.
Outcome WaitForText(llmrt_stream* stream, const InterruptScope& interrupt) {
  for (;;) {
    constexpr int64_t kLookForInterruptMs = 50;
    const llmrt_status status = llmrt_stream_wait(stream, kLookForInterruptMs);
    if (status != LLMRT_STATUS_OK && status != LLMRT_STATUS_DEADLINE_EXCEEDED) {
      return Check(status);
    }
    // Again on every round: cancelling what is cancelled does nothing.
    if (interrupt.interrupted()) LLMRT_CLI_TRY(Check(llmrt_stream_cancel(stream)));
    if (status == LLMRT_STATUS_OK) return Done();
  }
}

// One read; `finished` tells whether it delivered the terminal event.
Outcome ReadOnce(llmrt_stream* stream, const TextSink& sink, Generation* generation,
                 bool* finished) {
  constexpr int64_t kTokens = 64;
  int32_t tokens[kTokens];
  float logprobs[kTokens];
  char text[4096];
  auto result = Sized<llmrt_read_result>();
  LLMRT_CLI_TRY(
      Check(llmrt_stream_read(stream, tokens, logprobs, kTokens, text, sizeof text, &result)));
  generation->tokens.insert(generation->tokens.end(), tokens, tokens + result.num_tokens);
  generation->logprobs.insert(generation->logprobs.end(), logprobs, logprobs + result.num_tokens);
  const std::string_view piece(text, static_cast<size_t>(result.text_bytes));
  generation->text += piece;
  generation->finish_reason = result.finish_reason;
  *finished = result.finish_reason != LLMRT_FINISH_NONE;
  return piece.empty() ? Done() : sink(piece);
}

std::string StreamMessage(llmrt_stream* stream) {
  std::string message;
  const Outcome outcome = GetText(
      [stream](char* buffer, int64_t capacity, int64_t* length) {
        return llmrt_stream_get_message(stream, buffer, capacity, length);
      },
      &message);
  return outcome.ok() && !message.empty() ? message : "the stream failed";
}

Outcome GetDraftLengths(llmrt_stream* stream, Generation* generation) {
  std::vector<int32_t>& lengths = generation->draft_lengths;
  lengths.resize(static_cast<size_t>(generation->info.steps));
  int64_t count = 0;
  LLMRT_CLI_TRY(
      Check(llmrt_stream_draft_lengths(stream, 0, lengths.data(), generation->info.steps, &count)));
  lengths.resize(static_cast<size_t>(count));
  return Done();
}

}  // namespace

Outcome Submit(llmrt_session* session, llmrt_options* options, Stream* stream) {
  llmrt_stream* handle = nullptr;
  LLMRT_CLI_TRY(Check(llmrt_session_submit(session, options, &handle)));
  stream->reset(handle);
  return Done();
}

Outcome ReadToEnd(llmrt_stream* stream, const InterruptScope& interrupt, const TextSink& sink,
                  Generation* generation) {
  bool finished = false;
  while (!finished) {
    LLMRT_CLI_TRY(WaitForText(stream, interrupt));
    LLMRT_CLI_TRY(ReadOnce(stream, sink, generation, &finished));
  }
  generation->info = Sized<llmrt_stream_info>();
  LLMRT_CLI_TRY(Check(llmrt_stream_get_info(stream, &generation->info)));
  LLMRT_CLI_TRY(GetDraftLengths(stream, generation));
  return generation->finish_reason == LLMRT_FINISH_ERROR ? Failed(StreamMessage(stream)) : Done();
}

Outcome Generate(llmrt_session* session, llmrt_options* options, const InterruptScope& interrupt,
                 const TextSink& sink, Generation* generation) {
  Stream stream;
  LLMRT_CLI_TRY(Submit(session, options, &stream));
  return ReadToEnd(stream.get(), interrupt, sink, generation);
}

const char* FinishReasonName(int32_t finish_reason) {
  switch (finish_reason) {
    case LLMRT_FINISH_STOP_TOKEN:
      return "stop_token";
    case LLMRT_FINISH_STOP_STRING:
      return "stop_string";
    case LLMRT_FINISH_MAX_TOKENS:
      return "max_tokens";
    case LLMRT_FINISH_CONTEXT_FULL:
      return "context_full";
    case LLMRT_FINISH_CANCELLED:
      return "cancelled";
    case LLMRT_FINISH_ENGINE_CLOSED:
      return "engine_closed";
    case LLMRT_FINISH_ERROR:
      return "error";
    default:
      return "none";
  }
}

}  // namespace llmrt::cli
