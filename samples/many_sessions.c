/* Many conversations from one engine: five people of a village are asked at once, and each answer
 * is printed when it is complete.
 *
 *     many_sessions MODEL.gguf       (made for samples/models/village-target-q8_0.gguf)
 *
 * The engine turns on a thread of its own and computes all streams together, one pass over the
 * weights for a token of each. This thread sleeps until some stream has news.
 */
#include <llmrt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUM_PEOPLE 5

static const char* const kNames[NUM_PEOPLE] = {"Tobin", "Mira", "Elspeth", "Garrick", "Aldous"};
static const char* const kPrompts[NUM_PEOPLE] = {
    "Tobin is the smith of Fernhollow.\nPlayer: What do you sell?\nTobin:",
    "Mira is the innkeeper of Fernhollow.\nPlayer: Do you have a room?\nMira:",
    "Elspeth is the herbalist of Fernhollow.\nPlayer: Can you heal me?\nElspeth:",
    "Garrick is the guard at the north gate.\nPlayer: Where is the inn?\nGarrick:",
    "Aldous is the elder of Fernhollow.\nPlayer: Who are you?\nAldous:",
};

/* One person's session, the stream that answers, and the answer so far. */
typedef struct {
  llmrt_session* session;
  llmrt_stream* stream;
  char answer[1024];
  size_t length;
} Person;

/* A sample may give up where something fails; a real host would go on without the model. */
static void check(llmrt_status status, const char* what) {
  char message[1024] = "";
  int64_t length;
  if (status == LLMRT_STATUS_OK) return;
  llmrt_last_message(message, sizeof message, &length);
  fprintf(stderr, "%s: %s\n", what, message);
  exit(1);
}

static llmrt_engine* load(const char* path) {
  llmrt_source* source = NULL;
  llmrt_options* options = NULL;
  llmrt_engine* engine = NULL;
  check(llmrt_source_create_path(path, -1, 0, -1, &source), "source");
  check(llmrt_options_create(LLMRT_OPTIONS_ENGINE, &options), "options");
  /* KV memory for all five at once; with less, some would wait for others. */
  check(llmrt_options_set_i64(options, LLMRT_ENGINE_SESSIONS, NUM_PEOPLE), "sessions");
  check(llmrt_engine_create(source, options, &engine), "engine");
  check(llmrt_engine_wait_load(engine, -1), "load");
  llmrt_options_release(options); /* was copied */
  llmrt_source_release(source);   /* the engine keeps what it needs */
  return engine;
}

/* Starts one person's answer and returns at once. */
static void ask(llmrt_engine* engine, llmrt_options* stream_options, const char* prompt,
                Person* person) {
  check(llmrt_session_create(engine, NULL, &person->session), "session");
  check(llmrt_session_append_text(person->session, prompt, -1, LLMRT_TEXT_DEFAULT), "prompt");
  check(llmrt_session_submit(person->session, stream_options, &person->stream), "submit");
}

/* Takes what is there without waiting. Returns 1 once the answer is complete. */
static int read_some(Person* person) {
  llmrt_read_result result = {sizeof result};
  char text[256];
  size_t room;
  check(llmrt_stream_read(person->stream, NULL, NULL, 0, text, sizeof text, &result), "read");
  room = sizeof person->answer - 1 - person->length;
  if ((size_t)result.text_bytes < room) room = (size_t)result.text_bytes;
  memcpy(person->answer + person->length, text, room);
  person->length += room;
  if (result.finish_reason == LLMRT_FINISH_ERROR) {
    /* Only this stream failed; the others go on. */
    int64_t length;
    llmrt_stream_get_message(person->stream, person->answer, sizeof person->answer, &length);
  }
  return result.finish_reason != LLMRT_FINISH_NONE;
}

static int index_of(const Person* people, const llmrt_stream* stream) {
  int i = 0;
  while (people[i].stream != stream) ++i;
  return i;
}

int main(int argc, char** argv) {
  static Person people[NUM_PEOPLE];
  llmrt_engine* engine = load(argc > 1 ? argv[1] : "samples/models/village-target-q8_0.gguf");
  llmrt_options* options = NULL;
  int left = NUM_PEOPLE;

  check(llmrt_options_create(LLMRT_OPTIONS_STREAM, &options), "options");
  check(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, 64), "max tokens");
  /* A list of strings, each followed by a NUL; sizeof counts the one behind the only string. */
  check(llmrt_options_set_bytes(options, LLMRT_STREAM_STOP_STRINGS, "\n", sizeof "\n"), "stop");
  for (int i = 0; i < NUM_PEOPLE; ++i) ask(engine, options, kPrompts[i], &people[i]);
  llmrt_options_release(options);

  while (left > 0) {
    llmrt_stream* ready[NUM_PEOPLE];
    int64_t count = 0;
    check(llmrt_engine_wait(engine, ready, NUM_PEOPLE, &count, -1), "wait");
    for (int64_t r = 0; r < count; ++r) {
      const int i = index_of(people, ready[r]);
      if (!read_some(&people[i])) continue;
      printf("%s:%s\n", kNames[i], people[i].answer);
      /* A host that wants to go on talking would keep the session. */
      llmrt_stream_release(people[i].stream);
      llmrt_session_release(people[i].session);
      people[i].stream = NULL;
      --left;
    }
  }
  llmrt_engine_release(engine);
  return 0;
}
