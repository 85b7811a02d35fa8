/* Speculation as a host sees it: drafters of the host's own, prompt lookup, forced tokens and the
 * lengths of drafts. What is said is the same with all of them; when drafts are asked for is
 * decided by measured times, so nothing here expects any: what a drafter does is checked where it
 * was called. */
#include <math.h>

#include "check.h"

#define TOKENS 100
static const char kPrompt[] = "Once upon a time there was a village";

static llmrt_engine* drafting; /* DRAFT_MAX is 4 */
static llmrt_engine* plain;    /* no room for drafts */
static int32_t said[TOKENS];   /* after kPrompt, without drafts */
static int64_t num_prompt;

static llmrt_engine* engine_with(int64_t draft_max, int64_t lookup) {
  llmrt_engine* engine = NULL;
  llmrt_source* source = NULL;
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(llmrt_source_create_path(LLMRT_SAMPLES_DIR "/models/village-draft-q8_0.gguf", -1, 0, -1,
                                    &source));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_THREADS, 1));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_DRAFT_MAX, draft_max));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_DRAFT_LOOKUP, lookup));
  CHECK_OK(llmrt_engine_create(source, options, &engine));
  CHECK_OK(llmrt_engine_wait_load(engine, -1));
  llmrt_options_release(options);
  llmrt_source_release(source);
  return engine;
}

static llmrt_options* stream_options(int64_t max_tokens) {
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, max_tokens));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_IGNORE_EOS, 1));
  return options;
}

/* One stream from kPrompt to its end: its tokens, and what it tells of itself. */
static llmrt_stream_info run(llmrt_engine* engine, llmrt_options* options, int32_t* tokens,
                             llmrt_stream** kept) {
  llmrt_session* session = session_with_text(engine, kPrompt);
  llmrt_session_info before = {sizeof before};
  llmrt_stream_info info = {sizeof info};
  llmrt_stream* stream = NULL;
  int64_t count = 0;
  CHECK_OK(llmrt_session_get_info(session, &before));
  num_prompt = before.num_pending;
  CHECK_OK(llmrt_session_submit(session, options, &stream));
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_stream_get_info(stream, &info));
  CHECK_OK(llmrt_session_get_tokens(session, num_prompt, tokens, TOKENS, &count));
  CHECK(count == info.generated_tokens);
  if (kept != NULL) {
    *kept = stream;
  } else {
    llmrt_stream_release(stream);
  }
  llmrt_session_release(session);
  return info;
}

/* A step gives one token, and one more for each draft that was right. */
static void check_numbers(const llmrt_stream_info* info) {
  CHECK(info->accepted >= 0 && info->accepted <= info->drafted);
  CHECK(info->steps + info->accepted == info->generated_tokens);
}

/* A host's drafter that knows what will be said, and errs in one of these ways. */
typedef enum mistake { NONE, FAILS, TOO_MANY, NO_TOKEN, NEGATIVE_TOKEN, WRONG } mistake;
typedef struct knowing {
  mistake mistake;
  int64_t calls;
  int64_t bad_calls; /* with arguments that break the contract */
} knowing;

static int64_t propose(void* user, const int32_t* history, int64_t num_history, int32_t* tokens,
                       int64_t capacity) {
  knowing* self = user;
  int64_t place = num_history - num_prompt;
  int64_t count = 0;
  ++self->calls;
  if (capacity < 1 || capacity > 4 || place < 0 || place >= TOKENS ||
      memcmp(history + num_prompt, said, (size_t)place * sizeof said[0]) != 0) {
    ++self->bad_calls;
    return 0;
  }
  while (count < capacity && place < TOKENS) tokens[count++] = said[place++];
  switch (self->mistake) {
    case FAILS:
      return -7;
    case TOO_MANY:
      return capacity + 1;
    case NO_TOKEN:
      tokens[count - 1] = INT32_MAX;
      return count;
    case NEGATIVE_TOKEN:
      tokens[0] = -1;
      return count;
    case WRONG:
      tokens[0] = tokens[0] == 5 ? 6 : 5;
      return count;
    default:
      return count;
  }
}

