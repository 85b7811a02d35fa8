/*
 * A host that loads and unloads the library a hundred times keeps nothing of it: no mapping, heap,
 * file, thread, resident memory or thread-specific key, and its own threads end in peace after the
 * library is gone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "llmrt.h"

#define ROUNDS 100
/* The first rounds fill the caches of the loader, of malloc and of the kernel. */
#define WARM_UP_ROUNDS 20
#define MODEL LLMRT_TEST_DATA_DIR "/tiny-300.gguf"

/* Sanitizers keep freed memory in quarantine and count the heap their own way. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_OURS 0
#else
#define HEAP_IS_OURS 1
#endif

#define CHECK(condition)                                                                   \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      fprintf(stderr, "%s:%d: round %d: %s\n", __FILE__, __LINE__, round_now, #condition); \
      exit(1);                                                                             \
    }                                                                                      \
  } while (0)

static int round_now;

/* What a process can lose to a library that does not clean up. */
typedef struct Footprint {
  long heap_bytes;
  long files;
  long threads;
  long resident_bytes;
  long keys_free;
} Footprint;

static long CountEntries(const char* path) {
  DIR* folder = opendir(path);
  long count = 0;
  CHECK(folder != NULL);
  while (readdir(folder) != NULL) ++count;
  closedir(folder);
  return count;
}

/* This process has one thread here; one that was joined may show for a moment longer. */
static long CountThreads(void) {
  const struct timespec moment = {0, 5 * 1000 * 1000};
  long others = 2; /* "." and ".." */
  for (int i = 0; i < 200 && CountEntries("/proc/self/task") - others > 1; ++i) {
    nanosleep(&moment, NULL);
  }
  return CountEntries("/proc/self/task") - others;
}

/* How many thread-specific keys are left of the process's 1024; a library that keeps one a load
 * ends them. */
static long CountFreeKeys(void) {
  pthread_key_t keys[2048];
  long count = 0;
  while (count < 2048 && pthread_key_create(&keys[count], NULL) == 0) ++count;
  for (long i = 0; i < count; ++i) pthread_key_delete(keys[i]);
  return count;
}

static long ResidentBytes(void) {
  long total_pages = 0, resident_pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL);
  CHECK(fscanf(file, "%ld %ld", &total_pages, &resident_pages) == 2);
  fclose(file);
  return resident_pages * sysconf(_SC_PAGESIZE);
}

static Footprint Measure(void) {
  Footprint now;
  now.files = CountEntries("/proc/self/fd");
  now.threads = CountThreads();
  now.keys_free = CountFreeKeys();
  now.resident_bytes = ResidentBytes();
  now.heap_bytes = HEAP_IS_OURS ? (long)(mallinfo2().uordblks + mallinfo2().hblkhd) : 0;
  return now;
}

