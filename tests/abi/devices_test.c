/* Devices of a plugin through the C interface: its folder, the host's context and stream, what a
 * device that is not there says, and what an engine whose device is lost says. The plugin is the
 * fake one of tests/plugin, whose devices can be told to fail. */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>

#include "check.h"

#define DEVICE_LOST 100 /* src/backend/plugin_table.h */

static void* plugin;

/* Calls of a function on a device (-1: any) fail with `code`, after `skip` that do not. */
static void fail(const char* call, int32_t device, int32_t skip, int32_t code) {
  void (*told)(const char*, int32_t, int32_t, int32_t);
  *(void**)&told = dlsym(plugin, "fake_plugin_fail");
  told(call, device, skip, code);
}

static int64_t held_bytes(void) {
  int64_t (*held)(void);
  *(void**)&held = dlsym(plugin, "fake_plugin_held_bytes");
  return held();
}

static llmrt_options* options_on(const char* device, const char* folder) {
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(llmrt_options_set_bytes(options, LLMRT_ENGINE_DEVICE, device, -1));
  CHECK_OK(llmrt_options_set_bytes(options, LLMRT_ENGINE_PLUGIN_FOLDER, folder, -1));
  return options;
}

/* The engine, and the status of its load. Takes the options. */
static llmrt_engine* load(llmrt_options* options, llmrt_status* status) {
  llmrt_engine* engine = NULL;
  llmrt_source* source = model_source();
  CHECK_OK(llmrt_engine_create(source, options, &engine));
  *status = llmrt_engine_wait_load(engine, -1);
  llmrt_options_release(options);
  llmrt_source_release(source);
  return engine;
}

static llmrt_status load_status(llmrt_options* options) {
  llmrt_status status;
  llmrt_engine* engine = load(options, &status);
  char message[1024];
  snprintf(message, sizeof message, "%s", last_message());
  CHECK(status == LLMRT_STATUS_OK || is_one_line(message));
  llmrt_engine_release(engine);
  CHECK(held_bytes() == 0);
  return status;
}

static void a_plugin_that_is_not_there_or_another_builds_is_an_error(void) {
  llmrt_status status;
  llmrt_engine* engine = load(options_on("cuda:0", "/nowhere"), &status);
  CHECK(status == LLMRT_STATUS_NOT_FOUND);
  CHECK(strstr(last_message(), "/nowhere/libllmrt_cuda.so.") != NULL);
  CHECK(strstr(last_message(), "cpu") != NULL);
  llmrt_engine_release(engine);
  CHECK(load_status(options_on("cuda:0", LLMRT_FAKE_PLUGINS "/other_build")) ==
        LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK(load_status(options_on("cuda:2", LLMRT_FAKE_PLUGINS "/right")) == LLMRT_STATUS_NOT_FOUND);
  CHECK(load_status(options_on("cuda:1", LLMRT_FAKE_PLUGINS "/right")) == LLMRT_STATUS_OK);
  fail("open", -1, 0, 3); /* as for a context of another device */
  CHECK(load_status(options_on("cuda", LLMRT_FAKE_PLUGINS "/right")) ==
        LLMRT_STATUS_INVALID_ARGUMENT);
  fail("allocate", -1, 3, 8);
  CHECK(load_status(options_on("cuda", LLMRT_FAKE_PLUGINS "/right")) ==
        LLMRT_STATUS_RESOURCE_EXHAUSTED);
  fail("upload", -1, 3, DEVICE_LOST);
  CHECK(load_status(options_on("cuda", LLMRT_FAKE_PLUGINS "/right")) ==
        LLMRT_STATUS_ENGINE_UNHEALTHY);
  fail("", -1, 0, 0);
}

static void a_stream_needs_its_context(void) {
  llmrt_options* options = options_on("cuda:0", LLMRT_FAKE_PLUGINS "/right");
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_CUDA_STREAM, 64));
  CHECK(load_status(options) == LLMRT_STATUS_INVALID_ARGUMENT);
  options = options_on("cuda:0", LLMRT_FAKE_PLUGINS "/right");
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_CUDA_STREAM, 64));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_CUDA_CONTEXT, -64));
  CHECK(load_status(options) == LLMRT_STATUS_OK);
}

