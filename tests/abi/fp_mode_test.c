/* Hosts round as they like, flush denormals and have exceptions raise signals. Whatever their mode
 * is, an engine gives the same tokens and log-probabilities, no call changes the mode or its sticky
 * flags, none dies of a trap, and the host's callbacks run in the host's mode, not in ours. */
#define _POSIX_C_SOURCE 200112L

#include <fenv.h>

#include "check.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
/* MXCSR: bits 0-5 are sticky flags, 6 denormals-are-zero, 7-12 mask the exceptions, 13-14 round,
 * 15 flush-to-zero. */
static unsigned get_mode(void) { return _mm_getcsr(); }
static void set_mode(unsigned mode) { _mm_setcsr(mode); }
enum { DEFAULT_MODE = 0x1f80, BAD_MODE = 0x1f80 | 0x4000 | 0x8040 }; /* up, denormals lost */
static const unsigned kModes[] = {
    DEFAULT_MODE,
    DEFAULT_MODE | 0x4000,                 /* upward */
    DEFAULT_MODE | 0x2000 | 0x08,          /* downward, an overflow remembered */
    DEFAULT_MODE | 0x6000 | 0x8040 | 0x3f, /* to zero, denormals lost, every flag set */
    0x4000,                                /* upward, every exception raises a signal */
};
#else
static unsigned get_mode(void) { return (unsigned)fegetround(); }
static void set_mode(unsigned mode) { (void)fesetround((int)mode); }
enum { DEFAULT_MODE = FE_TONEAREST, BAD_MODE = FE_UPWARD };
static const unsigned kModes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
#endif
enum { NUM_MODES = sizeof kModes / sizeof kModes[0], TOKENS = 24 };

/* The host's mode in this run; calls are looked at one by one. */
static unsigned host_mode;
#define IN_MODE(call)               \
  do {                              \
    llmrt_status in_mode_status;    \
    set_mode(host_mode);            \
    in_mode_status = (call);        \
    CHECK(get_mode() == host_mode); \
    set_mode(DEFAULT_MODE);         \
    CHECK_OK((in_mode_status));     \
  } while (0)

typedef struct generation {
  int64_t count;
  int32_t tokens[TOKENS];
  float logprobs[TOKENS];
} generation;

/* Callbacks that look at the mode they are called in and leave another one behind. */
typedef struct host {
  char* bytes;
  int64_t size;
  int calls;
  int hooks;
  int in_our_mode; /* calls that came in neither the host's mode nor a new thread's */
} host;

static void look_at_mode(host* self) {
  const unsigned mode = get_mode();
  if (mode != host_mode && mode != DEFAULT_MODE) ++self->in_our_mode;
  set_mode(BAD_MODE);
}

static int32_t read_bytes(void* user, int64_t offset, void* buffer, int64_t length) {
  host* self = (host*)user;
  ++self->calls;
  look_at_mode(self);
  memcpy(buffer, self->bytes + offset, (size_t)length);
  return 0;
}

static void* allocate(void* user, int64_t bytes, int64_t alignment, int32_t tag) {
  void* memory = NULL;
  (void)tag;
  ++((host*)user)->hooks;
  look_at_mode((host*)user);
  if (posix_memalign(&memory, (size_t)alignment, (size_t)bytes) != 0) return NULL;
  return memory;
}

static void deallocate(void* user, void* pointer, int64_t bytes, int32_t tag) {
  (void)bytes, (void)tag;
  look_at_mode((host*)user);
  free(pointer);
}

static int64_t draft(void* user, const int32_t* history, int64_t num_history, int32_t* tokens,
                     int64_t capacity) {
  (void)capacity;
  look_at_mode((host*)user);
  tokens[0] = history[num_history - 1];
  return 1;
}

static llmrt_engine* make_engine(host* self, int pumped) {
  llmrt_source* source = NULL;
  llmrt_engine* engine = NULL;
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  if (self != NULL) {
    IN_MODE(llmrt_source_create_callback(read_bytes, self, self->size, &source));
    IN_MODE(llmrt_options_set_memory_hook(options, allocate, deallocate, self));
    IN_MODE(llmrt_options_set_i64(options, LLMRT_ENGINE_DRAFT_MAX, 1));
  } else {
    IN_MODE(llmrt_source_create_path(model_path(), -1, 0, -1, &source));
  }
  IN_MODE(llmrt_options_set_i64(options, LLMRT_ENGINE_PUMPED, pumped));
  IN_MODE(llmrt_options_set_i64(options, LLMRT_ENGINE_THREADS, 2));
  IN_MODE(llmrt_engine_create(source, options, &engine));
  IN_MODE(llmrt_engine_wait_load(engine, -1));
  llmrt_options_release(options);
  llmrt_source_release(source);
  return engine;
}