/* Warnings of the log that name a drafter, and the last one of them. */
static int drafter_warnings(llmrt_engine* engine, char last[1024]) {
  llmrt_log_info info = {sizeof info};
  char text[1024];
  int64_t length = 0;
  int found = 0;
  while (llmrt_engine_poll_log(engine, &info, text, sizeof text, &length) == LLMRT_STATUS_OK) {
    if (info.level != LLMRT_LOG_WARNING || strstr(text, "drafter") == NULL) continue;
    CHECK(is_one_line(text));
    memcpy(last, text, sizeof text);
    ++found;
  }
  return found;
}

static llmrt_stream_info run_with_drafter(knowing* drafter) {
  llmrt_options* options = stream_options(TOKENS);
  llmrt_stream_info info;
  int32_t tokens[TOKENS];
  CHECK_OK(llmrt_options_set_drafter(options, propose, drafter));
  info = run(drafting, options, tokens, NULL);
  CHECK(memcmp(tokens, said, sizeof said) == 0);
  CHECK(drafter->bad_calls == 0);
  check_numbers(&info);
  llmrt_options_release(options);
  return info;
}

static void what_is_right_is_accepted(void) {
  llmrt_engine_info before = {sizeof before}, after = {sizeof after};
  knowing drafter = {NONE, 0, 0};
  llmrt_stream_info info;
  char text[1024];
  CHECK_OK(llmrt_engine_get_info(drafting, &before));
  info = run_with_drafter(&drafter);
  CHECK(info.accepted == info.drafted);
  CHECK((drafter.calls > 0) == (info.drafted > 0));
  /* The engine adds up a step a moment after its tokens can be read. */
  CHECK_OK(llmrt_engine_get_info(drafting, &after));
  CHECK(after.tokens_drafted - before.tokens_drafted <= info.drafted);
  CHECK(after.tokens_accepted - before.tokens_accepted <= info.accepted);
  CHECK(after.draft_us >= before.draft_us);
  CHECK(drafter_warnings(drafting, text) == 0);
}

static void what_is_wrong_changes_nothing(void) {
  knowing drafter = {WRONG, 0, 0};
  const llmrt_stream_info info = run_with_drafter(&drafter);
  char text[1024];
  CHECK(info.accepted == 0 && info.steps == TOKENS);
  CHECK(drafter_warnings(drafting, text) == 0);
}

static void a_drafter_that_fails_is_dropped(mistake mistake, const char* says) {
  knowing drafter = {NONE, 0, 0};
  char text[1024] = "";
  llmrt_stream_info info;
  int warnings;
  drafter.mistake = mistake;
  info = run_with_drafter(&drafter);
  warnings = drafter_warnings(drafting, text);
  CHECK(drafter.calls <= 1 && warnings == drafter.calls);
  CHECK(warnings == 0 || strstr(text, says) != NULL);
  CHECK(info.drafted == 0 && info.steps == TOKENS);
}

static void drafters_need_room_in_the_engine(void) {
  llmrt_session* session = session_with_text(plain, kPrompt);
  llmrt_options* options = stream_options(3);
  llmrt_stream* stream = NULL;
  knowing drafter = {NONE, 0, 0};
  CHECK_OK(llmrt_options_set_drafter(options, propose, &drafter));
  CHECK_STATUS(llmrt_session_submit(session, options, &stream), LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK(strstr(last_message(), "LLMRT_ENGINE_DRAFT_MAX") != NULL);
  CHECK(stream == NULL && drafter.calls == 0);
  CHECK_OK(llmrt_options_set_drafter(options, NULL, NULL));
  CHECK_OK(llmrt_session_submit(session, options, &stream));
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  llmrt_options_release(options);
  llmrt_session_release(session);
}

static void a_stream_may_do_without(void) {
  knowing drafter = {NONE, 0, 0};
  llmrt_options* options = stream_options(TOKENS);
  llmrt_stream* stream = NULL;
  llmrt_stream_info info;
  int32_t tokens[TOKENS], lengths[4];
  int64_t count = 9;
  CHECK_OK(llmrt_options_set_drafter(options, propose, &drafter));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_DRAFT_MAX, 0));
  info = run(drafting, options, tokens, &stream);
  CHECK(memcmp(tokens, said, sizeof said) == 0);
  CHECK(drafter.calls == 0 && info.drafted == 0 && info.steps == TOKENS);
  CHECK_OK(llmrt_stream_draft_lengths(stream, 0, lengths, 4, &count));
  CHECK(count == 0);
  llmrt_stream_release(stream);
  llmrt_options_release(options);
}

