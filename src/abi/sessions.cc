// The C entry points of sessions.

#include "abi/arguments.h"
#include "abi/conversions.h"
#include "abi/objects.h"
#include "abi/status.h"
#include "absl/strings/str_cat.h"
#include "llmrt.h"

using namespace llmrt::abi;  // NOLINT: this file is the C face of that namespace.

llmrt_status llmrt_session_create(llmrt_engine* engine, llmrt_options* options,
                                  llmrt_session** session) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto parent, Find(engine));
    ABI_ASSIGN_OR_RETURN(const auto session_options, SessionOptionsOf(options));
    ABI_RETURN_IF_ERROR(CheckOutput(session, "session"));
    const auto object = std::make_shared<SessionObject>();
    object->engine = parent;
    Reservation<llmrt_session> reservation;
    ABI_RETURN_IF_ERROR(reservation.Take());
    ABI_ASSIGN_OR_RETURN(object->session, parent->engine->CreateSession(session_options));
    llmrt_session* const handle = reservation.Publish(object, parent.get());
    ABI_RETURN_IF_ERROR(CheckStillOpen(*parent, HandleType::kSession, ValueOf(handle)));
    *session = handle;
    return absl::OkStatus();
  });
}

llmrt_status llmrt_session_fork(llmrt_session* session, int64_t num_tokens, llmrt_session** child) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto parent, Find(session));
    ABI_RETURN_IF_ERROR(CheckOutput(child, "child"));
    if (num_tokens < -1) {
      return absl::InvalidArgumentError(
          absl::StrCat("num_tokens is ", num_tokens, "; give 0 or more, or -1 for all"));
    }
    const auto object = std::make_shared<SessionObject>();
    object->engine = parent->engine;
    Reservation<llmrt_session> reservation;
    ABI_RETURN_IF_ERROR(reservation.Take());
    ABI_ASSIGN_OR_RETURN(object->session, parent->session->Fork(num_tokens));
    llmrt_session* const handle = reservation.Publish(object, parent->engine.get());
    ABI_RETURN_IF_ERROR(CheckStillOpen(*parent->engine, HandleType::kSession, ValueOf(handle)));
    *child = handle;
    return absl::OkStatus();
  });
}

llmrt_status llmrt_session_rewind(llmrt_session* session, int64_t num_tokens) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(session));
    if (num_tokens < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("num_tokens is ", num_tokens, "; give 0 or more"));
    }
    return object->session->Rewind(num_tokens);
  });
}

llmrt_status llmrt_session_append_tokens(llmrt_session* session, const int32_t* tokens,
                                         int64_t count) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(session));
    ABI_RETURN_IF_ERROR(CheckArray(tokens, count, "tokens"));
    return object->session->AppendTokens({tokens, static_cast<size_t>(count)});
  });
}

llmrt_status llmrt_session_append_text(llmrt_session* session, const char* text, int64_t length,
                                       int32_t flags) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(session));
    ABI_ASSIGN_OR_RETURN(const std::string_view input, InputText(text, length, "text"));
    ABI_ASSIGN_OR_RETURN(const auto options, ToEncodeOptions(flags));
    return object->session->AppendText(input, options);
  });
}

llmrt_status llmrt_session_submit(llmrt_session* session, llmrt_options* options,
                                  llmrt_stream** stream) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto parent, Find(session));
    absl::StatusOr<llmrt::engine::StreamOptions> stream_options = [&] {
      // The stream keeps them, so they are the engine's memory.
      const llmrt::memory::ScopedHeapAccount account(parent->session->heap());
      return StreamOptionsOf(options);
    }();
    ABI_RETURN_IF_ERROR(stream_options.status());
    ABI_RETURN_IF_ERROR(CheckOutput(stream, "stream"));
    const auto object = std::make_shared<StreamObject>();
    object->engine = parent->engine;
    // What can fail comes first: once it is submitted, the prompt belongs to the session.
    Reservation<llmrt_stream> reservation;
    ABI_RETURN_IF_ERROR(reservation.Take());
    ABI_ASSIGN_OR_RETURN(object->stream, parent->session->Submit(*std::move(stream_options)));
    object->stream->SetTag(reservation.value());
    llmrt_stream* const handle = reservation.Publish(object, parent->engine.get());
    ABI_RETURN_IF_ERROR(CheckStillOpen(*parent->engine, HandleType::kStream, ValueOf(handle)));
    *stream = handle;
    return absl::OkStatus();
  });
}

llmrt_status llmrt_session_get_info(llmrt_session* session, llmrt_session_info* info) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(session));
    ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    ABI_ASSIGN_OR_RETURN(const llmrt::engine::SessionInfo now, object->session->Info());
    WriteStruct(ToSessionInfo(now), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_session_get_tokens(llmrt_session* session, int64_t first, int32_t* tokens,
                                      int64_t capacity, int64_t* count) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(session));
    ABI_RETURN_IF_ERROR(CheckOutput(count, "count"));
    ABI_RETURN_IF_ERROR(CheckBuffer(tokens, capacity, "tokens"));
    const absl::Span<int32_t> room(tokens, static_cast<size_t>(capacity));
    ABI_ASSIGN_OR_RETURN(*count, object->session->GetTokens(first, room));
    return absl::OkStatus();
  });
}

void llmrt_session_release(llmrt_session* session) {
  EnterRelease([&] { ReleaseHandle(session); });
}
