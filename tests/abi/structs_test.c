/* Output structs of smaller and larger hosts: the library writes the fields that both know. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "check.h"

/* Room for a struct of a future header, and for a guard behind a smaller one. */
typedef union room {
  llmrt_model_info info;
  llmrt_tensor_info tensor;
  llmrt_plan plan;
  llmrt_engine_info engine;
  llmrt_session_info session;
  llmrt_stream_info stream;
  unsigned char bytes[512];
} room;

static void fill(room* out, int32_t struct_size) {
  memset(out->bytes, 0xA5, sizeof out->bytes);
  memcpy(out->bytes, &struct_size, 4);
}

/* After a call on two rooms, one of full size: the first `size` bytes agree, the rest is as it was,
 * and struct_size is still the caller's. */
static void check_room(const room* some, const room* whole, int32_t size, int32_t whole_size) {
  int32_t kept;
  int32_t i;
  const int32_t written = size < whole_size ? size : whole_size;
  memcpy(&kept, some->bytes, 4);
  CHECK(kept == size);
  CHECK(memcmp(some->bytes + 4, whole->bytes + 4, (size_t)(written - 4)) == 0);
  for (i = written; i < (int32_t)sizeof some->bytes; ++i) CHECK(some->bytes[i] == 0xA5);
}

typedef llmrt_status (*getter)(void* handle, room* out);
static llmrt_status get_info(void* model, room* out) {
  return llmrt_model_get_info(model, &out->info);
}
static llmrt_status get_tensor(void* model, room* out) {
  return llmrt_model_tensor_info(model, 0, &out->tensor);
}
static llmrt_status get_plan(void* engine, room* out) {
  return llmrt_engine_get_plan(engine, &out->plan);
}

static llmrt_status get_engine(void* engine, room* out) {
  return llmrt_engine_get_info(engine, &out->engine);
}
static llmrt_status get_session(void* session, room* out) {
  return llmrt_session_get_info(session, &out->session);
}
static llmrt_status get_stream(void* stream, room* out) {
  return llmrt_stream_get_info(stream, &out->stream);
}

/* A stream's end can be read a moment before the engine has added up the step that ended it: asks
 * until nothing has changed for 20 ms. */
static void get_at_rest(getter get, void* handle, int32_t whole_size, room* whole) {
  const struct timespec moment = {0, 20000000};
  room before;
  fill(whole, whole_size);
  CHECK_OK(get(handle, whole));
  do {
    before = *whole;
    nanosleep(&moment, NULL);
    CHECK_OK(get(handle, whole));
  } while (memcmp(&before, whole, sizeof before) != 0);
}

static void every_size_gets_what_fits(getter get, void* handle, int32_t whole_size) {
  room whole, some;
  int32_t size;
  get_at_rest(get, handle, whole_size, &whole);
  for (size = 4; size <= 400; ++size) {
    fill(&some, size);
    CHECK_OK(get(handle, &some));
    check_room(&some, &whole, size, whole_size);
  }
  for (size = -8; size < 4; ++size) {
    fill(&some, size);
    CHECK_STATUS(get(handle, &some), LLMRT_STATUS_INVALID_ARGUMENT);
    CHECK(some.bytes[4] == 0xA5);
  }
  fill(&some, INT32_MIN);
  CHECK_STATUS(get(handle, &some), LLMRT_STATUS_INVALID_ARGUMENT);
  fill(&some, INT32_MAX);
  CHECK_OK(get(handle, &some));
  check_room(&some, &whole, INT32_MAX, whole_size);
}

/* Structs only grow, at their end. */
static void sizes_are_those_of_the_baseline(void) {
  CHECK(sizeof(llmrt_model_info) == 64);
  CHECK(sizeof(llmrt_tensor_info) == 96);
  CHECK(sizeof(llmrt_plan) == 96);
  CHECK(sizeof(llmrt_load_info) == 16);
  CHECK(sizeof(llmrt_engine_info) == 224);
  CHECK(sizeof(llmrt_step_info) == 24);
  CHECK(sizeof(llmrt_log_info) == 24);
  CHECK(sizeof(llmrt_session_info) == 40);
  CHECK(sizeof(llmrt_read_result) == 40);
  CHECK(sizeof(llmrt_stream_info) == 120);
}

/* The fields that came later, too: a host that does not know them gets the others. */
static void what_changes_is_told_in_every_size(llmrt_engine* engine) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_tokens(session, 5);
  llmrt_engine_info info = {sizeof info};
  llmrt_stream_info told = {sizeof told};
  CHECK_OK(llmrt_engine_step(engine, -1, NULL));
  every_size_gets_what_fits(get_stream, stream, sizeof(llmrt_stream_info));
  every_size_gets_what_fits(get_session, session, sizeof(llmrt_session_info));
  every_size_gets_what_fits(get_engine, engine, sizeof(llmrt_engine_info));
  CHECK_OK(llmrt_engine_get_info(engine, &info));
  CHECK(info.blocks_used == 0 && info.blocks_cached > 0);
  CHECK(info.blocks_cached + info.blocks_free == info.blocks_total);
  CHECK(info.tokens_stored > 0 && info.preemptions == 0 && info.tokens_recomputed == 0);
  CHECK(info.steps == 5 && info.rows_sum >= info.steps && info.kv_slots_sum >= info.kv_tokens_sum);
  CHECK(info.run_us > 0 && info.step_us >= info.run_us);
  CHECK(info.streams_running == 0 && info.streams_waiting == 0);
  CHECK(info.tokens_drafted == 0 && info.tokens_accepted == 0 && info.draft_us == 0);
  CHECK_OK(llmrt_stream_get_info(stream, &told));
  CHECK(told.tpot_us >= 0 && told.preemptions == 0 && told.tokens_recomputed == 0);
  CHECK(told.drafted == 0 && told.accepted == 0 && told.steps == 5);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

int main(void) {
  llmrt_engine* engine;
  llmrt_model* model = NULL;
  sizes_are_those_of_the_baseline();
  if (model_path() == NULL) return check_failures ? check_result() : skip_without_model();
  engine = loaded_engine(1);
  CHECK_OK(llmrt_engine_get_model(engine, &model));
  every_size_gets_what_fits(get_info, model, sizeof(llmrt_model_info));
  every_size_gets_what_fits(get_tensor, model, sizeof(llmrt_tensor_info));
  every_size_gets_what_fits(get_plan, engine, sizeof(llmrt_plan));
  what_changes_is_told_in_every_size(engine);
  llmrt_model_release(model);
  CHECK_OK(llmrt_engine_close(engine));
  return check_result();
}
