/* Every function with every kind of handle that is none of its own, and with NULL for every output:
 * a status and one line of text each time, no crash, and not a byte on stdout or stderr. */
#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "check.h"

enum { OPTIONS, SOURCE, MODEL, ENGINE, SESSION, STREAM };

static int32_t i32s[4];
static float f32s[4];
static int64_t i64;
static double f64;
static char text[64];
static void* out;

/* A call of each function that takes a handle, with good arguments beside it, and one with NULL and
 * nonsense in all other places. */
#define CALL(name, arguments) \
  static llmrt_status good_##name(void* handle) { return llmrt_##name arguments; }
#define NULLS(name, arguments) \
  static llmrt_status null_##name(void* handle) { return llmrt_##name arguments; }
#define ALONE(name)                                                              \
  static llmrt_status good_##name(void* handle) { return llmrt_##name(handle); } \
  static llmrt_status null_##name(void* handle) { return llmrt_##name(handle); }

static llmrt_model_info llmrt_model_info_out = {sizeof(llmrt_model_info)};
static llmrt_tensor_info llmrt_tensor_info_out = {sizeof(llmrt_tensor_info)};
static llmrt_plan llmrt_plan_out = {sizeof(llmrt_plan)};
static llmrt_load_info llmrt_load_info_out = {sizeof(llmrt_load_info)};
static llmrt_engine_info llmrt_engine_info_out = {sizeof(llmrt_engine_info)};
static llmrt_step_info llmrt_step_info_out = {sizeof(llmrt_step_info)};
static llmrt_log_info llmrt_log_info_out = {sizeof(llmrt_log_info)};
static llmrt_session_info llmrt_session_info_out = {sizeof(llmrt_session_info)};
static llmrt_read_result llmrt_read_result_out = {sizeof(llmrt_read_result)};
static llmrt_stream_info llmrt_stream_info_out = {sizeof(llmrt_stream_info)};