static void lengths_are_told_for_each_step(void) {
  knowing drafter = {NONE, 0, 0};
  llmrt_options* options = stream_options(TOKENS);
  llmrt_stream* stream = NULL;
  llmrt_stream_info info;
  int32_t tokens[TOKENS], lengths[TOKENS], some[2];
  int64_t count = 0, sum = 0, i;
  CHECK_OK(llmrt_options_set_drafter(options, propose, &drafter));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_DRAFT_MAX, 3));
  info = run(drafting, options, tokens, &stream);
  CHECK_OK(llmrt_stream_draft_lengths(stream, 0, lengths, TOKENS, &count));
  CHECK(count == info.steps);
  for (i = 0; i < count; ++i) {
    CHECK(lengths[i] >= 0 && lengths[i] <= 3);
    sum += lengths[i];
  }
  CHECK(sum == info.drafted);
  /* Less room than steps gets the first ones, also from within. */
  CHECK_OK(llmrt_stream_draft_lengths(stream, 1, some, 2, &count));
  CHECK(count == 2 && some[0] == lengths[1] && some[1] == lengths[2]);
  CHECK_OK(llmrt_stream_draft_lengths(stream, 0, NULL, 0, &count));
  CHECK(count == 0);
  CHECK_OK(llmrt_stream_draft_lengths(stream, info.steps, some, 2, &count));
  CHECK(count == 0);
  CHECK_STATUS(llmrt_stream_draft_lengths(stream, info.steps + 1, some, 2, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_draft_lengths(stream, INT64_MAX, some, 2, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_draft_lengths(stream, -1, some, 2, &count), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_draft_lengths(stream, 0, NULL, 2, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_draft_lengths(stream, 0, some, -1, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_draft_lengths(stream, 0, some, 2, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  llmrt_stream_release(stream);
  llmrt_options_release(options);
}

static void set_forced(llmrt_options* options, const int32_t* ids, int64_t count) {
  CHECK_OK(llmrt_options_set_bytes(options, LLMRT_STREAM_FORCED_TOKENS, ids,
                                   count * (int64_t)sizeof ids[0]));
}

/* In any engine: what is forced is said first, and then what the model says after it. */
static void forced_tokens_are_said(llmrt_engine* engine) {
  static const int32_t kForced[] = {9, 9, 7, 9, 9, 7, 9, 9, 7};
  const int64_t forced = sizeof kForced / sizeof kForced[0];
  llmrt_options* options = stream_options(30);
  llmrt_session* session = session_with_text(engine, kPrompt);
  llmrt_stream* stream = NULL;
  llmrt_stream_info info = {sizeof info};
  int32_t tokens[TOKENS], after[TOKENS];
  int64_t count = 0;
  set_forced(options, kForced, forced);
  info = run(engine, options, tokens, NULL);
  CHECK(info.generated_tokens == 30);
  CHECK(memcmp(tokens, kForced, sizeof kForced) == 0);
  check_numbers(&info);
  /* The same as if they had been in the prompt. */
  CHECK_OK(llmrt_session_append_tokens(session, kForced, forced));
  stream = submit_tokens(session, 30 - forced);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_session_get_tokens(session, num_prompt, after, TOKENS, &count));
  CHECK(count == 30 && memcmp(after, tokens, 30 * sizeof after[0]) == 0);
  llmrt_stream_release(stream);
  /* No more of them than MAX_TOKENS. */
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, 4));
  info = run(engine, options, tokens, NULL);
  CHECK(info.generated_tokens == 4 && memcmp(tokens, kForced, 4 * sizeof tokens[0]) == 0);
  llmrt_options_release(options);
  llmrt_session_release(session);
}

/* What was said, forced, has the log-probabilities that it had when it was drawn. */
static void forced_tokens_have_their_own_logprobs(void) {
  llmrt_options* options = stream_options(12);
  float logprobs[2][12];
  int forced;
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_LOGPROBS, 1));
  for (forced = 0; forced < 2; ++forced) {
    llmrt_session* session = session_with_text(plain, kPrompt);
    llmrt_stream* stream = NULL;
    int64_t total = 0;
    llmrt_read_result result = {sizeof result};
    int32_t tokens[12];
    if (forced == 1) set_forced(options, said, 12);
    CHECK_OK(llmrt_session_submit(session, options, &stream));
    while (result.finish_reason == LLMRT_FINISH_NONE) {
      if (!CHECK_OK(llmrt_stream_wait(stream, -1))) break;
      if (!CHECK_OK(llmrt_stream_read(stream, tokens + total, logprobs[forced] + total, 12 - total,
                                      NULL, 0, &result))) {
        break;
      }
      total += result.num_tokens;
    }
    CHECK(total == 12 && memcmp(tokens, said, sizeof tokens) == 0);
    llmrt_stream_release(stream);
    llmrt_session_release(session);
  }
  CHECK(isfinite(logprobs[0][0]) && memcmp(logprobs[0], logprobs[1], sizeof logprobs[0]) == 0);
  llmrt_options_release(options);
}

