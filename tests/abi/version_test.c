/* Version, last message, and the function table's getter. */
#include "check.h"

static void version_is_text_of_any_capacity(void) {
  char text[128];
  char exact[128];
  int64_t length = 0;
  int64_t again = 0;
  CHECK(llmrt_abi_version() == LLMRT_ABI_VERSION);
  CHECK_OK(llmrt_version(NULL, 0, &length));
  CHECK(length > 0);
  CHECK_OK(llmrt_version(text, sizeof text, &again));
  CHECK(again == length && (int64_t)strlen(text) == length);
  memset(exact, '!', sizeof exact);
  CHECK_OK(llmrt_version(exact, length, &again));
  CHECK(memcmp(exact, text, (size_t)length) == 0 && exact[length] == '!');
  again = 0;
  CHECK_STATUS(llmrt_version(exact, length - 1, &again), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(again == length);
  CHECK_STATUS(llmrt_version(exact, 0, &again), LLMRT_STATUS_OUT_OF_RANGE);
}

static void version_refuses_bad_outputs(void) {
  char text[16];
  int64_t length = 77;
  CHECK_STATUS(llmrt_version(text, sizeof text, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_version(text, -1, &length), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_version(NULL, 16, &length), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(length == 77);
}

/* Fails with a message. */
static void fail(void) { llmrt_version(NULL, 0, NULL); }

static void last_message_reads_itself_without_harm(void) {
  char text[1024];
  int64_t length = 0;
  fail();
  CHECK(llmrt_last_message(NULL, 0, &length) == LLMRT_STATUS_OK);
  CHECK(length > 0 && length <= 1023);
  CHECK(llmrt_last_message(text, length - 1, &length) == LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(llmrt_last_message(text, -1, &length) == LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(llmrt_last_message(NULL, 4, &length) == LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(llmrt_last_message(text, 4, NULL) == LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(llmrt_last_message(text, length, &length) == LLMRT_STATUS_OK);
  CHECK(strncmp(text, "length is NULL", 14) == 0);
  CHECK(llmrt_last_message(text, 0, &length) == LLMRT_STATUS_OUT_OF_RANGE);
}

static void releases_keep_the_message_and_calls_clear_it(void) {
  int64_t length = 0;
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  fail();
  llmrt_options_release(options);
  llmrt_options_release(options);
  llmrt_source_release(NULL);
  llmrt_model_release(NULL);
  llmrt_engine_release(NULL);
  llmrt_session_release(NULL);
  llmrt_stream_release(NULL);
  CHECK(is_one_line(last_message()));
  llmrt_abi_version();
  CHECK(last_message()[0] == '\0');
  fail();
  CHECK_OK(llmrt_version(NULL, 0, &length));
}

static void table_exists_for_this_version_only(void) {
  CHECK(llmrt_get_api(LLMRT_ABI_VERSION) != NULL);
  CHECK(last_message()[0] == '\0');
  CHECK(llmrt_get_api(0) == NULL);
  CHECK(is_one_line(last_message()));
  CHECK(llmrt_get_api(LLMRT_ABI_VERSION + 1) == NULL);
  CHECK(llmrt_get_api(-1) == NULL);
}

int main(void) {
  version_is_text_of_any_capacity();
  version_refuses_bad_outputs();
  last_message_reads_itself_without_harm();
  releases_keep_the_message_and_calls_clear_it();
  table_exists_for_this_version_only();
  return check_result();
}
