/* Every documented error of the options functions, every key's bounds and default, every form. */
#include <math.h>

#include "check.h"

static llmrt_options* engine_options;
static llmrt_options* session_options;
static llmrt_options* stream_options;

static llmrt_options* options_for(int32_t key) {
  return key < 1000 ? engine_options : key < 2000 ? session_options : stream_options;
}

static const int32_t kI64Keys[] = {2,    3,    4,    5,    9,    10,   11,   12,   13,   14,
                                   16,   17,   18,   19,   1001, 1002, 2001, 2003, 2009, 2010,
                                   2011, 2015, 2016, 2017, 2018, 2019, 2020, 2021};
static const int32_t kF64Keys[] = {2002, 2004, 2005, 2006, 2007, 2008};
static const int32_t kBytesKeys[] = {1, 6, 7, 8, 15, 2012, 2013, 2014, 2022};
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static void create_refuses_unknown_kinds(void) {
  llmrt_options* options = NULL;
  CHECK_STATUS(llmrt_options_create(0, &options), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_create(4, &options), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_create(-1, &options), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_create(LLMRT_OPTIONS_ENGINE, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(options == NULL);
}

static void integers_keep_to_their_bounds(void) {
  int i;
  for (i = 0; i < COUNT(kI64Keys); ++i) {
    const int32_t key = kI64Keys[i];
    llmrt_options* options = options_for(key);
    int64_t minimum = 1, maximum = 0, value = 0;
    CHECK_OK(llmrt_options_bounds_i64(key, &minimum, &maximum));
    CHECK(minimum <= maximum);
    CHECK_OK(llmrt_options_set_i64(options, key, minimum));
    CHECK_OK(llmrt_options_set_i64(options, key, maximum));
    if (maximum < INT64_MAX) {
      CHECK_STATUS(llmrt_options_set_i64(options, key, maximum + 1), LLMRT_STATUS_OUT_OF_RANGE);
    }
    if (minimum > INT64_MIN) {
      CHECK_STATUS(llmrt_options_set_i64(options, key, minimum - 1), LLMRT_STATUS_OUT_OF_RANGE);
    }
    CHECK_OK(llmrt_options_get_i64(options, key, &value));
    CHECK(value == maximum);
    CHECK_STATUS(llmrt_options_get_i64(options, key, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
    CHECK_STATUS(llmrt_options_bounds_i64(key, NULL, &maximum), LLMRT_STATUS_INVALID_ARGUMENT);
    CHECK_STATUS(llmrt_options_bounds_i64(key, &minimum, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  }
  CHECK_STATUS(llmrt_options_set_i64(engine_options, LLMRT_ENGINE_BLOCK_SIZE, 17),
               LLMRT_STATUS_OUT_OF_RANGE);
}

static void numbers_keep_to_their_bounds(void) {
  int i;
  for (i = 0; i < COUNT(kF64Keys); ++i) {
    const int32_t key = kF64Keys[i];
    double minimum = 1, maximum = 0, value = 0;
    CHECK_OK(llmrt_options_bounds_f64(key, &minimum, &maximum));
    CHECK(minimum < maximum);
    CHECK_OK(llmrt_options_set_f64(stream_options, key, maximum));
    CHECK_OK(llmrt_options_set_f64(stream_options, key, minimum));
    CHECK_STATUS(llmrt_options_set_f64(stream_options, key, maximum + 1),
                 LLMRT_STATUS_OUT_OF_RANGE);
    CHECK_STATUS(llmrt_options_set_f64(stream_options, key, minimum - 1),
                 LLMRT_STATUS_OUT_OF_RANGE);
    CHECK_STATUS(llmrt_options_set_f64(stream_options, key, NAN), LLMRT_STATUS_OUT_OF_RANGE);
    CHECK_STATUS(llmrt_options_set_f64(stream_options, key, INFINITY), LLMRT_STATUS_OUT_OF_RANGE);
    CHECK_STATUS(llmrt_options_set_f64(stream_options, key, -INFINITY), LLMRT_STATUS_OUT_OF_RANGE);
    CHECK_OK(llmrt_options_get_f64(stream_options, key, &value));
    CHECK(value == minimum);
    CHECK_STATUS(llmrt_options_get_f64(stream_options, key, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
    CHECK_STATUS(llmrt_options_bounds_f64(key, NULL, &maximum), LLMRT_STATUS_INVALID_ARGUMENT);
    CHECK_STATUS(llmrt_options_bounds_f64(key, &minimum, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  }
  CHECK_STATUS(llmrt_options_set_f64(stream_options, LLMRT_STREAM_TEMPERATURE, 1e-9),
               LLMRT_STATUS_OUT_OF_RANGE);
}

/* Every function refuses keys that are unknown, of another kind and of another type. */
static void keys_must_fit(void) {
  static const int32_t kUnknown[] = {0, -1, 15, 999, 1000, 1003, 2000, 2023, 1 << 30, INT32_MIN};
  const int32_t i64_key = LLMRT_STREAM_TOP_K, f64_key = LLMRT_STREAM_TOP_P,
                bytes_key = LLMRT_STREAM_STOP_STRINGS;
  int64_t integer = 0;
  double number = 0;
  int i;
  for (i = 0; i < COUNT(kUnknown) + 2; ++i) {
    const int32_t key = i < COUNT(kUnknown)    ? kUnknown[i]
                        : i == COUNT(kUnknown) ? f64_key
                                               : bytes_key;
    CHECK_STATUS(llmrt_options_set_i64(stream_options, key, 1), LLMRT_STATUS_UNIMPLEMENTED);
    CHECK_STATUS(llmrt_options_get_i64(stream_options, key, &integer), LLMRT_STATUS_UNIMPLEMENTED);
    CHECK_STATUS(llmrt_options_bounds_i64(key, &integer, &integer), LLMRT_STATUS_UNIMPLEMENTED);
  }
  for (i = 0; i < COUNT(kUnknown) + 2; ++i) {
    const int32_t key = i < COUNT(kUnknown)    ? kUnknown[i]
                        : i == COUNT(kUnknown) ? i64_key
                                               : bytes_key;
    CHECK_STATUS(llmrt_options_set_f64(stream_options, key, 1), LLMRT_STATUS_UNIMPLEMENTED);
    CHECK_STATUS(llmrt_options_get_f64(stream_options, key, &number), LLMRT_STATUS_UNIMPLEMENTED);
    CHECK_STATUS(llmrt_options_bounds_f64(key, &number, &number), LLMRT_STATUS_UNIMPLEMENTED);
  }
  for (i = 0; i < COUNT(kUnknown) + 2; ++i) {
    const int32_t key = i < COUNT(kUnknown)    ? kUnknown[i]
                        : i == COUNT(kUnknown) ? i64_key
                                               : f64_key;
    CHECK_STATUS(llmrt_options_set_bytes(stream_options, key, "", 0), LLMRT_STATUS_UNIMPLEMENTED);
    CHECK_STATUS(llmrt_options_get_bytes(stream_options, key, NULL, 0, &integer),
                 LLMRT_STATUS_UNIMPLEMENTED);
  }
  CHECK_STATUS(llmrt_options_set_i64(engine_options, i64_key, 1), LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_get_i64(session_options, i64_key, &integer),
               LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_set_f64(session_options, f64_key, 1), LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_get_f64(engine_options, f64_key, &number), LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, bytes_key, "a", 2),
               LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_get_bytes(engine_options, bytes_key, NULL, 0, &integer),
               LLMRT_STATUS_UNIMPLEMENTED);
  for (i = 0; i < COUNT(kBytesKeys); ++i) {
    CHECK_OK(llmrt_options_get_bytes(options_for(kBytesKeys[i]), kBytesKeys[i], NULL, 0, &integer));
  }
}

static void words_are_checked(void) {
  char text[32];
  int64_t length = 0;
  CHECK_OK(llmrt_options_get_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, text, 32, &length));
  CHECK(strcmp(text, "f16") == 0 && length == 3);
  CHECK_OK(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, "bf16", -1));
  CHECK_OK(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, "bf16?", 4));
  CHECK_OK(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_TIER, NULL, 0));
  CHECK_OK(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "cuda:0", -1));
  CHECK_OK(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "cuda", 4));
  CHECK_OK(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "cpu", 3));
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "cuda:", 5),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "cuda:x", 6),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_OK(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "cuda:12", -1));
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "cuda:12345", -1),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, "q4\n", 3),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_DEVICE, "", 0),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_NUMERICS, "Exact", -1),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_TIER, NULL, 3),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_TIER, NULL, -1),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(engine_options, LLMRT_ENGINE_TIER, "avx2", -2),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_OK(llmrt_options_get_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, text, 4, &length));
  CHECK(memcmp(text, "bf16", 4) == 0);
  CHECK_STATUS(llmrt_options_get_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, text, 3, &length),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(length == 4);
  CHECK_STATUS(llmrt_options_get_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, text, 4, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_get_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, NULL, 4, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_get_bytes(engine_options, LLMRT_ENGINE_KV_TYPE, text, -1, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
}

static llmrt_status set_bias(int32_t token, float bias, int64_t length) {
  char bytes[9] = {0};
  /* At an odd address: hosts pack bytes where they like. */
  memcpy(bytes + 1, &token, 4);
  memcpy(bytes + 5, &bias, 4);
  return llmrt_options_set_bytes(stream_options, LLMRT_STREAM_LOGIT_BIAS, bytes + 1, length);
}

static void packed_values_are_checked(void) {
  static const char kTokens[9] = {0};
  const size_t too_many = (1 << 20) + 8;
  char* big = calloc(too_many, 1);
  CHECK_OK(set_bias(1, 1.5f, 8));
  CHECK_OK(set_bias(1, -INFINITY, 8));
  CHECK_OK(set_bias(1, 1, 0));
  CHECK_STATUS(set_bias(1, 1.5f, 7), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(set_bias(1, NAN, 8), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(set_bias(1, INFINITY, 8), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(set_bias(1, 1e30f, 8), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(set_bias(1, 1.5f, -1), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_OK(llmrt_options_set_bytes(stream_options, LLMRT_STREAM_STOP_TOKENS, kTokens + 1, 8));
  CHECK_STATUS(llmrt_options_set_bytes(stream_options, LLMRT_STREAM_STOP_TOKENS, kTokens, 6),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_OK(llmrt_options_set_bytes(stream_options, LLMRT_STREAM_STOP_TOKENS, big, 1 << 20));
  CHECK_OK(llmrt_options_set_bytes(stream_options, LLMRT_STREAM_FORCED_TOKENS, kTokens + 1, 8));
  CHECK_STATUS(llmrt_options_set_bytes(stream_options, LLMRT_STREAM_FORCED_TOKENS, kTokens, 7),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(
      llmrt_options_set_bytes(stream_options, LLMRT_STREAM_STOP_TOKENS, big, (int64_t)too_many),
      LLMRT_STATUS_OUT_OF_RANGE);
  free(big);
}

static void stop_strings_are_checked(void) {
  const int32_t key = LLMRT_STREAM_STOP_STRINGS;
  char text[8];
  int64_t length = 0;
  CHECK_OK(llmrt_options_set_bytes(stream_options, key, "END\0\n\n", 7));
  CHECK_OK(llmrt_options_get_bytes(stream_options, key, text, 8, &length));
  CHECK(length == 7 && memcmp(text, "END\0\n\n", 7) == 0);
  CHECK_STATUS(llmrt_options_set_bytes(stream_options, key, "END", 3),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(stream_options, key, "a\0\0b", 5),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(stream_options, key, "", 1), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_bytes(stream_options, key, "\xC3", 2),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_OK(llmrt_options_set_bytes(stream_options, key, NULL, 0));
  CHECK_OK(llmrt_options_get_bytes(stream_options, key, text, 8, &length));
  CHECK(length == 0);
}

static void a_seed_that_was_not_set_is_not_found(void) {
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  int64_t seed = 5;
  CHECK_STATUS(llmrt_options_get_i64(options, LLMRT_STREAM_SEED, &seed), LLMRT_STATUS_NOT_FOUND);
  CHECK(seed == 5);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_SEED, -3));
  CHECK_OK(llmrt_options_get_i64(options, LLMRT_STREAM_SEED, &seed));
  CHECK(seed == -3);
  llmrt_options_release(options);
}

static void* allocate(void* user, int64_t bytes, int64_t alignment, int32_t tag) {
  (void)user, (void)bytes, (void)alignment, (void)tag;
  return NULL;
}
static void release(void* user, void* pointer, int64_t bytes, int32_t tag) {
  (void)user, (void)pointer, (void)bytes, (void)tag;
}

static void memory_hooks_come_in_pairs(void) {
  CHECK_OK(llmrt_options_set_memory_hook(engine_options, allocate, release, NULL));
  CHECK_OK(llmrt_options_set_memory_hook(engine_options, NULL, NULL, NULL));
  CHECK_STATUS(llmrt_options_set_memory_hook(engine_options, allocate, NULL, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_memory_hook(engine_options, NULL, release, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_options_set_memory_hook(stream_options, allocate, release, NULL),
               LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_set_memory_hook(session_options, allocate, release, NULL),
               LLMRT_STATUS_UNIMPLEMENTED);
}

static int32_t submit(void* user, llmrt_job job, void* context) {
  (void)user, (void)job, (void)context;
  return 1;
}

static void a_job_hook_belongs_to_engines(void) {
  CHECK_OK(llmrt_options_set_job_hook(engine_options, submit, NULL));
  CHECK_OK(llmrt_options_set_job_hook(engine_options, NULL, NULL));
  CHECK_STATUS(llmrt_options_set_job_hook(stream_options, submit, NULL),
               LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_set_job_hook(session_options, submit, NULL),
               LLMRT_STATUS_UNIMPLEMENTED);
  CHECK_STATUS(llmrt_options_set_job_hook(NULL, submit, NULL), LLMRT_STATUS_INVALID_HANDLE);
}

static int64_t draft(void* user, const int32_t* history, int64_t num_history, int32_t* tokens,
                     int64_t capacity) {
  (void)user, (void)history, (void)num_history, (void)tokens, (void)capacity;
  return 0;
}

static void a_drafter_belongs_to_streams(void) {
  llmrt_options* others[2];
  int i;
  others[0] = engine_options;
  others[1] = session_options;
  CHECK_OK(llmrt_options_set_drafter(stream_options, draft, &i));
  CHECK_OK(llmrt_options_set_drafter(stream_options, NULL, NULL));
  for (i = 0; i < 2; ++i) {
    CHECK_STATUS(llmrt_options_set_drafter(others[i], draft, NULL), LLMRT_STATUS_UNIMPLEMENTED);
    CHECK(strstr(last_message(), "stream options") != NULL);
    CHECK_STATUS(llmrt_options_set_drafter(others[i], NULL, NULL), LLMRT_STATUS_UNIMPLEMENTED);
  }
  CHECK_STATUS(llmrt_options_set_drafter(NULL, draft, NULL), LLMRT_STATUS_INVALID_HANDLE);
}

static void drafts_are_bounded_and_off_unless_asked_for(void) {
  static const int32_t kMost[] = {LLMRT_ENGINE_DRAFT_MAX, LLMRT_STREAM_DRAFT_MAX};
  llmrt_options* engine = options_of(LLMRT_OPTIONS_ENGINE);
  llmrt_options* stream = options_of(LLMRT_OPTIONS_STREAM);
  int64_t minimum = 0, maximum = 0, value = 0;
  int i;
  for (i = 0; i < COUNT(kMost); ++i) {
    CHECK_OK(llmrt_options_bounds_i64(kMost[i], &minimum, &maximum));
    CHECK(minimum == -1 && maximum == 16);
    CHECK_OK(llmrt_options_get_i64(i == 0 ? engine : stream, kMost[i], &value));
    CHECK(value == -1);
  }
  CHECK_OK(llmrt_options_get_i64(engine, LLMRT_ENGINE_DRAFT_LOOKUP, &value));
  CHECK(value == 0);
  CHECK_OK(llmrt_options_get_bytes(stream, LLMRT_STREAM_FORCED_TOKENS, NULL, 0, &value));
  CHECK(value == 0);
  llmrt_options_release(engine);
  llmrt_options_release(stream);
}

static void released_options_are_stale(void) {
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  llmrt_options_release(options);
  CHECK_STATUS(llmrt_options_set_i64(options, LLMRT_STREAM_TOP_K, 1), LLMRT_STATUS_INVALID_HANDLE);
  llmrt_options_release(options);
}

static void paths_and_addresses_are_taken_as_they_are(void) {
  static const char kPath[] = "/opt/f\xc3\xbcr llmrt";
  char text[64];
  int64_t length = 1, address = 1, minimum = 0, maximum = 0;
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(llmrt_options_get_bytes(options, LLMRT_ENGINE_PLUGIN_FOLDER, text, 64, &length));
  CHECK(length == 0);
  CHECK_OK(llmrt_options_set_bytes(options, LLMRT_ENGINE_PLUGIN_FOLDER, kPath, -1));
  CHECK_STATUS(llmrt_options_set_bytes(options, LLMRT_ENGINE_PLUGIN_FOLDER, "a\0b", 3),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(strstr(last_message(), "NUL at byte 1") != NULL);
  CHECK_STATUS(llmrt_options_set_bytes(options, LLMRT_ENGINE_PLUGIN_FOLDER, "a\xff", 2),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(strstr(last_message(), "UTF-8 at byte 1") != NULL);
  CHECK_OK(llmrt_options_get_bytes(options, LLMRT_ENGINE_PLUGIN_FOLDER, text, 64, &length));
  CHECK(strcmp(text, kPath) == 0);
  CHECK_OK(llmrt_options_get_i64(options, LLMRT_ENGINE_CUDA_CONTEXT, &address));
  CHECK(address == 0);
  CHECK_OK(llmrt_options_get_i64(options, LLMRT_ENGINE_CUDA_STREAM, &address));
  CHECK(address == 0);
  /* An address above 2^63 is a negative number. */
  CHECK_OK(llmrt_options_bounds_i64(LLMRT_ENGINE_CUDA_CONTEXT, &minimum, &maximum));
  CHECK(minimum == INT64_MIN && maximum == INT64_MAX);
  llmrt_options_release(options);
}

int main(void) {
  engine_options = options_of(LLMRT_OPTIONS_ENGINE);
  session_options = options_of(LLMRT_OPTIONS_SESSION);
  stream_options = options_of(LLMRT_OPTIONS_STREAM);
  create_refuses_unknown_kinds();
  integers_keep_to_their_bounds();
  numbers_keep_to_their_bounds();
  keys_must_fit();
  words_are_checked();
  paths_and_addresses_are_taken_as_they_are();
  packed_values_are_checked();
  stop_strings_are_checked();
  a_seed_that_was_not_set_is_not_found();
  memory_hooks_come_in_pairs();
  a_job_hook_belongs_to_engines();
  a_drafter_belongs_to_streams();
  drafts_are_bounded_and_off_unless_asked_for();
  released_options_are_stale();
  llmrt_options_release(engine_options);
  llmrt_options_release(session_options);
  llmrt_options_release(stream_options);
  return check_result();
}