static void forced_tokens_are_of_the_vocabulary(void) {
  llmrt_session* session = session_with_text(plain, kPrompt);
  llmrt_options* options = stream_options(3);
  llmrt_stream* stream = NULL;
  llmrt_model* model = NULL;
  llmrt_model_info info = {sizeof info};
  int32_t ids[3] = {1, 0, 2};
  CHECK_OK(llmrt_engine_get_model(plain, &model));
  CHECK_OK(llmrt_model_get_info(model, &info));
  ids[1] = info.vocab_size;
  set_forced(options, ids, 3);
  CHECK_STATUS(llmrt_session_submit(session, options, &stream), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(strstr(last_message(), "forced token") != NULL);
  ids[1] = -1;
  set_forced(options, ids, 3);
  CHECK_STATUS(llmrt_session_submit(session, options, &stream), LLMRT_STATUS_OUT_OF_RANGE);
  ids[1] = info.vocab_size - 1;
  set_forced(options, ids, 3);
  CHECK_OK(llmrt_session_submit(session, options, &stream));
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  llmrt_model_release(model);
  llmrt_options_release(options);
  llmrt_session_release(session);
}

/* A text that repeats itself, so that there is something to find. */
static void lookup_changes_no_token(void) {
  llmrt_engine* looking = engine_with(-1, 1);
  llmrt_options* options = stream_options(TOKENS);
  llmrt_stream* stream = NULL;
  llmrt_stream_info info;
  int32_t tokens[TOKENS], forced[48], lengths[TOKENS];
  int64_t count = 0, i;
  info = run(looking, options, tokens, NULL);
  CHECK(memcmp(tokens, said, sizeof said) == 0);
  check_numbers(&info);
  for (i = 0; i < 48; ++i) forced[i] = said[i % 12];
  set_forced(options, forced, 48);
  info = run(looking, options, tokens, &stream);
  CHECK(memcmp(tokens, forced, sizeof forced) == 0);
  check_numbers(&info);
  CHECK_OK(llmrt_stream_draft_lengths(stream, 0, lengths, TOKENS, &count));
  CHECK(count == info.steps);
  for (i = 0; i < count; ++i) CHECK(lengths[i] <= 8);
  llmrt_stream_release(stream);
  info = run(plain, options, lengths, NULL);
  CHECK(memcmp(tokens, lengths, sizeof tokens) == 0 && info.drafted == 0);
  llmrt_options_release(options);
  CHECK_OK(llmrt_engine_close(looking));
}

int main(void) {
  llmrt_options* options = stream_options(TOKENS);
  llmrt_stream_info info;
  char text[1024];
  drafting = engine_with(4, 0);
  plain = engine_with(-1, 0);
  info = run(plain, options, said, NULL);
  CHECK(info.generated_tokens == TOKENS && info.steps == TOKENS && info.drafted == 0);
  llmrt_options_release(options);
  drafter_warnings(drafting, text);
  what_is_right_is_accepted();
  what_is_wrong_changes_nothing();
  a_drafter_that_fails_is_dropped(FAILS, "returned -7");
  a_drafter_that_fails_is_dropped(TOO_MANY, "capacity");
  a_drafter_that_fails_is_dropped(NO_TOKEN, "2147483647");
  a_drafter_that_fails_is_dropped(NEGATIVE_TOKEN, "proposed -1");
  drafters_need_room_in_the_engine();
  a_stream_may_do_without();
  lengths_are_told_for_each_step();
  forced_tokens_are_said(plain);
  forced_tokens_are_said(drafting);
  forced_tokens_have_their_own_logprobs();
  forced_tokens_are_of_the_vocabulary();
  lookup_changes_no_token();
  CHECK_OK(llmrt_engine_close(drafting));
  CHECK_OK(llmrt_engine_close(plain));
  return check_result();
}
