/* Every documented error of the session functions. */
#include "check.h"

static void create_checks_its_arguments(llmrt_engine* engine) {
  llmrt_session* session = NULL;
  llmrt_options* options = options_of(LLMRT_OPTIONS_SESSION);
  llmrt_options* others = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_STATUS(llmrt_session_create(engine, NULL, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_create(engine, others, &session), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_create(engine, (llmrt_options*)engine, &session),
               LLMRT_STATUS_INVALID_HANDLE);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_SESSION_CONTEXT_LENGTH, 1 << 30));
  CHECK_STATUS(llmrt_session_create(engine, options, &session), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(session == NULL);
  llmrt_options_release(options);
  llmrt_options_release(others);
}

static llmrt_session* short_session(llmrt_engine* engine, int64_t context_length) {
  llmrt_session* session = NULL;
  llmrt_options* options = options_of(LLMRT_OPTIONS_SESSION);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_SESSION_CONTEXT_LENGTH, context_length));
  CHECK_OK(llmrt_session_create(engine, options, &session));
  llmrt_options_release(options);
  return session;
}

static void tokens_must_be_in_the_vocabulary_and_fit(llmrt_engine* engine) {
  int32_t tokens[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  llmrt_session* session = short_session(engine, 8);
  llmrt_session_info info = {sizeof info};
  int64_t i;
  CHECK_STATUS(llmrt_session_append_tokens(session, tokens, 9), LLMRT_STATUS_OUT_OF_RANGE);
  tokens[1] = -1;
  CHECK_STATUS(llmrt_session_append_tokens(session, tokens, 2), LLMRT_STATUS_OUT_OF_RANGE);
  tokens[1] = INT32_MAX;
  CHECK_STATUS(llmrt_session_append_tokens(session, tokens, 2), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_session_append_tokens(session, tokens, -1), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_append_tokens(session, NULL, 1), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_OK(llmrt_session_append_tokens(session, NULL, 0));
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK(info.num_pending == 0 && info.num_tokens == 0 && info.context_length == 8);
  for (i = 0; i < 8; ++i) CHECK_OK(llmrt_session_append_tokens(session, tokens, 1));
  CHECK_STATUS(llmrt_session_append_tokens(session, tokens, 1), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK(info.num_pending == 8 && info.stream_in_flight == 0);
  llmrt_session_release(session);
}

static void text_must_be_utf8_and_fit(llmrt_engine* engine) {
  llmrt_session* session = short_session(engine, 4);
  CHECK_STATUS(llmrt_session_append_text(session, "\xC3(", 2, 0), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_append_text(session, "a", 1, 8), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_append_text(session, "a", 1, -1), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_append_text(session, "a", -3, 0), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_append_text(session, NULL, -1, 0), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_append_text(
                   session, "Once upon a time there was a little dog with a red ball", -1, 0),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_OK(llmrt_session_append_text(session, NULL, 0, LLMRT_TEXT_PLAIN));
  llmrt_session_release(session);
}

static llmrt_status submit_with_bytes(llmrt_session* session, int32_t key, const void* bytes,
                                      int64_t length) {
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  llmrt_stream* stream = NULL;
  llmrt_status status;
  CHECK_OK(llmrt_options_set_bytes(options, key, bytes, length));
  status = llmrt_session_submit(session, options, &stream);
  CHECK((status == LLMRT_STATUS_OK) == (stream != NULL));
  llmrt_options_release(options);
  return status;
}

static void submit_checks_its_options(llmrt_engine* engine) {
  static const int32_t kTooLarge[2] = {INT32_MAX, 0};
  static const int32_t kNegative[2] = {-1, 0};
  static const int32_t kToken = 1;
  llmrt_session* session = NULL;
  llmrt_stream* stream = NULL;
  llmrt_options* others = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(llmrt_session_create(engine, NULL, &session));
  CHECK_STATUS(llmrt_session_submit(session, NULL, &stream), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_OK(llmrt_session_append_tokens(session, &kToken, 1));
  CHECK_STATUS(llmrt_session_submit(session, NULL, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_submit(session, others, &stream), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_submit(session, (llmrt_options*)session, &stream),
               LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(submit_with_bytes(session, LLMRT_STREAM_LOGIT_BIAS, kTooLarge, 8),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(submit_with_bytes(session, LLMRT_STREAM_LOGIT_BIAS, kNegative, 8),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(submit_with_bytes(session, LLMRT_STREAM_STOP_TOKENS, kTooLarge, 4),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(submit_with_bytes(session, LLMRT_STREAM_STOP_TOKENS, kNegative, 4),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(stream == NULL);
  llmrt_options_release(others);
  llmrt_session_release(session);
}

static void a_full_context_takes_no_submission(llmrt_engine* engine) {
  static const int32_t kTokens[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  llmrt_session* session = short_session(engine, 8);
  llmrt_stream* stream = NULL;
  CHECK_OK(llmrt_session_append_tokens(session, kTokens, 8));
  CHECK_STATUS(llmrt_session_submit(session, NULL, &stream), LLMRT_STATUS_OUT_OF_RANGE);
  llmrt_session_release(session);
}

static void one_stream_is_in_flight_at_a_time(void) {
  llmrt_engine* engine = loaded_engine(1); /* pumped: nothing moves by itself */
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_tokens(session, 4);
  llmrt_stream* second = NULL;
  llmrt_session_info info = {sizeof info};
  int32_t token = 1;
  int64_t count = 0;
  CHECK_STATUS(llmrt_session_submit(session, NULL, &second), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_STATUS(llmrt_session_append_tokens(session, &token, 1), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_STATUS(llmrt_session_append_text(session, "a", 1, 0), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK(info.stream_in_flight == 1 && info.num_pending == 0 && info.num_tokens > 0);
  CHECK_OK(llmrt_session_get_tokens(session, 0, &token, 1, &count));
  CHECK(count == 1);
  CHECK_OK(llmrt_engine_step(engine, -1, NULL));
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_session_append_text(session, "a", 1, LLMRT_TEXT_PLAIN));
  llmrt_stream_release(stream);
  llmrt_session_release(session);
  CHECK_OK(llmrt_engine_close(engine));
}

static void generated_tokens_join_the_session(llmrt_engine* engine) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_session_info before = {sizeof before}, after = {sizeof after};
  llmrt_stream* stream;
  int32_t tokens[256];
  int64_t count = 0;
  CHECK_OK(llmrt_session_get_info(session, &before));
  stream = submit_tokens(session, 6);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_session_get_info(session, &after));
  CHECK(after.num_tokens == before.num_pending + 6 && after.num_pending == 0);
  CHECK_OK(llmrt_session_get_tokens(session, 0, tokens, 256, &count));
  CHECK(count == after.num_tokens);
  CHECK_OK(llmrt_session_get_tokens(session, count - 2, tokens, 256, &count));
  CHECK(count == 2);
  CHECK_OK(llmrt_session_get_tokens(session, after.num_tokens, NULL, 0, &count));
  CHECK(count == 0);
  CHECK_STATUS(llmrt_session_get_tokens(session, after.num_tokens + 1, tokens, 256, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_session_get_tokens(session, -1, tokens, 256, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_session_get_tokens(session, 0, NULL, 1, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_get_tokens(session, 0, tokens, -1, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_get_tokens(session, 0, tokens, 1, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_get_info(session, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

static void forks_and_rewinds_check_their_arguments(llmrt_engine* engine) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_session* stale = session_with_text(engine, "Once");
  llmrt_session* child = NULL;
  llmrt_session_info info = {sizeof info};
  llmrt_session_release(stale);
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK_STATUS(llmrt_session_fork(session, -2, &child), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_fork(session, -1, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_fork(session, info.num_pending + 1, &child),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_session_fork(session, INT64_MAX, &child), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_session_fork(NULL, -1, &child), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_session_fork(stale, -1, &child), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_session_fork((llmrt_session*)engine, -1, &child), LLMRT_STATUS_INVALID_HANDLE);
  CHECK(child == NULL);
  CHECK_STATUS(llmrt_session_rewind(session, -1), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_session_rewind(session, info.num_pending + 1), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_session_rewind(NULL, 0), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_session_rewind(stale, 0), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_session_rewind((llmrt_session*)engine, 0), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_OK(llmrt_session_rewind(session, 0));
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK(info.num_pending == 0 && info.num_tokens == 0);
  CHECK_OK(llmrt_session_fork(session, 0, &child)); /* of nothing: an empty one */
  llmrt_session_release(child);
  llmrt_session_release(session);
}

/* Generates `count` tokens and copies the last of them from the session. */
static void generate(llmrt_session* session, int32_t* tokens, int64_t count) {
  llmrt_stream* stream = submit_tokens(session, count);
  llmrt_session_info info = {sizeof info};
  int64_t copied = 0;
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK_OK(llmrt_session_get_tokens(session, info.num_tokens - count, tokens, count, &copied));
  CHECK(copied == count);
}

static void a_fork_goes_on_as_its_parent_does(llmrt_engine* engine) {
  llmrt_session* parent = session_with_text(engine, "Once upon a time");
  llmrt_session *whole = NULL, *early = NULL;
  llmrt_session_info info = {sizeof info};
  int32_t first[4], of_parent[6], of_child[6];
  int64_t prompt;
  CHECK_OK(llmrt_session_get_info(parent, &info));
  prompt = info.num_pending;
  generate(parent, first, 4);
  CHECK_OK(llmrt_session_fork(parent, -1, &whole));
  CHECK_OK(llmrt_session_fork(parent, prompt, &early));
  CHECK_OK(llmrt_session_get_info(whole, &info));
  CHECK(info.num_tokens == prompt + 4 && info.num_cached == prompt + 3);
  CHECK_OK(llmrt_session_get_info(early, &info));
  CHECK(info.num_tokens == prompt && info.num_cached == prompt && info.num_pending == 0);
  generate(parent, of_parent, 6);
  llmrt_session_release(parent); /* its children do not need it */
  generate(whole, of_child, 6);
  CHECK(memcmp(of_parent, of_child, sizeof of_parent) == 0);
  generate(early, of_child, 4);
  CHECK(memcmp(first, of_child, sizeof first) == 0);
  llmrt_session_release(whole);
  llmrt_session_release(early);
}

static void a_rewound_session_answers_again(llmrt_engine* engine) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_session_info info = {sizeof info};
  int32_t first[8], second[8];
  int64_t prompt;
  CHECK_OK(llmrt_session_get_info(session, &info));
  prompt = info.num_pending;
  generate(session, first, 8);
  CHECK_OK(llmrt_session_rewind(session, prompt));
  generate(session, second, 8);
  CHECK(memcmp(first, second, sizeof first) == 0);
  CHECK_OK(llmrt_session_rewind(session, prompt + 3)); /* into what it generated */
  generate(session, second, 5);
  CHECK(memcmp(first + 3, second, 5 * sizeof first[0]) == 0);
  llmrt_session_release(session);
}

static void a_session_in_flight_is_neither_forked_nor_rewound(void) {
  llmrt_engine* engine = loaded_engine(1);
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_tokens(session, 4);
  llmrt_session* child = NULL;
  CHECK_STATUS(llmrt_session_fork(session, -1, &child), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_STATUS(llmrt_session_rewind(session, 0), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK(child == NULL);
  CHECK_OK(llmrt_engine_step(engine, -1, NULL));
  CHECK_OK(llmrt_session_fork(session, -1, &child));
  CHECK_OK(llmrt_session_rewind(session, 1));
  CHECK_OK(llmrt_engine_close(engine));
  CHECK_STATUS(llmrt_session_fork(child, -1, &session), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_session_rewind(child, 0), LLMRT_STATUS_INVALID_HANDLE);
  llmrt_stream_release(stream);
}

int main(void) {
  llmrt_engine* engine;
  if (model_path() == NULL) return skip_without_model();
  engine = loaded_engine(0);
  create_checks_its_arguments(engine);
  tokens_must_be_in_the_vocabulary_and_fit(engine);
  text_must_be_utf8_and_fit(engine);
  submit_checks_its_options(engine);
  a_full_context_takes_no_submission(engine);
  generated_tokens_join_the_session(engine);
  forks_and_rewinds_check_their_arguments(engine);
  a_fork_goes_on_as_its_parent_does(engine);
  a_rewound_session_answers_again(engine);
  CHECK_OK(llmrt_engine_close(engine));
  one_stream_is_in_flight_at_a_time();
  a_session_in_flight_is_neither_forked_nor_rewound();
  return check_result();
}