static void auto_runs_on_the_cpu_where_there_is_no_device_and_says_why(void) {
  llmrt_status status;
  llmrt_log_info record = {sizeof record};
  llmrt_plan plan = {sizeof plan};
  char text[1024];
  int64_t length = 0;
  llmrt_engine* engine = load(options_on("auto", "/nowhere"), &status);
  CHECK(status == LLMRT_STATUS_OK);
  CHECK_OK(llmrt_engine_poll_log(engine, &record, text, sizeof text, &length));
  CHECK(strncmp(text, "device auto: using cpu: ", 24) == 0 && strstr(text, "/nowhere/") != NULL);
  CHECK(record.level == LLMRT_LOG_INFO);
  CHECK_OK(llmrt_engine_get_plan(engine, &plan));
  CHECK(plan.overhead_bytes == 0);
  llmrt_engine_release(engine);
  engine = load(options_on("auto", LLMRT_FAKE_PLUGINS "/right"), &status);
  CHECK(status == LLMRT_STATUS_OK);
  CHECK_OK(llmrt_engine_poll_log(engine, &record, text, sizeof text, &length));
  CHECK(strncmp(text, "device auto: using cuda:0: ", 27) == 0);
  CHECK_OK(llmrt_engine_get_plan(engine, &plan));
  CHECK(plan.overhead_bytes == 500 << 20);
  CHECK(plan.total_bytes ==
        plan.weights_bytes + plan.kv_bytes + plan.workspace_bytes + plan.heap_bytes);
  llmrt_engine_release(engine);
  CHECK(held_bytes() == 0);
}

static void a_lost_device_makes_its_engine_unhealthy_and_no_other(void) {
  llmrt_status status;
  llmrt_session *session, *other_session, *none = NULL;
  llmrt_stream *stream = NULL, *other_stream = NULL;
  llmrt_read_result result = {sizeof result};
  llmrt_read_result other_result = {sizeof other_result};
  llmrt_options* few = options_of(LLMRT_OPTIONS_STREAM);
  int32_t tokens[64];
  llmrt_engine* lost = load(options_on("cuda:0", LLMRT_FAKE_PLUGINS "/right"), &status);
  llmrt_engine* other = load(options_on("cuda:1", LLMRT_FAKE_PLUGINS "/right"), &status);
  session = session_with_text(lost, "Once");
  other_session = session_with_text(other, "Once");
  fail("end_step", 0, 0, DEVICE_LOST);
  CHECK_OK(llmrt_session_submit(session, NULL, &stream));
  while (result.finish_reason == LLMRT_FINISH_NONE) {
    CHECK_OK(llmrt_stream_wait(stream, -1));
    if (!CHECK_OK(llmrt_stream_read(stream, tokens, NULL, 64, NULL, 0, &result))) break;
  }
  CHECK(result.finish_reason == LLMRT_FINISH_ERROR);
  CHECK(result.status == LLMRT_STATUS_ENGINE_UNHEALTHY);
  CHECK_STATUS(llmrt_session_create(lost, NULL, &none), LLMRT_STATUS_ENGINE_UNHEALTHY);
  CHECK(is_one_line(last_message()));
  CHECK_OK(llmrt_options_set_i64(few, LLMRT_STREAM_MAX_TOKENS, 5));
  CHECK_OK(llmrt_options_set_i64(few, LLMRT_STREAM_IGNORE_EOS, 1));
  CHECK_OK(llmrt_session_submit(other_session, few, &other_stream));
  while (other_result.finish_reason == LLMRT_FINISH_NONE) {
    CHECK_OK(llmrt_stream_wait(other_stream, -1));
    if (!CHECK_OK(llmrt_stream_read(other_stream, tokens, NULL, 64, NULL, 0, &other_result))) break;
  }
  CHECK(other_result.finish_reason == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_engine_close(lost));
  CHECK(held_bytes() > 0);
  CHECK_OK(llmrt_engine_close(other));
  CHECK(held_bytes() == 0);
  llmrt_stream_release(stream);
  llmrt_stream_release(other_stream);
  llmrt_session_release(session);
  llmrt_session_release(other_session);
  llmrt_engine_release(lost);
  llmrt_engine_release(other);
  llmrt_options_release(few);
  fail("", -1, 0, 0);
}

int main(void) {
  if (model_path() == NULL) return skip_without_model();
  plugin = dlopen(LLMRT_FAKE_PLUGINS "/right/libllmrt_cuda.so." LLMRT_PLUGIN_VERSION,
                  RTLD_NOW | RTLD_LOCAL);
  CHECK(plugin != NULL);
  if (plugin == NULL) return check_result();
  a_plugin_that_is_not_there_or_another_builds_is_an_error();
  a_stream_needs_its_context();
  auto_runs_on_the_cpu_where_there_is_no_device_and_says_why();
  a_lost_device_makes_its_engine_unhealthy_and_no_other();
  dlclose(plugin);
  return check_result();
}
