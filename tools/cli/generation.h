// One stream from submit to its terminal event, read as a host would: wait, read, look for Ctrl-C.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "interrupt.h"
#include "library.h"

namespace llmrt::cli {

struct Generation {
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;  // of tokens; zeros unless the stream was asked for them
  int32_t finish_reason = LLMRT_FINISH_NONE;
  llmrt_stream_info info = {};
  std::vector<int32_t> draft_lengths;  // by step; empty where the stream could not draft
};

// Gets text as it comes, in whole characters.
using TextSink = std::function<Outcome(std::string_view)>;

Outcome Submit(llmrt_session* session, llmrt_options* options, Stream* stream);

// Reads a stream to its terminal event. Ctrl-C cancels the stream; what it made until then is still
// delivered. A stream that fails is a failure with its own message.
Outcome ReadToEnd(llmrt_stream* stream, const InterruptScope& interrupt, const TextSink& sink,
                  Generation* generation);

// Submits what the session holds and reads the stream to its end.
Outcome Generate(llmrt_session* session, llmrt_options* options, const InterruptScope& interrupt,
                 const TextSink& sink, Generation* generation);

// "stop_token", "max_tokens", ...
const char* FinishReasonName(int32_t finish_reason);

}  // namespace llmrt::cli
