/* Every documented error of the engine functions, and what close and release do. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "check.h"
#include "gguf_bytes.h"

/* A reader that waits at a gate, so that a load stays in progress until it is opened. */
typedef struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int is_open;
} gate;

static int32_t read_behind_gate(void* user, int64_t offset, void* buffer, int64_t length) {
  gate* here = user;
  (void)offset;
  pthread_mutex_lock(&here->mutex);
  while (!here->is_open) pthread_cond_wait(&here->changed, &here->mutex);
  pthread_mutex_unlock(&here->mutex);
  memset(buffer, 0, (size_t)length);
  return 0;
}

static void open_gate(gate* here) {
  pthread_mutex_lock(&here->mutex);
  here->is_open = 1;
  pthread_cond_broadcast(&here->changed);
  pthread_mutex_unlock(&here->mutex);
}

/* What every function that needs a loaded engine says of one that is not. */
static void everything_gives(llmrt_engine* engine, llmrt_status wanted) {
  llmrt_model* model = NULL;
  llmrt_session* session = NULL;
  llmrt_stream* ready[4];
  llmrt_plan plan = {sizeof plan};
  llmrt_engine_info info = {sizeof info};
  int64_t count = 0;
  CHECK_STATUS(llmrt_engine_get_model(engine, &model), wanted);
  CHECK_STATUS(llmrt_engine_get_plan(engine, &plan), wanted);
  CHECK_STATUS(llmrt_engine_get_fingerprint(engine, NULL, 0, &count), wanted);
  CHECK_STATUS(llmrt_engine_get_info(engine, &info), wanted);
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 4, &count, 0), wanted);
  CHECK_STATUS(llmrt_session_create(engine, NULL, &session), wanted);
  CHECK(model == NULL && session == NULL);
}