CALL(options_set_i64, (handle, LLMRT_ENGINE_THREADS, 1));
NULLS(options_set_i64, (handle, -1, INT64_MIN));
CALL(options_set_f64, (handle, LLMRT_STREAM_TOP_P, 0.5));
NULLS(options_set_f64, (handle, -1, -1e300));
CALL(options_set_bytes, (handle, LLMRT_ENGINE_DEVICE, "cpu", 3));
NULLS(options_set_bytes, (handle, LLMRT_ENGINE_DEVICE, NULL, 3));
CALL(options_get_i64, (handle, LLMRT_ENGINE_THREADS, &i64));
NULLS(options_get_i64, (handle, LLMRT_ENGINE_THREADS, NULL));
CALL(options_get_f64, (handle, LLMRT_STREAM_TOP_P, &f64));
NULLS(options_get_f64, (handle, LLMRT_STREAM_TOP_P, NULL));
CALL(options_get_bytes, (handle, LLMRT_ENGINE_DEVICE, text, sizeof text, &i64));
NULLS(options_get_bytes, (handle, LLMRT_ENGINE_DEVICE, NULL, 5, NULL));
CALL(options_set_memory_hook, (handle, NULL, NULL, NULL));
NULLS(options_set_memory_hook, (handle, NULL, NULL, NULL));
CALL(options_set_job_hook, (handle, NULL, NULL));
NULLS(options_set_job_hook, (handle, NULL, NULL));
CALL(options_set_drafter, (handle, NULL, NULL));
NULLS(options_set_drafter, (handle, NULL, NULL));
CALL(source_add_part, (handle, "part", -1, NULL));
NULLS(source_add_part, (handle, NULL, -1, NULL));
CALL(model_open, (handle, (llmrt_model**)&out));
NULLS(model_open, (handle, NULL));
CALL(model_get_info, (handle, &llmrt_model_info_out));
NULLS(model_get_info, (handle, NULL));
CALL(model_metadata_key, (handle, 0, text, sizeof text, &i64));
NULLS(model_metadata_key, (handle, -1, NULL, -1, NULL));
CALL(model_metadata_value, (handle, "key", 3, text, sizeof text, &i64));
NULLS(model_metadata_value, (handle, NULL, -1, NULL, -1, NULL));
CALL(model_tensor_name, (handle, 0, text, sizeof text, &i64));
NULLS(model_tensor_name, (handle, -1, NULL, -1, NULL));
CALL(model_tensor_info, (handle, 0, &llmrt_tensor_info_out));
NULLS(model_tensor_info, (handle, -1, NULL));
CALL(model_tokenize, (handle, "a", 1, 0, i32s, 4, &i64));
NULLS(model_tokenize, (handle, NULL, -1, -1, NULL, -1, NULL));
CALL(model_detokenize, (handle, i32s, 1, text, sizeof text, &i64));
NULLS(model_detokenize, (handle, NULL, 1, NULL, -1, NULL));
CALL(model_plan, (handle, NULL, &llmrt_plan_out));
NULLS(model_plan, (handle, NULL, NULL));
CALL(engine_create, (handle, NULL, (llmrt_engine**)&out));
NULLS(engine_create, (handle, NULL, NULL));
CALL(engine_get_load, (handle, &llmrt_load_info_out));
NULLS(engine_get_load, (handle, NULL));
CALL(engine_wait_load, (handle, 0));
NULLS(engine_wait_load, (handle, -9));
ALONE(engine_cancel_load);
CALL(engine_get_model, (handle, (llmrt_model**)&out));
NULLS(engine_get_model, (handle, NULL));
CALL(engine_get_plan, (handle, &llmrt_plan_out));
NULLS(engine_get_plan, (handle, NULL));
CALL(engine_get_fingerprint, (handle, text, sizeof text, &i64));
NULLS(engine_get_fingerprint, (handle, NULL, -1, NULL));
CALL(engine_get_info, (handle, &llmrt_engine_info_out));
NULLS(engine_get_info, (handle, NULL));
CALL(engine_step, (handle, 0, &llmrt_step_info_out));
NULLS(engine_step, (handle, -9, NULL));
CALL(engine_wait, (handle, (llmrt_stream**)&out, 1, &i64, 0));
NULLS(engine_wait, (handle, NULL, -1, NULL, -9));
CALL(engine_poll_log, (handle, &llmrt_log_info_out, text, sizeof text, &i64));
NULLS(engine_poll_log, (handle, NULL, NULL, -1, NULL));
ALONE(engine_close);
CALL(session_create, (handle, NULL, (llmrt_session**)&out));
NULLS(session_create, (handle, NULL, NULL));
CALL(session_append_tokens, (handle, i32s, 1));
NULLS(session_append_tokens, (handle, NULL, 1));
CALL(session_append_text, (handle, "a", 1, 0));
NULLS(session_append_text, (handle, NULL, -1, -1));
CALL(session_submit, (handle, NULL, (llmrt_stream**)&out));
NULLS(session_submit, (handle, NULL, NULL));
CALL(session_get_info, (handle, &llmrt_session_info_out));
NULLS(session_get_info, (handle, NULL));
CALL(session_get_tokens, (handle, 0, i32s, 4, &i64));
NULLS(session_get_tokens, (handle, -1, NULL, -1, NULL));
CALL(stream_read, (handle, i32s, f32s, 4, text, sizeof text, &llmrt_read_result_out));
NULLS(stream_read, (handle, NULL, NULL, -1, NULL, -1, NULL));
CALL(stream_wait, (handle, 0));
NULLS(stream_wait, (handle, -9));
CALL(stream_get_info, (handle, &llmrt_stream_info_out));
NULLS(stream_get_info, (handle, NULL));
CALL(stream_get_message, (handle, text, sizeof text, &i64));
NULLS(stream_get_message, (handle, NULL, -1, NULL));
CALL(stream_top_logprobs, (handle, 0, i32s, f32s, 4, &i64));
NULLS(stream_top_logprobs, (handle, -1, NULL, NULL, -1, NULL));
CALL(stream_prompt_logprobs, (handle, 0, f32s, 4, &i64));
NULLS(stream_prompt_logprobs, (handle, -1, NULL, -1, NULL));
CALL(stream_draft_lengths, (handle, 0, i32s, 4, &i64));
NULLS(stream_draft_lengths, (handle, -1, NULL, -1, NULL));
ALONE(stream_cancel);

