/* A game's loop at 60 frames a second that lends the model two milliseconds of each frame.
 *
 *     frame_loop MODEL.gguf [PROMPT [MICROSECONDS]]
 *
 * The prompt fits samples/models/village-target-q8_0.gguf, which is so small that its answer is
 * complete within a few frames; with 100 microseconds a frame one can watch it come.
 *
 * The engine is pumped: after the load it computes inside llmrt_engine_step only, which returns
 * when its time is over, in the middle of a layer if need be. Text appears as it comes. Nothing in
 * the loop blocks, the load included. At the end stderr says how well the budget was kept.
 */
#define _POSIX_C_SOURCE 200809L /* clock_nanosleep */
#include <llmrt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FRAME_US 16667

/* How long the calls of llmrt_engine_step took, against what they were given. */
typedef struct {
  int64_t budget_us;   /* of each */
  int64_t frames;      /* all */
  int64_t pumped;      /* with work for the model */
  int64_t pumped_us;   /* in these, together */
  int64_t longest_us;  /* the longest call */
  int64_t late_frames; /* not done when the next one was due */
} Statistics;

static void check(llmrt_status status, const char* what) {
  char message[1024] = "";
  int64_t length;
  if (status == LLMRT_STATUS_OK) return;
  llmrt_last_message(message, sizeof message, &length);
  fprintf(stderr, "%s: %s\n", what, message);
  exit(1);
}

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void sleep_until_us(int64_t time_us) {
  struct timespec until;
  until.tv_sec = (time_t)(time_us / 1000000);
  until.tv_nsec = (long)(time_us % 1000000) * 1000;
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Returns at once; the model is read on a thread of the library's. */
static llmrt_engine* start_loading(const char* path) {
  llmrt_source* source = NULL;
  llmrt_options* options = NULL;
  llmrt_engine* engine = NULL;
  check(llmrt_source_create_path(path, -1, 0, -1, &source), "source");
  check(llmrt_options_create(LLMRT_OPTIONS_ENGINE, &options), "options");
  check(llmrt_options_set_i64(options, LLMRT_ENGINE_PUMPED, 1), "pumped");
  /* All work stays on this thread: a game's other cores have their own. */
  check(llmrt_options_set_i64(options, LLMRT_ENGINE_THREADS, 1), "threads");
  check(llmrt_engine_create(source, options, &engine), "engine");
  llmrt_options_release(options);
  llmrt_source_release(source);
  return engine;
}

/* NULL while the model is loading; once it is there, the stream that answers. */
static llmrt_stream* ask_when_loaded(llmrt_engine* engine, const char* prompt) {
  llmrt_load_info load = {sizeof load};
  llmrt_session* session = NULL;
  llmrt_options* options = NULL;
  llmrt_stream* stream = NULL;
  check(llmrt_engine_get_load(engine, &load), "load");
  if (load.phase == LLMRT_LOAD_FAILED) check(llmrt_engine_wait_load(engine, 0), "load");
  if (load.phase != LLMRT_LOAD_READY) return NULL; /* load.fraction would fill a progress bar */
  check(llmrt_session_create(engine, NULL, &session), "session");
  check(llmrt_session_append_text(session, prompt, -1, LLMRT_TEXT_DEFAULT), "prompt");
  check(llmrt_options_create(LLMRT_OPTIONS_STREAM, &options), "options");
  check(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, 64), "max tokens");
  check(llmrt_options_set_bytes(options, LLMRT_STREAM_STOP_STRINGS, "\n", sizeof "\n"), "stop");
  check(llmrt_session_submit(session, options, &stream), "submit");
  llmrt_options_release(options);
  llmrt_session_release(session); /* the stream keeps it alive; a dialogue would hold on to it */
  return stream;
}

/* Lends the model its part of the frame. */
static void pump(llmrt_engine* engine, Statistics* statistics) {
  llmrt_step_info info = {sizeof info};
  check(llmrt_engine_step(engine, statistics->budget_us, &info), "step");
  ++statistics->pumped;
  statistics->pumped_us += info.elapsed_us;
  if (info.elapsed_us > statistics->longest_us) statistics->longest_us = info.elapsed_us;
}

/* Prints what is there; 1 at the end. */
static int print_new_text(llmrt_stream* stream) {
  llmrt_read_result result = {sizeof result};
  char text[256];
  check(llmrt_stream_read(stream, NULL, NULL, 0, text, sizeof text, &result), "read");
  fwrite(text, 1, (size_t)result.text_bytes, stdout);
  fflush(stdout);
  if (result.finish_reason == LLMRT_FINISH_ERROR) {
    char message[1024] = "";
    int64_t length;
    llmrt_stream_get_message(stream, message, sizeof message, &length);
    fprintf(stderr, "stream: %s\n", message);
    exit(1);
  }
  return result.finish_reason != LLMRT_FINISH_NONE;
}

static void print_statistics(const Statistics* s) {
  const int64_t over_us = s->longest_us > s->budget_us ? s->longest_us - s->budget_us : 0;
  fprintf(stderr, "%lld frames, %lld with work: %.2f ms each of a budget of %.2f ms\n",
          (long long)s->frames, (long long)s->pumped,
          s->pumped > 0 ? (double)s->pumped_us / (double)s->pumped / 1000 : 0.0,
          (double)s->budget_us / 1000);
  fprintf(stderr, "largest overrun %.2f ms, late frames %lld\n", (double)over_us / 1000,
          (long long)s->late_frames);
}

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "samples/models/village-target-q8_0.gguf";
  const char* prompt =
      argc > 2 ? argv[2] : "Tobin is the smith of Fernhollow.\nPlayer: What do you sell?\nTobin:";
  llmrt_engine* engine = start_loading(path);
  llmrt_stream* stream = NULL;
  Statistics statistics = {argc > 3 ? atoi(argv[3]) : 2000};
  int64_t next_frame_us = now_us();
  int done = 0;

  while (!done) {
    /* Here a game reads its input, moves its world and draws it. */
    if (stream == NULL) stream = ask_when_loaded(engine, prompt);
    if (stream != NULL) {
      pump(engine, &statistics);
      done = print_new_text(stream);
    }
    ++statistics.frames;
    next_frame_us += FRAME_US;
    if (now_us() > next_frame_us) ++statistics.late_frames;
    sleep_until_us(next_frame_us);
  }
  printf("\n");
  print_statistics(&statistics);
  llmrt_stream_release(stream);
  llmrt_engine_release(engine);
  return 0;
}