static void a_loading_engine_can_be_polled_and_cancelled(void) {
  gate here = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  llmrt_source* source = NULL;
  llmrt_engine* engine = NULL;
  llmrt_load_info load = {sizeof load};
  CHECK_OK(llmrt_source_create_callback(read_behind_gate, &here, 4096, &source));
  CHECK_OK(llmrt_engine_create(source, NULL, &engine));
  llmrt_source_release(source);
  CHECK_OK(llmrt_engine_get_load(engine, &load));
  CHECK(load.phase == LLMRT_LOAD_HEADER && load.status == LLMRT_STATUS_OK);
  CHECK_STATUS(llmrt_engine_wait_load(engine, 0), LLMRT_STATUS_DEADLINE_EXCEEDED);
  CHECK_STATUS(llmrt_engine_wait_load(engine, 20), LLMRT_STATUS_DEADLINE_EXCEEDED);
  CHECK_STATUS(llmrt_engine_wait_load(engine, -2), LLMRT_STATUS_INVALID_ARGUMENT);
  everything_gives(engine, LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_OK(llmrt_engine_cancel_load(engine));
  open_gate(&here);
  CHECK(llmrt_engine_wait_load(engine, -1) != LLMRT_STATUS_OK);
  CHECK(is_one_line(last_message()));
  CHECK_OK(llmrt_engine_get_load(engine, &load));
  CHECK(load.phase == LLMRT_LOAD_FAILED && load.status != LLMRT_STATUS_OK);
  llmrt_engine_release(engine);
}

/* A real model behind a gate that only its read number `held_read` waits at. */
typedef struct held_model {
  gate here;
  char* bytes;
  int64_t size;
  int held_read;
  int reads;
} held_model;

static int32_t read_held_model(void* user, int64_t offset, void* buffer, int64_t length) {
  held_model* model = user;
  pthread_mutex_lock(&model->here.mutex);
  ++model->reads;
  pthread_cond_broadcast(&model->here.changed);
  while (model->reads - 1 == model->held_read && !model->here.is_open) {
    pthread_cond_wait(&model->here.changed, &model->here.mutex);
  }
  pthread_mutex_unlock(&model->here.mutex);
  memcpy(buffer, model->bytes + offset, (size_t)length);
  return 0;
}

static void read_model_file(held_model* model) {
  FILE* file = fopen(model_path(), "rb");
  CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
  model->size = ftell(file);
  rewind(file);
  model->bytes = malloc((size_t)model->size);
  CHECK(fread(model->bytes, 1, (size_t)model->size, file) == (size_t)model->size);
  fclose(file);
}

/* The first read is of the header, the later ones are of weights. */
static void a_load_that_is_cancelled_while_it_reads_ends_as_cancelled(int held_read) {
  held_model model = {{PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}, NULL, 0, 0, 0};
  llmrt_source* source = NULL;
  llmrt_engine* engine = NULL;
  llmrt_load_info load = {sizeof load};
  model.held_read = held_read;
  read_model_file(&model);
  CHECK_OK(llmrt_source_create_callback(read_held_model, &model, model.size, &source));
  CHECK_OK(llmrt_engine_create(source, NULL, &engine));
  llmrt_source_release(source);
  pthread_mutex_lock(&model.here.mutex);
  while (model.reads <= held_read) pthread_cond_wait(&model.here.changed, &model.here.mutex);
  pthread_mutex_unlock(&model.here.mutex);
  CHECK_OK(llmrt_engine_cancel_load(engine));
  CHECK_STATUS(llmrt_engine_wait_load(engine, 0), LLMRT_STATUS_DEADLINE_EXCEEDED);
  open_gate(&model.here);
  CHECK_STATUS(llmrt_engine_wait_load(engine, -1), LLMRT_STATUS_CANCELLED);
  CHECK_OK(llmrt_engine_get_load(engine, &load));
  CHECK(load.phase == LLMRT_LOAD_FAILED && load.status == LLMRT_STATUS_CANCELLED);
  CHECK(model.reads == held_read + 1); /* nothing was read after that */
  everything_gives(engine, LLMRT_STATUS_CANCELLED);
  llmrt_engine_release(engine);
  free(model.bytes);
}

static llmrt_status load_with(llmrt_source* source, llmrt_options* options) {
  llmrt_engine* engine = NULL;
  llmrt_status status;
  CHECK_OK(llmrt_engine_create(source, options, &engine));
  status = llmrt_engine_wait_load(engine, -1);
  if (status != LLMRT_STATUS_OK) {
    llmrt_load_info load = {sizeof load};
    const char* message = last_message();
    CHECK(is_one_line(message));
    CHECK_OK(llmrt_engine_get_load(engine, &load));
    CHECK(load.phase == LLMRT_LOAD_FAILED && load.status == (int32_t)status);
    everything_gives(engine, status);
  }
  llmrt_engine_release(engine);
  return status;
}

static void a_failed_load_keeps_its_status(void) {
  gguf_bytes bytes;
  llmrt_source* source = NULL;
  CHECK_OK(llmrt_source_create_path("no such file.gguf", -1, 0, -1, &source));
  CHECK(load_with(source, NULL) == LLMRT_STATUS_NOT_FOUND);
  llmrt_source_release(source);
  CHECK_OK(llmrt_source_create_memory("GGUF\3\0\0", 8, LLMRT_MEMORY_BORROW, &source));
  CHECK(load_with(source, NULL) == LLMRT_STATUS_DATA_LOSS);
  llmrt_source_release(source);
  gguf_small_model(&bytes, "an-unknown-one");
  CHECK_OK(llmrt_source_create_memory(bytes.data, bytes.size, LLMRT_MEMORY_BORROW, &source));
  CHECK(load_with(source, NULL) == LLMRT_STATUS_UNIMPLEMENTED);
  llmrt_source_release(source);
}

static void create_checks_its_arguments(void) {
  llmrt_source* source = NULL;
  llmrt_engine* engine = NULL;
  llmrt_options* others = options_of(LLMRT_OPTIONS_SESSION);
  CHECK_OK(llmrt_source_create_memory("GGUF", 4, LLMRT_MEMORY_BORROW, &source));
  CHECK_STATUS(llmrt_engine_create(source, others, &engine), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_create(source, NULL, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_create(source, (llmrt_options*)source, &engine),
               LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_engine_create(NULL, NULL, &engine), LLMRT_STATUS_INVALID_HANDLE);
  CHECK(engine == NULL);
  llmrt_options_release(others);
  llmrt_source_release(source);
}

static void a_budget_is_a_limit_on_the_load(void) {
  llmrt_engine* engine = NULL;
  llmrt_source* source = model_source();
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) /* they keep the heap uncounted */
  /* Not even the engine's own objects fit: there is no engine whose load could tell. */
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, 4096));
  CHECK_STATUS(llmrt_engine_create(source, options, &engine), LLMRT_STATUS_RESOURCE_EXHAUSTED);
  CHECK(strstr(last_message(), "budget of 4096 bytes") != NULL);
