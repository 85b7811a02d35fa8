// The C entry points of streams.

#include "abi/arguments.h"
#include "abi/conversions.h"
#include "abi/objects.h"
#include "abi/status.h"
#include "llmrt.h"
#include "sampling/sampling_params.h"

using namespace llmrt::abi;  // NOLINT: this file is the C face of that namespace.

llmrt_status llmrt_stream_read(llmrt_stream* stream, int32_t* tokens, float* logprobs,
                               int64_t tokens_capacity, char* text, int64_t text_capacity,
                               llmrt_read_result* result) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    ABI_RETURN_IF_ERROR(CheckStruct(result, "result"));
    // Each array may be NULL whatever its capacity.
    ABI_RETURN_IF_ERROR(CheckArray("", tokens_capacity, "tokens"));
    ABI_RETURN_IF_ERROR(CheckArray("", text_capacity, "text"));
    ABI_ASSIGN_OR_RETURN(const llmrt::engine::ReadResult read,
                         object->stream->Read({.tokens = tokens,
                                               .logprobs = logprobs,
                                               .tokens_capacity = tokens_capacity,
                                               .text = text,
                                               .text_capacity = text_capacity}));
    WriteStruct(ToReadResult(read), result);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_stream_wait(llmrt_stream* stream, int64_t timeout_ms) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    ABI_RETURN_IF_ERROR(CheckTimeout(timeout_ms, "timeout_ms"));
    return object->stream->Wait(timeout_ms);
  });
}

llmrt_status llmrt_stream_get_info(llmrt_stream* stream, llmrt_stream_info* info) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    WriteStruct(ToStreamInfo(object->stream->Info()), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_stream_get_message(llmrt_stream* stream, char* buffer, int64_t capacity,
                                      int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    const llmrt::engine::StreamInfo info = object->stream->Info();
    char line[kMessageBytesMax];
    return output.Copy({line, WriteOneLine(Words(info.status), line, sizeof line)});
  });
}

llmrt_status llmrt_stream_top_logprobs(llmrt_stream* stream, int64_t index, int32_t* tokens,
                                       float* logprobs, int64_t capacity, int64_t* count) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    ABI_RETURN_IF_ERROR(CheckOutput(count, "count"));
    ABI_RETURN_IF_ERROR(CheckBuffer(tokens, capacity, "tokens"));
    ABI_RETURN_IF_ERROR(CheckBuffer(logprobs, capacity, "logprobs"));
    llmrt::sampling::TokenLogprob best[20];  // TOP_LOGPROBS is at most 20.
    ABI_ASSIGN_OR_RETURN(const int64_t found,
                         object->stream->TopLogprobs(index, absl::MakeSpan(best)));
    *count = found;
    ABI_RETURN_IF_ERROR(CheckCapacity(tokens, capacity, found, "tokens"));
    for (int64_t i = 0; tokens != nullptr && logprobs != nullptr && i < found; ++i) {
      tokens[i] = best[i].token;
      logprobs[i] = best[i].logprob;
    }
    return absl::OkStatus();
  });
}

llmrt_status llmrt_stream_prompt_logprobs(llmrt_stream* stream, int64_t first, float* logprobs,
                                          int64_t capacity, int64_t* count) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    ABI_RETURN_IF_ERROR(CheckOutput(count, "count"));
    ABI_RETURN_IF_ERROR(CheckBuffer(logprobs, capacity, "logprobs"));
    const absl::Span<float> room(logprobs, static_cast<size_t>(capacity));
    ABI_ASSIGN_OR_RETURN(*count, object->stream->PromptLogprobs(first, room));
    return absl::OkStatus();
  });
}

llmrt_status llmrt_stream_draft_lengths(llmrt_stream* stream, int64_t first, int32_t* lengths,
                                        int64_t capacity, int64_t* count) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    ABI_RETURN_IF_ERROR(CheckOutput(count, "count"));
    ABI_RETURN_IF_ERROR(CheckBuffer(lengths, capacity, "lengths"));
    const absl::Span<int32_t> room(lengths, static_cast<size_t>(capacity));
    ABI_ASSIGN_OR_RETURN(*count, object->stream->DraftLengths(first, room));
    return absl::OkStatus();
  });
}

llmrt_status llmrt_stream_cancel(llmrt_stream* stream) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(stream));
    object->stream->Cancel();
    return absl::OkStatus();
  });
}

void llmrt_stream_release(llmrt_stream* stream) {
  EnterRelease([&] {
    // Another thread may be inside a call on this stream and keep the object alive meanwhile; the
    // generation ends now all the same, and so does a wait for it.
    if (const auto object = Handles().Find(ValueOf(stream), HandleType::kStream)) {
      static_cast<StreamObject*>(object.get())->stream->Drop();
    }
    ReleaseHandle(stream);
  });
}
