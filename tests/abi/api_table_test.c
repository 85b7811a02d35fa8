/* The function table: complete, in an order that never changes, and the same functions. */
#include <ctype.h>
#include <stddef.h>

#include "check.h"

/* The order of ABI 1. New functions are added at the end; nothing else here ever changes. */
/* clang-format off: it wraps this list differently each time. */
#define EACH_FUNCTION(X)     \
  X(abi_version)             \
  X(version)                 \
  X(last_message)            \
  X(options_create)          \
  X(options_set_i64)         \
  X(options_set_f64)         \
  X(options_set_bytes)       \
  X(options_get_i64)         \
  X(options_get_f64)         \
  X(options_get_bytes)       \
  X(options_bounds_i64)      \
  X(options_bounds_f64)      \
  X(options_set_memory_hook) \
  X(options_release)         \
  X(source_create_path)      \
  X(source_create_memory)    \
  X(source_create_callback)  \
  X(source_add_part)         \
  X(source_release)          \
  X(model_open)              \
  X(model_get_info)          \
  X(model_metadata_key)      \
  X(model_metadata_value)    \
  X(model_tensor_name)       \
  X(model_tensor_info)       \
  X(model_tokenize)          \
  X(model_detokenize)        \
  X(model_plan)              \
  X(model_release)           \
  X(engine_create)           \
  X(engine_get_load)         \
  X(engine_wait_load)        \
  X(engine_cancel_load)      \
  X(engine_get_model)        \
  X(engine_get_plan)         \
  X(engine_get_fingerprint)  \
  X(engine_get_info)         \
  X(engine_step)             \
  X(engine_wait)             \
  X(engine_poll_log)         \
  X(engine_close)            \
  X(engine_release)          \
  X(session_create)          \
  X(session_append_tokens)   \
  X(session_append_text)     \
  X(session_submit)          \
  X(session_get_info)        \
  X(session_get_tokens)      \
  X(session_release)         \
  X(stream_read)             \
  X(stream_wait)             \
  X(stream_get_info)         \
  X(stream_get_message)      \
  X(stream_top_logprobs)     \
  X(stream_prompt_logprobs)  \
  X(stream_cancel)           \
  X(stream_release)          \
  X(session_fork)            \
  X(session_rewind)          \
  X(options_set_job_hook)    \
  X(options_set_drafter)     \
  X(stream_draft_lengths)
/* clang-format on */

#define NAME(name) #name,
static const char* const kNames[] = {EACH_FUNCTION(NAME)};
#define NUM_NAMES ((int)(sizeof kNames / sizeof kNames[0]))

static void entries_lie_where_they_always_did(void) {
  const llmrt_api* api = llmrt_get_api(LLMRT_ABI_VERSION);
  size_t offset = 8; /* two int32 in front */
  CHECK(api != NULL);
  if (api == NULL) return;
  CHECK(offsetof(llmrt_api, struct_size) == 0 && offsetof(llmrt_api, table_version) == 4);
  CHECK(api->struct_size == (int32_t)sizeof(llmrt_api));
  CHECK(api->table_version == LLMRT_ABI_VERSION);
#define CHECK_ENTRY(name)                     \
  CHECK(offsetof(llmrt_api, name) == offset); \
  CHECK(api->name == llmrt_##name);           \
  offset += sizeof(void*);
  EACH_FUNCTION(CHECK_ENTRY)
  CHECK(offset == sizeof(llmrt_api));
  CHECK(llmrt_get_api(LLMRT_ABI_VERSION) == api);
}

static int is_in_table(const char* name) {
  int i;
  for (i = 0; i < NUM_NAMES; ++i) {
    if (strcmp(kNames[i], name) == 0) return 1;
  }
  return strcmp(name, "get_api") == 0; /* which one calls to get the table */
}

/* Each line of the header that exports something names a function of the table. */
static void every_exported_function_is_in_the_table(void) {
  FILE* header = fopen(LLMRT_HEADER, "r");
  char line[512];
  int found = 0;
  CHECK(header != NULL);
  if (header == NULL) return;
  while (fgets(line, sizeof line, header) != NULL) {
    char* name = strncmp(line, "LLMRT_API ", 10) == 0 ? strstr(line + 10, "llmrt_") : NULL;
    char* end;
    /* Skips the type llmrt_status to the name in front of the parenthesis. */
    while (name != NULL) {
      for (end = name; isalnum((unsigned char)*end) || *end == '_'; ++end) continue;
      if (*end == '(') break;
      name = strstr(end, "llmrt_");
    }
    if (strncmp(line, "LLMRT_API ", 10) == 0) CHECK(name != NULL);
    if (name == NULL) continue;
    *end = '\0';
    ++found;
    if (!is_in_table(name + 6)) {
      fprintf(stderr, "%s is not in the table\n", name);
      CHECK(!"in the table");
    }
  }
  fclose(header);
  CHECK(found == NUM_NAMES + 1);
}

int main(void) {
  entries_lie_where_they_always_did();
  every_exported_function_is_in_the_table();
  return check_result();
}
