// The function table for hosts that load the library at run time. Its order is that of the header
// and never changes; new functions are added at its end.

#include "abi/status.h"
#include "absl/strings/str_cat.h"
#include "llmrt.h"

namespace {

constexpr llmrt_api kApi = {
    .struct_size = sizeof(llmrt_api),
    .table_version = LLMRT_ABI_VERSION,
    .abi_version = llmrt_abi_version,
    .version = llmrt_version,
    .last_message = llmrt_last_message,
    .options_create = llmrt_options_create,
    .options_set_i64 = llmrt_options_set_i64,
    .options_set_f64 = llmrt_options_set_f64,
    .options_set_bytes = llmrt_options_set_bytes,
    .options_get_i64 = llmrt_options_get_i64,
    .options_get_f64 = llmrt_options_get_f64,
    .options_get_bytes = llmrt_options_get_bytes,
    .options_bounds_i64 = llmrt_options_bounds_i64,
    .options_bounds_f64 = llmrt_options_bounds_f64,
    .options_set_memory_hook = llmrt_options_set_memory_hook,
    .options_release = llmrt_options_release,
    .source_create_path = llmrt_source_create_path,
    .source_create_memory = llmrt_source_create_memory,
    .source_create_callback = llmrt_source_create_callback,
    .source_add_part = llmrt_source_add_part,
    .source_release = llmrt_source_release,
    .model_open = llmrt_model_open,
    .model_get_info = llmrt_model_get_info,
    .model_metadata_key = llmrt_model_metadata_key,
    .model_metadata_value = llmrt_model_metadata_value,
    .model_tensor_name = llmrt_model_tensor_name,
    .model_tensor_info = llmrt_model_tensor_info,
    .model_tokenize = llmrt_model_tokenize,
    .model_detokenize = llmrt_model_detokenize,
    .model_plan = llmrt_model_plan,
    .model_release = llmrt_model_release,
    .engine_create = llmrt_engine_create,
    .engine_get_load = llmrt_engine_get_load,
    .engine_wait_load = llmrt_engine_wait_load,
    .engine_cancel_load = llmrt_engine_cancel_load,
    .engine_get_model = llmrt_engine_get_model,
    .engine_get_plan = llmrt_engine_get_plan,
    .engine_get_fingerprint = llmrt_engine_get_fingerprint,
    .engine_get_info = llmrt_engine_get_info,
    .engine_step = llmrt_engine_step,
    .engine_wait = llmrt_engine_wait,
    .engine_poll_log = llmrt_engine_poll_log,
    .engine_close = llmrt_engine_close,
    .engine_release = llmrt_engine_release,
    .session_create = llmrt_session_create,
    .session_append_tokens = llmrt_session_append_tokens,
    .session_append_text = llmrt_session_append_text,
    .session_submit = llmrt_session_submit,
    .session_get_info = llmrt_session_get_info,
    .session_get_tokens = llmrt_session_get_tokens,
    .session_release = llmrt_session_release,
    .stream_read = llmrt_stream_read,
    .stream_wait = llmrt_stream_wait,
    .stream_get_info = llmrt_stream_get_info,
    .stream_get_message = llmrt_stream_get_message,
    .stream_top_logprobs = llmrt_stream_top_logprobs,
    .stream_prompt_logprobs = llmrt_stream_prompt_logprobs,
    .stream_cancel = llmrt_stream_cancel,
    .stream_release = llmrt_stream_release,
    .session_fork = llmrt_session_fork,
    .session_rewind = llmrt_session_rewind,
    .options_set_job_hook = llmrt_options_set_job_hook,
    .options_set_drafter = llmrt_options_set_drafter,
    .stream_draft_lengths = llmrt_stream_draft_lengths,
};

}  // namespace

const llmrt_api* llmrt_get_api(int32_t version) {
  const llmrt_api* found = version == LLMRT_ABI_VERSION ? &kApi : nullptr;
  llmrt::abi::Enter([&]() -> absl::Status {
    if (found != nullptr) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat("ABI version ", version,
                                                 " is not offered; this library has ",
                                                 LLMRT_ABI_VERSION, "; use that one"));
  });
  return found;
}
