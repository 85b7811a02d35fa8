/* Assertions of the C tests, and what several of them need: a model, a call's message. */
#ifndef LLMRT_TESTS_ABI_CHECK_H_
#define LLMRT_TESTS_ABI_CHECK_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llmrt.h"

static int check_failures = 0;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      ++check_failures;                                                       \
    }                                                                         \
  } while (0)

/* The status of a call, and that its message is what every message must be: empty after success,
 * otherwise one line of text. */
#define CHECK_STATUS(call, wanted) check_status(__FILE__, __LINE__, #call, (call), (wanted))
#define CHECK_OK(call) CHECK_STATUS(call, LLMRT_STATUS_OK)

/* The message of this thread's last call, in a static buffer. */
static inline const char* last_message(void) {
  static char message[2048];
  int64_t length = 0;
  if (llmrt_last_message(message, sizeof message, &length) != LLMRT_STATUS_OK) return "";
  return message;
}

static inline int is_one_line(const char* message) {
  if (message[0] == '\0') return 0;
  for (; *message != '\0'; ++message) {
    if ((unsigned char)*message < 0x20) return 0;
  }
  return 1;
}

static inline int check_status(const char* file, int line, const char* call, llmrt_status status,
                               llmrt_status wanted) {
  const char* message = last_message();
  const int good_message = wanted == LLMRT_STATUS_OK ? message[0] == '\0' : is_one_line(message);
  if (status == wanted && good_message) return 1;
  fprintf(stderr, "%s:%d: %s gave %d, not %d; message: \"%s\"\n", file, line, call, (int)status,
          (int)wanted, message);
  ++check_failures;
  return 0;
}

static inline int file_exists(const char* path) {
  FILE* file = fopen(path, "rb");
  if (file != NULL) fclose(file);
  return file != NULL;
}

/* A small model, or NULL where there is none on this machine. */
static inline const char* model_path(void) {
  static const char* const kPaths[] = {LLMRT_TEST_DATA_DIR "/tiny-300.gguf",
                                       LLMRT_SHARED_DIR "/models/stories260K-f32.gguf"};
  size_t i;
  for (i = 0; i < sizeof kPaths / sizeof kPaths[0]; ++i) {
    if (file_exists(kPaths[i])) return kPaths[i];
  }
  return NULL;
}

/* For main: what ctest takes for a test that could not run. It is a failure where CI=true. */
static inline int skip_without_model(void) {
  const char* ci = getenv("CI");
  fprintf(stderr, "not run: no model in tests/data or the shared folder\n");
  return ci != NULL && strcmp(ci, "true") == 0 ? 1 : 77;
}

static inline int check_result(void) {
  if (check_failures != 0) fprintf(stderr, "%d checks failed\n", check_failures);
  return check_failures == 0 ? 0 : 1;
}

static inline llmrt_source* model_source(void) {
  llmrt_source* source = NULL;
  CHECK_OK(llmrt_source_create_path(model_path(), -1, 0, -1, &source));
  return source;
}

static inline llmrt_options* options_of(int32_t kind) {
  llmrt_options* options = NULL;
  CHECK_OK(llmrt_options_create(kind, &options));
  return options;
}

/* A loaded engine on one thread; pumped or with a thread of its own. */
static inline llmrt_engine* loaded_engine(int pumped) {
  llmrt_engine* engine = NULL;
  llmrt_source* source = model_source();
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_PUMPED, pumped));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_THREADS, 1));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_SESSIONS, 4));
  CHECK_OK(llmrt_engine_create(source, options, &engine));
  CHECK_OK(llmrt_engine_wait_load(engine, -1));
  llmrt_options_release(options);
  llmrt_source_release(source);
  return engine;
}

static inline llmrt_session* session_with_text(llmrt_engine* engine, const char* text) {
  llmrt_session* session = NULL;
  CHECK_OK(llmrt_session_create(engine, NULL, &session));
  CHECK_OK(llmrt_session_append_text(session, text, -1, LLMRT_TEXT_DEFAULT));
  return session;
}

/* A stream of at most max_tokens tokens that end tokens do not end. */
static inline llmrt_stream* submit_tokens(llmrt_session* session, int64_t max_tokens) {
  llmrt_stream* stream = NULL;
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, max_tokens));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_IGNORE_EOS, 1));
  CHECK_OK(llmrt_session_submit(session, options, &stream));
  llmrt_options_release(options);
  return stream;
}

/* Reads a stream of an engine with a thread of its own to its end; returns the finish reason. */
static inline int32_t read_to_end(llmrt_stream* stream) {
  llmrt_read_result result = {sizeof result};
  char text[256];
  while (result.finish_reason == LLMRT_FINISH_NONE) {
    if (!CHECK_OK(llmrt_stream_wait(stream, -1))) break;
    if (!CHECK_OK(llmrt_stream_read(stream, NULL, NULL, 0, text, sizeof text, &result))) break;
  }
  return result.finish_reason;
}

#endif