typedef struct function {
  const char* name;
  int type;
  llmrt_status (*good)(void* handle);
  llmrt_status (*null)(void* handle);
} function;
#define ROW(type, name) \
  { #name, type, good_##name, null_##name }

static const function kFunctions[] = {
    ROW(OPTIONS, options_set_i64),
    ROW(OPTIONS, options_set_f64),
    ROW(OPTIONS, options_set_bytes),
    ROW(OPTIONS, options_get_i64),
    ROW(OPTIONS, options_get_f64),
    ROW(OPTIONS, options_get_bytes),
    ROW(OPTIONS, options_set_memory_hook),
    ROW(OPTIONS, options_set_job_hook),
    ROW(OPTIONS, options_set_drafter),
    ROW(SOURCE, source_add_part),
    ROW(SOURCE, model_open),
    ROW(MODEL, model_get_info),
    ROW(MODEL, model_metadata_key),
    ROW(MODEL, model_metadata_value),
    ROW(MODEL, model_tensor_name),
    ROW(MODEL, model_tensor_info),
    ROW(MODEL, model_tokenize),
    ROW(MODEL, model_detokenize),
    ROW(MODEL, model_plan),
    ROW(SOURCE, engine_create),
    ROW(ENGINE, engine_get_load),
    ROW(ENGINE, engine_wait_load),
    ROW(ENGINE, engine_cancel_load),
    ROW(ENGINE, engine_get_model),
    ROW(ENGINE, engine_get_plan),
    ROW(ENGINE, engine_get_fingerprint),
    ROW(ENGINE, engine_get_info),
    ROW(ENGINE, engine_step),
    ROW(ENGINE, engine_wait),
    ROW(ENGINE, engine_poll_log),
    ROW(ENGINE, engine_close),
    ROW(ENGINE, session_create),
    ROW(SESSION, session_append_tokens),
    ROW(SESSION, session_append_text),
    ROW(SESSION, session_submit),
    ROW(SESSION, session_get_info),
    ROW(SESSION, session_get_tokens),
    ROW(STREAM, stream_read),
    ROW(STREAM, stream_wait),
    ROW(STREAM, stream_get_info),
    ROW(STREAM, stream_get_message),
    ROW(STREAM, stream_top_logprobs),
    ROW(STREAM, stream_prompt_logprobs),
    ROW(STREAM, stream_draft_lengths),
    ROW(STREAM, stream_cancel),
};
#define NUM_FUNCTIONS ((int)(sizeof kFunctions / sizeof kFunctions[0]))

/* Handles that are live, by type; NULL where no model is here to make one. */
static void* live[6];
static void* stale[6];

/* What went wrong, told after stderr is back. */
static char complaint[512];
static void complain(const char* name, const char* what, void* handle, llmrt_status status) {
  if (complaint[0] != '\0') return;
  snprintf(complaint, sizeof complaint, "%s with %s (%p): status %d, message \"%s\"", name, what,
           handle, (int)status, last_message());
}

static void expect_invalid_handle(const function* f, void* handle, const char* what) {
  llmrt_status status = f->good(handle);
  if (status != LLMRT_STATUS_INVALID_HANDLE || !is_one_line(last_message())) {
    complain(f->name, what, handle, status);
  }
  status = f->null(handle);
  if (status != LLMRT_STATUS_INVALID_HANDLE || !is_one_line(last_message())) {
    complain(f->name, what, handle, status);
  }
}

static void release_all_kinds(void* handle, int but) {
  if (but != OPTIONS) llmrt_options_release(handle);
  if (but != SOURCE) llmrt_source_release(handle);
  if (but != MODEL) llmrt_model_release(handle);
  if (but != ENGINE) llmrt_engine_release(handle);
  if (but != SESSION) llmrt_session_release(handle);
  if (but != STREAM) llmrt_stream_release(handle);
}

static void misuse_everything(void) {
  static char here[16];
  void* foreign[] = {NULL,
                     (void*)(intptr_t)1,
                     (void*)(intptr_t)-1,
                     here,
                     &complaint,
                     (void*)(intptr_t)0x6100000000000000,
                     (void*)(intptr_t)0x6600000100000010};
  int f, i;
  for (f = 0; f < NUM_FUNCTIONS; ++f) {
    for (i = 0; i < (int)(sizeof foreign / sizeof foreign[0]); ++i) {
      expect_invalid_handle(&kFunctions[f], foreign[i], "a foreign value");
    }
    for (i = 0; i < 6; ++i) {
      if (stale[i] != NULL) expect_invalid_handle(&kFunctions[f], stale[i], "a stale handle");
      if (live[i] == NULL || i == kFunctions[f].type) continue;
      expect_invalid_handle(&kFunctions[f], live[i], "a handle of another type");
    }
  }
  for (i = 0; i < (int)(sizeof foreign / sizeof foreign[0]); ++i) release_all_kinds(foreign[i], -1);
  for (i = 0; i < 6; ++i) {
    release_all_kinds(stale[i], -1);
    release_all_kinds(live[i], i); /* of another type: nothing happens */
  }
}

/* With the right handle, NULL in place of every output. */
static void nulls_everywhere(void) {
  int f;
  for (f = 0; f < NUM_FUNCTIONS; ++f) {
    const function* function = &kFunctions[f];
    llmrt_status status;
    if (live[function->type] == NULL || function->good == function->null ||
        function->null == null_options_set_memory_hook ||
        function->null == null_options_set_job_hook || function->null == null_options_set_drafter ||
        function->null == null_engine_create || function->null == null_engine_close ||
        function->null == null_engine_cancel_load || function->null == null_stream_cancel) {
      continue;
    }
    status = function->null(live[function->type]);
    if (status == LLMRT_STATUS_OK || !is_one_line(last_message())) {
      complain(function->name, "NULL outputs", live[function->type], status);
    }
  }
}

static void make_handles(void) {
  live[OPTIONS] = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(
      llmrt_source_create_memory("GGUF", 4, LLMRT_MEMORY_BORROW, (llmrt_source**)&live[SOURCE]));
  stale[OPTIONS] = options_of(LLMRT_OPTIONS_STREAM);
  llmrt_options_release(stale[OPTIONS]);
  stale[SOURCE] = live[SOURCE];
  CHECK_OK(
      llmrt_source_create_memory("GGUF", 4, LLMRT_MEMORY_BORROW, (llmrt_source**)&live[SOURCE]));
  llmrt_source_release(stale[SOURCE]);
  if (model_path() == NULL) return;
  stale[ENGINE] = loaded_engine(0);
  stale[SESSION] = session_with_text(stale[ENGINE], "Once");
  stale[STREAM] = submit_tokens(stale[SESSION], 3);
  CHECK_OK(llmrt_engine_close(stale[ENGINE]));
  live[ENGINE] = loaded_engine(0);
  CHECK_OK(llmrt_engine_get_model(live[ENGINE], (llmrt_model**)&live[MODEL]));
  CHECK_OK(llmrt_engine_get_model(live[ENGINE], (llmrt_model**)&stale[MODEL]));
  llmrt_model_release(stale[MODEL]);
  live[SESSION] = session_with_text(live[ENGINE], "Once");
  live[STREAM] = submit_tokens(live[SESSION], 3);
}

static void release_handles(void) {
  llmrt_stream_release(live[STREAM]);
  llmrt_session_release(live[SESSION]);
  llmrt_model_release(live[MODEL]);
  llmrt_engine_release(live[ENGINE]);
  llmrt_source_release(live[SOURCE]);
  llmrt_options_release(live[OPTIONS]);
}

static int64_t file_size(FILE* file) {
  fflush(file);
  return fseek(file, 0, SEEK_END) == 0 ? (int64_t)ftell(file) : -1;
}

int main(void) {
  FILE* quiet;
  const int real_stdout = dup(1);
  const int real_stderr = dup(2);
  make_handles();
  quiet = tmpfile();
  CHECK(quiet != NULL && real_stdout >= 0 && real_stderr >= 0);
  if (quiet == NULL) return check_result();
  fflush(stdout);
  fflush(stderr);
  dup2(fileno(quiet), 1);
  dup2(fileno(quiet), 2);
  misuse_everything();
  nulls_everywhere();
  release_handles();
  fflush(stdout);
  fflush(stderr);
  dup2(real_stdout, 1);
  dup2(real_stderr, 2);
  CHECK(file_size(quiet) == 0);
  if (complaint[0] != '\0') fprintf(stderr, "%s\n", complaint);
  CHECK(complaint[0] == '\0');
  if (live[ENGINE] == NULL) return check_failures ? check_result() : skip_without_model();
  return check_result();
}
