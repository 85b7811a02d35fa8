/* Every documented error of the source functions. What sources do when they are read is in
 * models_test.c and source_object_test.cc. */
#include "check.h"

static int32_t read_nothing(void* user, int64_t offset, void* buffer, int64_t length) {
  (void)user, (void)offset, (void)buffer, (void)length;
  return 1;
}

static void paths_are_checked_without_opening(void) {
  llmrt_source* source = NULL;
  CHECK_OK(llmrt_source_create_path("/no/such/file", -1, 0, -1, &source));
  llmrt_source_release(source);
  CHECK_OK(llmrt_source_create_path("/no/such/file and more", 13, 10, 0, &source));
  llmrt_source_release(source);
  source = NULL;
  CHECK_STATUS(llmrt_source_create_path("a", -1, 0, -1, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_path(NULL, -1, 0, -1, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_path(NULL, 0, 0, -1, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_path("", -1, 0, -1, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_path("a\0b", 3, 0, -1, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_path("a", -2, 0, -1, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_path("a", -1, -1, -1, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_path("a", -1, 0, -2, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(source == NULL);
}

static void memory_is_checked(void) {
  llmrt_source* source = NULL;
  CHECK_OK(llmrt_source_create_memory("abc", 3, LLMRT_MEMORY_BORROW, &source));
  llmrt_source_release(source);
  CHECK_OK(llmrt_source_create_memory(NULL, 0, LLMRT_MEMORY_COPY, &source));
  llmrt_source_release(source);
  source = NULL;
  CHECK_STATUS(llmrt_source_create_memory("abc", 3, 2, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_memory("abc", 3, -1, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_memory("abc", -1, 0, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_memory(NULL, 3, 0, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_memory("abc", 3, 0, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(source == NULL);
}

static void readers_are_checked(void) {
  llmrt_source* source = NULL;
  CHECK_OK(llmrt_source_create_callback(read_nothing, NULL, 0, &source));
  llmrt_source_release(source);
  source = NULL;
  CHECK_STATUS(llmrt_source_create_callback(NULL, NULL, 9, &source), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_callback(read_nothing, NULL, -1, &source),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_create_callback(read_nothing, NULL, 9, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(source == NULL);
}

static void parts_have_one_name_each(void) {
  llmrt_source* whole = NULL;
  llmrt_source* part = NULL;
  CHECK_OK(llmrt_source_create_memory("abc", 3, LLMRT_MEMORY_BORROW, &whole));
  CHECK_OK(llmrt_source_create_memory("def", 3, LLMRT_MEMORY_BORROW, &part));
  CHECK_OK(llmrt_source_add_part(whole, "b.gguf", -1, part));
  CHECK_OK(llmrt_source_add_part(whole, "c.gguf", 6, part));
  CHECK_OK(llmrt_source_add_part(whole, "self", -1, whole));
  CHECK_STATUS(llmrt_source_add_part(whole, "b.gguf", -1, part), LLMRT_STATUS_ALREADY_EXISTS);
  CHECK_STATUS(llmrt_source_add_part(whole, "", -1, part), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_add_part(whole, NULL, -1, part), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_add_part(whole, "a\0b", 3, part), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_add_part(whole, "d", -2, part), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_source_add_part(whole, "d", -1, NULL), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_source_add_part(NULL, "d", -1, part), LLMRT_STATUS_INVALID_HANDLE);
  llmrt_source_release(part);
  CHECK_STATUS(llmrt_source_add_part(whole, "d", -1, part), LLMRT_STATUS_INVALID_HANDLE);
  llmrt_source_release(whole);
}

int main(void) {
  paths_are_checked_without_opening();
  memory_is_checked();
  readers_are_checked();
  parts_have_one_name_each();
  return check_result();
}
