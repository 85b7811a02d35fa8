// Between the engine's own types and those of the C interface.
#pragma once

#include "abi/objects.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/model.h"
#include "engine/options.h"
#include "engine/session.h"
#include "engine/stream.h"
#include "llmrt.h"
#include "text/tokenizer.h"

namespace llmrt::abi {

// The options behind a handle; defaults where it is null. INVALID_HANDLE, or INVALID_ARGUMENT for
// options of another kind.
absl::StatusOr<engine::EngineOptions> EngineOptionsOf(llmrt_options* options);
absl::StatusOr<engine::SessionOptions> SessionOptionsOf(llmrt_options* options);
absl::StatusOr<engine::StreamOptions> StreamOptionsOf(llmrt_options* options);

// From LLMRT_TEXT_ bits; INVALID_ARGUMENT for others.
absl::StatusOr<text::EncodeOptions> ToEncodeOptions(int32_t flags);

// Outputs, complete but for struct_size.
llmrt_model_info ToModelInfo(const engine::Model& model);
llmrt_plan ToPlan(const engine::Plan& plan);
llmrt_load_info ToLoadInfo(const engine::LoadInfo& load);
llmrt_engine_info ToEngineInfo(const engine::EngineInfo& engine);
llmrt_step_info ToStepInfo(const engine::StepInfo& step);
llmrt_log_info ToLogInfo(const engine::LogRecord& record);
llmrt_session_info ToSessionInfo(const engine::SessionInfo& session);
llmrt_read_result ToReadResult(const engine::ReadResult& read);
llmrt_stream_info ToStreamInfo(const engine::StreamInfo& stream);

}  // namespace llmrt::abi
