/* The shortest whole program: loads a model, continues a text and prints it as it comes.
 *
 *     first_token MODEL.gguf [PROMPT]
 */
#include <llmrt.h>
#include <stdio.h>

static int failed(const char* what) {
  char message[1024] = "";
  int64_t length;
  llmrt_last_message(message, sizeof message, &length);
  fprintf(stderr, "%s: %s\n", what, message);
  return 1;
}

static void print_failure(llmrt_stream* stream) {
  char message[1024] = "";
  int64_t length;
  llmrt_stream_get_message(stream, message, sizeof message, &length);
  fprintf(stderr, "stream: %s\n", message);
}

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "model.gguf";
  const char* prompt = argc > 2 ? argv[2] : "Once upon a time";
  /* README: begin */
  llmrt_source* source = NULL;
  llmrt_engine* engine = NULL;
  llmrt_session* session = NULL;
  llmrt_stream* stream = NULL;
  llmrt_read_result result = {sizeof result};
  char text[256];

  if (llmrt_source_create_path(path, -1, 0, -1, &source)) return failed("source");
  if (llmrt_engine_create(source, NULL, &engine)) return failed("engine");
  if (llmrt_engine_wait_load(engine, -1)) return failed("load");
  if (llmrt_session_create(engine, NULL, &session)) return failed("session");
  if (llmrt_session_append_text(session, prompt, -1, LLMRT_TEXT_DEFAULT)) return failed("prompt");
  if (llmrt_session_submit(session, NULL, &stream)) return failed("submit");
  do {
    if (llmrt_stream_wait(stream, -1)) return failed("wait");
    if (llmrt_stream_read(stream, NULL, NULL, 0, text, sizeof text, &result)) return failed("read");
    fwrite(text, 1, (size_t)result.text_bytes, stdout);
  } while (result.finish_reason == LLMRT_FINISH_NONE);
  if (result.finish_reason == LLMRT_FINISH_ERROR) print_failure(stream);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
  llmrt_engine_release(engine);
  llmrt_source_release(source);
  /* README: end */
  return result.finish_reason == LLMRT_FINISH_ERROR;
}