/* Numbers that no float32 is equal to: the host's rounding could show in them. */
static llmrt_stream* submit(host* self, llmrt_session* session) {
  llmrt_stream* stream = NULL;
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  IN_MODE(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, TOKENS));
  IN_MODE(llmrt_options_set_i64(options, LLMRT_STREAM_IGNORE_EOS, 1));
  IN_MODE(llmrt_options_set_i64(options, LLMRT_STREAM_SEED, 7));
  IN_MODE(llmrt_options_set_i64(options, LLMRT_STREAM_LOGPROBS, 1));
  IN_MODE(llmrt_options_set_f64(options, LLMRT_STREAM_TEMPERATURE, 1.1));
  IN_MODE(llmrt_options_set_f64(options, LLMRT_STREAM_TOP_P, 0.97));
  IN_MODE(llmrt_options_set_f64(options, LLMRT_STREAM_MIN_P, 0.003));
  IN_MODE(llmrt_options_set_f64(options, LLMRT_STREAM_REPETITION_PENALTY, 1.1));
  IN_MODE(llmrt_options_set_f64(options, LLMRT_STREAM_FREQUENCY_PENALTY, 0.3));
  /* Whether it is ever asked is a matter of measured times. */
  if (self != NULL) IN_MODE(llmrt_options_set_drafter(options, draft, self));
  IN_MODE(llmrt_session_submit(session, options, &stream));
  llmrt_options_release(options);
  return stream;
}

static generation generate(host* self, llmrt_engine* engine, int pumped) {
  generation all = {0};
  llmrt_session* session = NULL;
  llmrt_stream* stream;
  llmrt_read_result result = {sizeof result};
  llmrt_step_info step = {sizeof step};
  char text[256];
  IN_MODE(llmrt_session_create(engine, NULL, &session));
  IN_MODE(llmrt_session_append_text(session, "Once upon", -1, LLMRT_TEXT_DEFAULT));
  stream = submit(self, session);
  while (result.finish_reason == LLMRT_FINISH_NONE && check_failures == 0) {
    if (pumped) {
      IN_MODE(llmrt_engine_step(engine, 0, &step));
    } else {
      IN_MODE(llmrt_stream_wait(stream, -1));
    }
    IN_MODE(llmrt_stream_read(stream, all.tokens + all.count, all.logprobs + all.count,
                              TOKENS - all.count, text, sizeof text, &result));
    all.count += result.num_tokens;
  }
  set_mode(host_mode);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
  CHECK(get_mode() == host_mode);
  set_mode(DEFAULT_MODE);
  return all;
}

static generation run(host* self, int pumped) {
  llmrt_engine* engine = make_engine(self, pumped);
  const generation all = generate(self, engine, pumped);
  IN_MODE(llmrt_engine_close(engine));
  set_mode(host_mode);
  llmrt_engine_release(engine);
  CHECK(get_mode() == host_mode);
  set_mode(DEFAULT_MODE);
  return all;
}

static void expect_same(const generation* seen, const generation* expected) {
  CHECK(seen->count == TOKENS);
  CHECK(memcmp(seen, expected, sizeof *seen) == 0);
}

static void the_hosts_mode_changes_no_token_and_is_left_alone(const generation* expected) {
  int i, pumped;
  for (i = 0; i < NUM_MODES; ++i) {
    for (pumped = 0; pumped < 2; ++pumped) {
      generation seen;
      host_mode = kModes[i];
      seen = run(NULL, pumped);
      expect_same(&seen, expected);
    }
  }
}

static void callbacks_run_in_the_hosts_mode_and_may_leave_any(const generation* expected) {
  FILE* file = fopen(model_path(), "rb");
  host self = {0};
  int i;
  CHECK(file != NULL);
  if (file == NULL) return;
  CHECK(fseek(file, 0, SEEK_END) == 0);
  self.size = ftell(file);
  rewind(file);
  self.bytes = (char*)malloc((size_t)self.size);
  CHECK(self.bytes != NULL);
  CHECK(self.bytes != NULL && fread(self.bytes, 1, (size_t)self.size, file) == (size_t)self.size);
  fclose(file);
  for (i = 0; i < NUM_MODES; ++i) {
    generation seen;
    host_mode = kModes[i];
    seen = run(&self, 1);
    expect_same(&seen, expected);
  }
  CHECK(self.calls > 0 && self.hooks > 0);
  CHECK(self.in_our_mode == 0);
  free(self.bytes);
}

int main(void) {
  generation expected;
  if (model_path() == NULL) return skip_without_model();
  host_mode = DEFAULT_MODE;
  expected = run(NULL, 1);
  CHECK(expected.count == TOKENS);
  the_hosts_mode_changes_no_token_and_is_left_alone(&expected);
  callbacks_run_in_the_hosts_mode_and_may_leave_any(&expected);
  return check_result();
}