#endif
  CHECK(engine == NULL);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, 20000));
  CHECK(load_with(source, options) == LLMRT_STATUS_RESOURCE_EXHAUSTED);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, 100000));
  CHECK(load_with(source, options) == LLMRT_STATUS_RESOURCE_EXHAUSTED);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, 0));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_CONTEXT_LENGTH, 1 << 30));
  CHECK(load_with(source, options) == LLMRT_STATUS_OUT_OF_RANGE);
  llmrt_options_release(options);
  llmrt_source_release(source);
}

static void a_device_that_the_machine_lacks_is_not_found(void) {
  llmrt_source* source = model_source();
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  llmrt_engine* engine = NULL;
  /* More than any machine has, should this one have some. */
  CHECK_OK(llmrt_options_set_bytes(options, LLMRT_ENGINE_DEVICE, "cuda:999", -1));
  CHECK_OK(llmrt_engine_create(source, options, &engine));
  CHECK_STATUS(llmrt_engine_wait_load(engine, -1), LLMRT_STATUS_NOT_FOUND);
  CHECK(strstr(last_message(), "cuda:999") != NULL); /* the value */
  CHECK(strstr(last_message(), "cpu") != NULL);      /* and what to say instead */
  llmrt_engine_release(engine);
  CHECK(load_with(source, options) == LLMRT_STATUS_NOT_FOUND);
  llmrt_options_release(options);
  llmrt_source_release(source);
}

typedef struct hook_counts {
  pthread_mutex_t mutex;
  int64_t live_bytes;
  int64_t calls;
  int refuse;
} hook_counts;

static void* hooked_allocate(void* user, int64_t bytes, int64_t alignment, int32_t tag) {
  hook_counts* counts = user;
  void* pointer = NULL;
  CHECK(tag >= 0 && tag <= 2);
  if (counts->refuse || posix_memalign(&pointer, (size_t)alignment, (size_t)bytes) != 0)
    return NULL;
  pthread_mutex_lock(&counts->mutex);
  counts->live_bytes += bytes;
  ++counts->calls;
  pthread_mutex_unlock(&counts->mutex);
  return pointer;
}

static void hooked_release(void* user, void* pointer, int64_t bytes, int32_t tag) {
  hook_counts* counts = user;
  (void)tag;
  free(pointer);
  pthread_mutex_lock(&counts->mutex);
  counts->live_bytes -= bytes;
  pthread_mutex_unlock(&counts->mutex);
}

static void large_memory_comes_from_the_hook(void) {
  hook_counts counts = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0};
  llmrt_source* source = model_source();
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(llmrt_options_set_memory_hook(options, hooked_allocate, hooked_release, &counts));
  CHECK(load_with(source, options) == LLMRT_STATUS_OK);
  CHECK(counts.calls > 0 && counts.live_bytes == 0);
  counts.refuse = 1;
  CHECK(load_with(source, options) == LLMRT_STATUS_RESOURCE_EXHAUSTED);
  CHECK(counts.live_bytes == 0);
  llmrt_options_release(options);
  llmrt_source_release(source);
}