static int LibraryIsMapped(void) {
  char line[1024];
  int found = 0;
  FILE* file = fopen("/proc/self/maps", "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL) found |= strstr(line, "libllmrt.so") != NULL;
  fclose(file);
  return found;
}

/* Failing calls leave a message for the calling thread, the library's only state for a thread. */
static void FailOnce(const llmrt_api* api) {
  char message[256];
  int64_t length = 0;
  llmrt_source* source = NULL;
  llmrt_model* model = NULL;
  CHECK(api->source_create_path("no/such/model.gguf", -1, 0, -1, &source) == LLMRT_STATUS_OK);
  CHECK(api->model_open(source, &model) != LLMRT_STATUS_OK);
  CHECK(api->last_message(message, sizeof message, &length) == LLMRT_STATUS_OK);
  CHECK(length > 0);
  api->source_release(source);
}

static void UseOptions(const llmrt_api* api) {
  llmrt_options* options = NULL;
  int64_t threads = 0;
  CHECK(api->options_create(LLMRT_OPTIONS_ENGINE, &options) == LLMRT_STATUS_OK);
  CHECK(api->options_set_i64(options, LLMRT_ENGINE_THREADS, 2) == LLMRT_STATUS_OK);
  CHECK(api->options_get_i64(options, LLMRT_ENGINE_THREADS, &threads) == LLMRT_STATUS_OK);
  CHECK(threads == 2);
  api->options_release(options);
}

/* Reads a stream to its end; the engine's own thread does the work meanwhile. */
static void Drain(const llmrt_api* api, llmrt_stream* stream) {
  llmrt_read_result result;
  char text[256];
  do {
    CHECK(api->stream_wait(stream, 60 * 1000) == LLMRT_STATUS_OK);
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
    CHECK(api->stream_read(stream, NULL, NULL, 0, text, sizeof text, &result) == LLMRT_STATUS_OK);
  } while (result.finish_reason == LLMRT_FINISH_NONE);
  CHECK(result.finish_reason == LLMRT_FINISH_MAX_TOKENS ||
        result.finish_reason == LLMRT_FINISH_STOP_TOKEN);
}

static void Generate(const llmrt_api* api) {
  llmrt_source* source = NULL;
  llmrt_engine* engine = NULL;
  llmrt_session* session = NULL;
  llmrt_options* options = NULL;
  llmrt_stream* stream = NULL;
  CHECK(api->source_create_path(MODEL, -1, 0, -1, &source) == LLMRT_STATUS_OK);
  CHECK(api->options_create(LLMRT_OPTIONS_ENGINE, &options) == LLMRT_STATUS_OK);
  CHECK(api->options_set_i64(options, LLMRT_ENGINE_THREADS, 2) == LLMRT_STATUS_OK);
  CHECK(api->options_set_i64(options, LLMRT_ENGINE_CONTEXT_LENGTH, 64) == LLMRT_STATUS_OK);
  CHECK(api->engine_create(source, options, &engine) == LLMRT_STATUS_OK);
  CHECK(api->engine_wait_load(engine, -1) == LLMRT_STATUS_OK);
  api->options_release(options);
  CHECK(api->session_create(engine, NULL, &session) == LLMRT_STATUS_OK);
  CHECK(api->session_append_text(session, "Good morning", -1, LLMRT_TEXT_DEFAULT) ==
        LLMRT_STATUS_OK);
  CHECK(api->options_create(LLMRT_OPTIONS_STREAM, &options) == LLMRT_STATUS_OK);
  CHECK(api->options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, 4) == LLMRT_STATUS_OK);
  CHECK(api->session_submit(session, options, &stream) == LLMRT_STATUS_OK);
  api->options_release(options);
  Drain(api, stream);
  api->stream_release(stream);
  api->session_release(session);
  CHECK(api->engine_close(engine) == LLMRT_STATUS_OK);
  api->engine_release(engine);
  api->source_release(source);
}

/* A thread of the host that calls the library and outlives it. */
typedef struct Guest {
  const llmrt_api* api;
  sem_t called;
  sem_t unloaded;
} Guest;

static void* RunGuest(void* argument) {
  Guest* guest = argument;
  FailOnce(guest->api);
  sem_post(&guest->called);
  sem_wait(&guest->unloaded);
  return NULL;
}

static void RunRound(void) {
  const llmrt_api* (*get_api)(int32_t);
  Guest guest;
  pthread_t thread;
  void* library = dlopen(LLMRT_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) fprintf(stderr, "%s\n", dlerror());
  CHECK(library != NULL);
  *(void**)&get_api = dlsym(library, "llmrt_get_api");
  CHECK(get_api != NULL);
  guest.api = get_api(LLMRT_ABI_VERSION);
  CHECK(guest.api != NULL && guest.api->abi_version() == LLMRT_ABI_VERSION);

  sem_init(&guest.called, 0, 0);
  sem_init(&guest.unloaded, 0, 0);
  CHECK(pthread_create(&thread, NULL, RunGuest, &guest) == 0);
  sem_wait(&guest.called);
  FailOnce(guest.api);
  UseOptions(guest.api);
  Generate(guest.api);

  CHECK(dlclose(library) == 0);
  CHECK(!LibraryIsMapped());
  sem_post(&guest.unloaded);
  CHECK(pthread_join(thread, NULL) == 0);
  sem_destroy(&guest.called);
  sem_destroy(&guest.unloaded);
}

int main(void) {
  Footprint before = {0}, after;
  for (round_now = 0; round_now < ROUNDS; ++round_now) {
    if (round_now == WARM_UP_ROUNDS) before = Measure();
    RunRound();
  }
  after = Measure();
  printf("heap %+ld bytes, resident %+ld bytes, files %+ld, threads %+ld, keys %+ld\n",
         after.heap_bytes - before.heap_bytes, after.resident_bytes - before.resident_bytes,
         after.files - before.files, after.threads - before.threads,
         after.keys_free - before.keys_free);
  CHECK(after.files == before.files);
  CHECK(after.threads == 1 && before.threads == 1);
  CHECK(after.keys_free == before.keys_free);
  /* Less than 16 bytes a round, malloc's smallest block: no round leaves anything. */
  CHECK(after.heap_bytes - before.heap_bytes < 16 * (ROUNDS - WARM_UP_ROUNDS));
  /* The kernel counts resident pages in batches of 64 for each thread; a leak of the run time's
   * pool alone would be 5.6 MB. */
  if (HEAP_IS_OURS) CHECK(after.resident_bytes - before.resident_bytes < 1024 * 1024);
  return 0;
}
