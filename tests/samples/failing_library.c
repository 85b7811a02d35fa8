/* What samples/first_token.c calls, for a host whose stream ends with an error after some text. */
#include <llmrt.h>
#include <string.h>

/* Any pointer but NULL; nothing looks behind it. */
static int object;
static int stream_released;

static llmrt_status put_text(const char* text, char* buffer, int64_t capacity, int64_t* length) {
  *length = (int64_t)strlen(text);
  if (capacity <= *length) return LLMRT_STATUS_OUT_OF_RANGE;
  memcpy(buffer, text, (size_t)*length + 1);
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_last_message(char* buffer, int64_t capacity, int64_t* length) {
  return put_text("not reached", buffer, capacity, length);
}

llmrt_status llmrt_source_create_path(const char* path, int64_t path_length, int64_t offset,
                                      int64_t length, llmrt_source** source) {
  (void)path, (void)path_length, (void)offset, (void)length;
  *source = (llmrt_source*)&object;
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_engine_create(llmrt_source* source, llmrt_options* options,
                                 llmrt_engine** engine) {
  (void)source, (void)options;
  *engine = (llmrt_engine*)&object;
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_engine_wait_load(llmrt_engine* engine, int64_t timeout_ms) {
  (void)engine, (void)timeout_ms;
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_session_create(llmrt_engine* engine, llmrt_options* options,
                                  llmrt_session** session) {
  (void)engine, (void)options;
  *session = (llmrt_session*)&object;
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_session_append_text(llmrt_session* session, const char* text, int64_t length,
                                       int32_t flags) {
  (void)session, (void)text, (void)length, (void)flags;
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_session_submit(llmrt_session* session, llmrt_options* options,
                                  llmrt_stream** stream) {
  (void)session, (void)options;
  *stream = (llmrt_stream*)&object;
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_stream_wait(llmrt_stream* stream, int64_t timeout_ms) {
  (void)stream, (void)timeout_ms;
  return LLMRT_STATUS_OK;
}

llmrt_status llmrt_stream_read(llmrt_stream* stream, int32_t* tokens, float* logprobs,
                               int64_t tokens_capacity, char* text, int64_t text_capacity,
                               llmrt_read_result* result) {
  static int reads;
  (void)stream, (void)tokens, (void)logprobs, (void)tokens_capacity;
  result->text_bytes = 0;
  result->finish_reason = LLMRT_FINISH_ERROR;
  if (reads++ > 0) return LLMRT_STATUS_OK;
  result->finish_reason = LLMRT_FINISH_NONE;
  return put_text("Once", text, text_capacity, &result->text_bytes);
}

llmrt_status llmrt_stream_get_message(llmrt_stream* stream, char* buffer, int64_t capacity,
                                      int64_t* length) {
  /* A stream that was given back has no message any more. */
  (void)stream;
  if (stream_released) return LLMRT_STATUS_INVALID_HANDLE;
  return put_text("the device was lost; load the model again", buffer, capacity, length);
}

void llmrt_stream_release(llmrt_stream* stream) {
  (void)stream;
  stream_released = 1;
}

void llmrt_session_release(llmrt_session* session) { (void)session; }
void llmrt_engine_release(llmrt_engine* engine) { (void)engine; }
void llmrt_source_release(llmrt_source* source) { (void)source; }