static void a_loaded_engine_tells_about_itself(llmrt_engine* engine) {
  llmrt_model* model = NULL;
  llmrt_plan plan = {sizeof plan};
  llmrt_engine_info info = {sizeof info};
  llmrt_load_info load = {sizeof load};
  char text[512];
  int64_t length = 0;
  CHECK_OK(llmrt_engine_get_load(engine, &load));
  CHECK(load.phase == LLMRT_LOAD_READY && load.status == 0 && load.fraction == 1.0f);
  CHECK_OK(llmrt_engine_cancel_load(engine)); /* a finished load stays */
  CHECK_OK(llmrt_engine_wait_load(engine, 0));
  CHECK_OK(llmrt_engine_get_plan(engine, &plan));
  CHECK_OK(llmrt_engine_get_info(engine, &info));
  const int64_t large_bytes = plan.weights_bytes + plan.kv_bytes + plan.workspace_bytes;
  CHECK(info.threads == 1 && info.memory_used_bytes == large_bytes + info.heap_bytes);
  CHECK(plan.total_bytes == large_bytes + plan.heap_bytes);
  CHECK(plan.total_bytes >= info.memory_peak_bytes);
  CHECK(info.blocks_total == plan.kv_blocks);
  CHECK_OK(llmrt_engine_get_fingerprint(engine, text, sizeof text, &length));
  CHECK(length > 0);
  CHECK_STATUS(llmrt_engine_get_fingerprint(engine, text, 3, &length), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_engine_get_fingerprint(engine, NULL, 3, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_get_fingerprint(engine, text, 3, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_get_plan(engine, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_get_info(engine, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_get_load(engine, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_get_model(engine, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_OK(llmrt_engine_get_model(engine, &model));
  CHECK_STATUS(llmrt_engine_get_info((llmrt_engine*)model, &info), LLMRT_STATUS_INVALID_HANDLE);
  llmrt_model_release(model);
  info.struct_size = 3;
  CHECK_STATUS(llmrt_engine_get_info(engine, &info), LLMRT_STATUS_INVALID_ARGUMENT);
}

static void the_log_is_taken_record_by_record(llmrt_engine* engine) {
  llmrt_log_info info = {sizeof info};
  char text[1024];
  int64_t length = 0, sequence = -1;
  llmrt_status status;
  if (llmrt_engine_poll_log(engine, &info, NULL, 0, &length) == LLMRT_STATUS_OK && length > 0) {
    CHECK_STATUS(llmrt_engine_poll_log(engine, &info, text, 0, &length), LLMRT_STATUS_OUT_OF_RANGE);
  } else {
    CHECK(!"the load logs something");
  }
  CHECK_STATUS(llmrt_engine_poll_log(engine, NULL, text, 9, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_poll_log(engine, &info, text, 9, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_poll_log(engine, &info, text, -1, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  while ((status = llmrt_engine_poll_log(engine, &info, text, sizeof text, &length)) ==
         LLMRT_STATUS_OK) {
    CHECK(info.sequence > sequence && info.time_us >= 0 && info.level <= LLMRT_LOG_INFO);
    CHECK(is_one_line(text));
    sequence = info.sequence;
  }
  CHECK_STATUS(status, LLMRT_STATUS_NOT_FOUND);
}

static void waiting_lists_the_handles_of_their_owners(llmrt_engine* engine) {
  llmrt_stream* ready[4] = {NULL, NULL, NULL, NULL};
  llmrt_session* session = session_with_text(engine, "Once");
  llmrt_stream* stream;
  llmrt_stream* second;
  int64_t count = 0;
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 4, &count, 0), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_STATUS(llmrt_engine_wait(engine, NULL, 4, &count, 0), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 4, NULL, 0), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 0, &count, 0), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_wait(engine, ready, -1, &count, 0), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 4, &count, -2), LLMRT_STATUS_INVALID_ARGUMENT);
  stream = submit_tokens(session, 4);
  CHECK_OK(llmrt_engine_wait(engine, ready, INT64_MAX / 16, &count, -1));
  CHECK(count == 1 && ready[0] == stream && ready[1] == NULL);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 4, &count, 0), LLMRT_STATUS_FAILED_PRECONDITION);
  /* A released stream is not listed, and the next one's handle is another. */
  llmrt_stream_release(stream);
  second = submit_tokens(session, 1);
  CHECK(second != stream);
  CHECK_OK(llmrt_engine_wait(engine, ready, 4, &count, -1));
  CHECK(count == 1 && ready[0] == second);
  llmrt_stream_release(second);
  llmrt_session_release(session);
}

static void waiting_ends_at_its_time(llmrt_engine* engine) {
  llmrt_session* session = NULL;
  llmrt_stream* stream = NULL;
  llmrt_stream* ready[1];
  llmrt_status status = LLMRT_STATUS_OK;
  int64_t count = 0;
  /* Right after the submission there is nothing to read yet, unless this thread was interrupted:
   * how often it is is the machine's business. */
  while (status == LLMRT_STATUS_OK) {
    llmrt_stream_release(stream);
    llmrt_session_release(session);
    session = session_with_text(engine, "Once upon a time");
    stream = submit_tokens(session, 3);
    status = llmrt_engine_wait(engine, ready, 1, &count, 0);
  }
  CHECK_STATUS(status, LLMRT_STATUS_DEADLINE_EXCEEDED);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

static void only_pumped_engines_are_pumped(llmrt_engine* engine) {
  llmrt_step_info info = {sizeof info};
  CHECK_STATUS(llmrt_engine_step(engine, 0, &info), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_STATUS(llmrt_engine_step(engine, -2, &info), LLMRT_STATUS_INVALID_ARGUMENT);
  info.struct_size = 0;
  CHECK_STATUS(llmrt_engine_step(engine, 0, &info), LLMRT_STATUS_INVALID_ARGUMENT);
}

/* Pumps in small steps until nothing remains or somebody else pumps; returns how it ended. */
static llmrt_status pump(llmrt_engine* engine) {
  llmrt_step_info info = {sizeof info};
  llmrt_status status;
  do {
    status = llmrt_engine_step(engine, 0, &info);
  } while (status == LLMRT_STATUS_OK && info.work_remains);
  return status;
}

typedef struct pumper {
  llmrt_engine* engine;
  llmrt_status status;
} pumper;

static void* pump_on_a_thread(void* argument) {
  pumper* self = argument;
  self->status = pump(self->engine);
  return NULL;
}

/* Two threads that pump meet sooner or later; one of them is then sent away. How often they meet is
 * the machine's business, so there is no limit of rounds but the test's time. */
static void a_pumped_engine_has_one_pumper(llmrt_engine* engine, llmrt_session* session) {
  llmrt_status status = LLMRT_STATUS_OK;
  while (status == LLMRT_STATUS_OK) {
    llmrt_stream* stream = submit_tokens(session, 1);
    pumper other = {NULL, LLMRT_STATUS_OK};
    pthread_t thread;
    other.engine = engine;
    CHECK(pthread_create(&thread, NULL, pump_on_a_thread, &other) == 0);
    status = pump(engine);
    if (status != LLMRT_STATUS_OK) CHECK_STATUS(status, LLMRT_STATUS_UNAVAILABLE);
    pthread_join(thread, NULL);
    if (status == LLMRT_STATUS_OK) status = other.status;
    CHECK_OK(llmrt_engine_step(engine, -1, NULL));
    CHECK(read_to_end(stream) != LLMRT_FINISH_NONE);
    llmrt_stream_release(stream);
    llmrt_session_release(session);
    session = session_with_text(engine, "Once");
  }
  CHECK(status == LLMRT_STATUS_UNAVAILABLE);
  llmrt_session_release(session);
}

static void a_pumped_engine_moves_when_pumped(void) {
  llmrt_engine* engine = loaded_engine(1);
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_tokens(session, 5);
  llmrt_stream* ready[1];
  llmrt_step_info info = {sizeof info};
  int64_t count = 0;
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 1, &count, -1), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_STATUS(llmrt_stream_wait(stream, -1), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_OK(llmrt_engine_step(engine, 0, &info));
  CHECK(info.elapsed_us >= 0);
  CHECK_OK(llmrt_engine_step(engine, -1, NULL));
  CHECK_OK(llmrt_engine_step(engine, -1, &info));
  CHECK(info.work_remains == 0 && info.tokens_committed == 0);
  CHECK_OK(llmrt_engine_wait(engine, ready, 1, &count, 0));
  CHECK(count == 1 && ready[0] == stream);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  a_pumped_engine_has_one_pumper(engine, session);
  CHECK_OK(llmrt_engine_close(engine));
}

static void closing_turns_all_descendants_stale(void) {
  llmrt_engine* engine = loaded_engine(0);
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_session* idle = session_with_text(engine, "And then");
  llmrt_stream* stream = submit_tokens(session, 100);
  llmrt_model* model = NULL;
  llmrt_session_info session_info = {sizeof session_info};
  llmrt_stream_info stream_info = {sizeof stream_info};
  llmrt_model_info model_info = {sizeof model_info};
  CHECK_OK(llmrt_engine_get_model(engine, &model));
  CHECK_OK(llmrt_engine_close(engine));
  everything_gives(engine, LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_engine_close(engine), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_session_get_info(session, &session_info), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_session_get_info(idle, &session_info), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_stream_get_info(stream, &stream_info), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_STATUS(llmrt_stream_wait(stream, -1), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_OK(llmrt_model_get_info(model, &model_info)); /* not a descendant */
  llmrt_stream_release(stream);
  llmrt_session_release(session);
  llmrt_session_release(idle);
  llmrt_engine_release(engine);
  llmrt_model_release(model);
}

/* Reads until the end or until the handle is stale; returns how it ended. */
static void* read_on_a_thread(void* stream) {
  static const char kEnded = 0, kStale = 0;
  llmrt_read_result result = {sizeof result};
  char text[64];
  for (;;) {
    llmrt_status status = llmrt_stream_wait(stream, -1);
    if (status == LLMRT_STATUS_OK) {
      status = llmrt_stream_read(stream, NULL, NULL, 0, text, sizeof text, &result);
    }
    if (status == LLMRT_STATUS_INVALID_HANDLE) return (void*)&kStale;
    if (status != LLMRT_STATUS_OK) return NULL;
    if (result.finish_reason != LLMRT_FINISH_NONE) return (void*)&kEnded;
  }
}

static void closing_ends_those_who_wait(void) {
  int round;
  for (round = 0; round < 20; ++round) {
    llmrt_engine* engine = loaded_engine(0);
    llmrt_session* session = session_with_text(engine, "Once upon a time");
    llmrt_stream* stream = submit_tokens(session, -1);
    pthread_t reader;
    void* ended = NULL;
    CHECK(pthread_create(&reader, NULL, read_on_a_thread, stream) == 0);
    CHECK_OK(llmrt_engine_close(engine));
    pthread_join(reader, &ended);
    CHECK(ended != NULL);
  }
}

static void a_released_stream_is_ready_for_nobody(void) {
  llmrt_engine* engine = loaded_engine(1);
  llmrt_session* session = session_with_text(engine, "Once");
  llmrt_stream* stream = submit_tokens(session, 20);
  llmrt_stream* ready[1];
  int64_t count = 0;
  do {
    CHECK_OK(llmrt_engine_step(engine, 0, NULL));
  } while (llmrt_stream_wait(stream, 0) != LLMRT_STATUS_OK);
  CHECK_OK(llmrt_engine_wait(engine, ready, 1, &count, -1));
  llmrt_stream_release(stream);
  CHECK_STATUS(llmrt_engine_wait(engine, ready, 1, &count, -1), LLMRT_STATUS_FAILED_PRECONDITION);
  llmrt_session_release(session);
  llmrt_engine_release(engine);
}

static void children_keep_a_released_engine_alive(void) {
  llmrt_engine* engine = loaded_engine(0);
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_engine_info info = {sizeof info};
  llmrt_stream* stream;
  llmrt_engine_release(engine);
  CHECK_STATUS(llmrt_engine_get_info(engine, &info), LLMRT_STATUS_INVALID_HANDLE);
  stream = submit_tokens(session, 5);
  llmrt_session_release(session);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
}

int main(void) {
  llmrt_engine* engine;
  create_checks_its_arguments();
  a_loading_engine_can_be_polled_and_cancelled();
  a_failed_load_keeps_its_status();
  if (model_path() == NULL) return check_failures ? check_result() : skip_without_model();
  a_load_that_is_cancelled_while_it_reads_ends_as_cancelled(0);
  a_load_that_is_cancelled_while_it_reads_ends_as_cancelled(1);
  a_load_that_is_cancelled_while_it_reads_ends_as_cancelled(3);
  a_device_that_the_machine_lacks_is_not_found();
  a_budget_is_a_limit_on_the_load();
  large_memory_comes_from_the_hook();
  engine = loaded_engine(0);
  a_loaded_engine_tells_about_itself(engine);
  the_log_is_taken_record_by_record(engine);
  waiting_lists_the_handles_of_their_owners(engine);
  waiting_ends_at_its_time(engine);
  only_pumped_engines_are_pumped(engine);
  llmrt_engine_release(engine);
  a_pumped_engine_moves_when_pumped();
  closing_turns_all_descendants_stale();
  closing_ends_those_who_wait();
  a_released_stream_is_ready_for_nobody();
  children_keep_a_released_engine_alive();
  return check_result();
}
