/* Every documented error of the stream functions. */
#include <math.h>

#include "check.h"

static llmrt_engine* engine;

static llmrt_stream* submit_with(llmrt_session* session, int32_t key, int64_t value) {
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  llmrt_stream* stream = NULL;
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, 8));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_IGNORE_EOS, 1));
  CHECK_OK(llmrt_options_set_i64(options, key, value));
  CHECK_OK(llmrt_session_submit(session, options, &stream));
  llmrt_options_release(options);
  return stream;
}

static void the_end_is_delivered_once(void) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_tokens(session, 5);
  llmrt_read_result result = {sizeof result};
  llmrt_stream_info info = {sizeof info};
  char text[64];
  int64_t length = 9;
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_STATUS(llmrt_stream_read(stream, NULL, NULL, 0, text, sizeof text, &result),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_wait(stream, -1), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_OK(llmrt_stream_cancel(stream)); /* too late to change anything */
  CHECK_OK(llmrt_stream_get_info(stream, &info));
  CHECK(info.state == LLMRT_STREAM_FINISHED && info.finish_reason == LLMRT_FINISH_MAX_TOKENS);
  CHECK(info.generated_tokens == 5 && info.prompt_tokens > 0 && info.status == 0);
  CHECK(info.queue_us >= 0 && info.ttft_us >= info.queue_us && info.total_us >= info.ttft_us);
  CHECK_OK(llmrt_stream_get_message(stream, text, sizeof text, &length));
  CHECK(length == 0 && text[0] == '\0');
  llmrt_stream_release(stream);
  CHECK_STATUS(llmrt_stream_get_info(stream, &info), LLMRT_STATUS_INVALID_HANDLE);
  llmrt_session_release(session);
}

static void read_checks_its_arguments(void) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_tokens(session, 5);
  llmrt_read_result result = {sizeof result};
  llmrt_stream_info info = {sizeof info};
  int32_t tokens[8];
  char text[64];
  int64_t length = 0;
  CHECK_STATUS(llmrt_stream_read(stream, tokens, NULL, 8, text, 64, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_read(stream, tokens, NULL, -1, text, 64, &result),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_read(stream, tokens, NULL, 8, text, -1, &result),
               LLMRT_STATUS_INVALID_ARGUMENT);
  result.struct_size = 2;
  CHECK_STATUS(llmrt_stream_read(stream, tokens, NULL, 8, text, 64, &result),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_wait(stream, -2), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_get_info(stream, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  info.struct_size = 3;
  CHECK_STATUS(llmrt_stream_get_info(stream, &info), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_get_message(stream, NULL, 3, &length), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_get_message(stream, text, 3, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_get_message(stream, text, -3, &length), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

/* Tokens one at a time add up to what the session got. */
static void tokens_come_in_pieces_of_any_size(void) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_with(session, LLMRT_STREAM_LOGPROBS, 1);
  llmrt_read_result result = {sizeof result};
  llmrt_session_info info = {sizeof info};
  int32_t tokens[16], committed[16];
  float logprobs[16];
  int64_t total = 0, count = 0;
  while (result.finish_reason == LLMRT_FINISH_NONE && total < 16) {
    if (!CHECK_OK(llmrt_stream_wait(stream, -1))) break;
    if (!CHECK_OK(llmrt_stream_read(stream, tokens + total, logprobs + total, 1, NULL, 0, &result)))
      break;
    CHECK(result.num_tokens == 0 || result.first_token == total);
    CHECK(result.num_tokens <= 1 && result.text_bytes == 0);
    if (result.num_tokens == 1) CHECK(logprobs[total] <= 0 && isfinite(logprobs[total]));
    total += result.num_tokens;
  }
  CHECK(total == 8);
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK_OK(llmrt_session_get_tokens(session, info.num_tokens - 8, committed, 16, &count));
  CHECK(count == 8 && memcmp(tokens, committed, sizeof tokens[0] * 8) == 0);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

static void a_character_needs_its_room(void) {
  /* The model's choice is forced to byte tokens of a character by bias, where it has such tokens.
   */
  llmrt_model* model = NULL;
  llmrt_session* session;
  llmrt_stream* stream = NULL;
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  llmrt_read_result result = {sizeof result};
  int32_t ids[8];
  char text[8], bias[8];
  const float strong = 1e6f;
  int64_t count = 0;
  CHECK_OK(llmrt_engine_get_model(engine, &model));
  CHECK_OK(llmrt_model_tokenize(model, "x\xC3\xA9", 3, LLMRT_TEXT_PLAIN, ids, 8, &count));
  if (count >= 1) {
    /* The last token of "x", e acute: either the whole character or its last byte. */
    session = session_with_text(engine, "Once");
    memcpy(bias, &ids[count - 1], 4);
    memcpy(bias + 4, &strong, 4);
    CHECK_OK(llmrt_options_set_bytes(options, LLMRT_STREAM_LOGIT_BIAS, bias, 8));
    CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, 2));
    CHECK_OK(llmrt_session_submit(session, options, &stream));
    while (llmrt_stream_wait(stream, -1) == LLMRT_STATUS_OK) {
      llmrt_stream_info info = {sizeof info};
      CHECK_OK(llmrt_stream_get_info(stream, &info));
      if (info.state == LLMRT_STREAM_FINISHED) break;
    }
    CHECK_STATUS(llmrt_stream_read(stream, NULL, NULL, 0, text, 1, &result),
                 LLMRT_STATUS_OUT_OF_RANGE);
    CHECK_OK(llmrt_stream_read(stream, NULL, NULL, 0, text, 4, &result));
    llmrt_stream_release(stream);
    llmrt_session_release(session);
  }
  llmrt_options_release(options);
  llmrt_model_release(model);
}

static void best_tokens_are_kept_where_asked(void) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_stream* stream = submit_with(session, LLMRT_STREAM_TOP_LOGPROBS, 3);
  int32_t tokens[20];
  float logprobs[20];
  int64_t count = 0;
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_stream_top_logprobs(stream, 0, NULL, NULL, 0, &count));
  CHECK(count == 3);
  CHECK_OK(llmrt_stream_top_logprobs(stream, 7, tokens, logprobs, 3, &count));
  CHECK(count == 3 && logprobs[0] >= logprobs[1] && logprobs[1] >= logprobs[2]);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, 0, tokens, logprobs, 2, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(count == 3);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, 8, tokens, logprobs, 3, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, -1, tokens, logprobs, 3, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, 0, NULL, logprobs, 3, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, 0, tokens, NULL, 3, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, 0, tokens, logprobs, -1, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, 0, tokens, logprobs, 3, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_prompt_logprobs(stream, 0, logprobs, 3, &count),
               LLMRT_STATUS_FAILED_PRECONDITION);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

static void prompt_tokens_are_scored_where_asked(void) {
  llmrt_session* session = session_with_text(engine, "Once upon a time");
  llmrt_session_info info = {sizeof info};
  llmrt_stream* stream;
  int32_t tokens[20];
  float logprobs[64];
  int64_t count = 0, prompt;
  CHECK_OK(llmrt_session_get_info(session, &info));
  prompt = info.num_pending;
  stream = submit_with(session, LLMRT_STREAM_PROMPT_LOGPROBS, 1);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_stream_prompt_logprobs(stream, 0, logprobs, 64, &count));
  CHECK(count == prompt && logprobs[0] == 0 && logprobs[1] < 0);
  CHECK_OK(llmrt_stream_prompt_logprobs(stream, 1, logprobs, 1, &count));
  CHECK(count == 1);
  CHECK_STATUS(llmrt_stream_prompt_logprobs(stream, prompt, logprobs, 64, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_prompt_logprobs(stream, -1, logprobs, 64, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_stream_prompt_logprobs(stream, 0, NULL, 64, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_prompt_logprobs(stream, 0, logprobs, -1, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_prompt_logprobs(stream, 0, logprobs, 64, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_stream_top_logprobs(stream, 0, tokens, logprobs, 20, &count),
               LLMRT_STATUS_FAILED_PRECONDITION);
  llmrt_stream_release(stream);
  /* A second turn's stream tells of its own part only. */
  CHECK_OK(llmrt_session_append_text(session, " and", -1, LLMRT_TEXT_PLAIN));
  stream = submit_with(session, LLMRT_STREAM_PROMPT_LOGPROBS, 1);
  CHECK_STATUS(llmrt_stream_prompt_logprobs(stream, 0, logprobs, 64, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_stream_prompt_logprobs(stream, prompt + 8, logprobs, 64, &count));
  CHECK(count >= 1 && logprobs[0] < 0);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

static void waiting_ends_at_its_time_and_cancelling_ends_the_stream(void) {
  llmrt_session* session = NULL;
  llmrt_stream* stream = NULL;
  llmrt_status status = LLMRT_STATUS_OK;
  int32_t reason;
  int i;
  /* Right after the submission there is nothing to read yet, unless this thread was interrupted. */
  for (i = 0; i < 1000 && status == LLMRT_STATUS_OK; ++i) {
    llmrt_stream_release(stream);
    llmrt_session_release(session);
    session = session_with_text(engine, "Once upon a time");
    stream = submit_tokens(session, -1);
    status = llmrt_stream_wait(stream, 0);
  }
  CHECK_STATUS(status, LLMRT_STATUS_DEADLINE_EXCEEDED);
  CHECK_OK(llmrt_stream_cancel(stream));
  CHECK_OK(llmrt_stream_cancel(stream));
  reason = read_to_end(stream); /* it may have come to its end before */
  CHECK(reason == LLMRT_FINISH_CANCELLED || reason == LLMRT_FINISH_CONTEXT_FULL);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

static void a_seed_is_reported(void) {
  llmrt_session* session = session_with_text(engine, "Once");
  llmrt_stream* stream = submit_with(session, LLMRT_STREAM_SEED, -5);
  llmrt_stream_info info = {sizeof info};
  CHECK_OK(llmrt_stream_get_info(stream, &info));
  CHECK(info.seed == -5);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
}

static llmrt_engine* engine_with(llmrt_options* options) {
  llmrt_engine* small = NULL;
  llmrt_source* source = model_source();
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_THREADS, 1));
  CHECK_OK(llmrt_engine_create(source, options, &small));
  CHECK_OK(llmrt_engine_wait_load(small, -1));
  llmrt_options_release(options);
  llmrt_source_release(source);
  return small;
}

/* Two blocks of KV, which hold 32 tokens, because the budget leaves no more. */
static llmrt_engine* engine_with_a_budget_of_two_blocks(void) {
  llmrt_plan plan = {sizeof plan};
  llmrt_model* model = NULL;
  llmrt_source* source = model_source();
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  int64_t budget, block;
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_THREADS, 1));
  CHECK_OK(llmrt_model_open(source, &model));
  CHECK_OK(llmrt_model_plan(model, options, &plan));
  block = plan.block_size * plan.kv_bytes_per_token;
  /* Every block takes a little of the heap, too. */
  for (budget = plan.weights_bytes + plan.workspace_bytes; plan.kv_blocks != 2;
       budget += block / 4) {
    CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, budget));
    if (llmrt_model_plan(model, options, &plan) != LLMRT_STATUS_OK) continue;
    if (plan.kv_blocks > 2) break;
  }
  llmrt_model_release(model);
  llmrt_source_release(source);
  return engine_with(options);
}

static llmrt_engine* engine_of_two_blocks(void) {
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_CONTEXT_LENGTH, 32));
  return engine_with(options);
}

static void no_session_is_promised_more_than_all_blocks(void) {
  llmrt_engine* small = engine_with_a_budget_of_two_blocks();
  llmrt_session* session = session_with_text(small, "Once");
  llmrt_stream* stream = submit_tokens(session, 60);
  llmrt_plan plan = {sizeof plan};
  llmrt_session_info info = {sizeof info};
  CHECK_OK(llmrt_engine_get_plan(small, &plan));
  CHECK(plan.kv_blocks == 2 && plan.context_length == 2 * plan.block_size);
  CHECK(read_to_end(stream) == LLMRT_FINISH_CONTEXT_FULL);
  CHECK_OK(llmrt_session_get_info(session, &info));
  CHECK(info.num_tokens == plan.context_length);
  llmrt_stream_release(stream);
  llmrt_session_release(session);
  CHECK_OK(llmrt_engine_close(small));
}

static void an_idle_session_gives_its_blocks_to_a_stream_and_goes_on_later(void) {
  llmrt_engine* small = engine_of_two_blocks();
  llmrt_session* idle = session_with_text(small, "Once");
  llmrt_session* session = session_with_text(small, "Once");
  llmrt_stream* stream = submit_tokens(idle, 3);
  llmrt_session_info info = {sizeof info};
  int32_t tokens[2][8];
  int64_t count = 0;
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  CHECK_OK(llmrt_session_get_info(idle, &info));
  CHECK(info.num_cached > 0);
  stream = submit_tokens(session, 20);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  CHECK_OK(llmrt_session_get_info(idle, &info));
  CHECK(info.num_cached == 0);
  stream = submit_tokens(idle, 5);
  CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
  llmrt_stream_release(stream);
  /* Both began with the same words, so eight tokens on they have said the same. */
  CHECK_OK(llmrt_session_get_tokens(idle, info.num_tokens - 3, tokens[0], 8, &count));
  CHECK_OK(llmrt_session_get_tokens(session, info.num_tokens - 3, tokens[1], 8, &count));
  CHECK(count == 8 && memcmp(tokens[0], tokens[1], sizeof tokens[0]) == 0);
  llmrt_session_release(session);
  llmrt_session_release(idle);
  CHECK_OK(llmrt_engine_close(small));
}

static int32_t state_of(llmrt_stream* stream, int64_t* generated) {
  llmrt_stream_info info = {sizeof info};
  CHECK_OK(llmrt_stream_get_info(stream, &info));
  *generated = info.generated_tokens;
  return info.state;
}

static void a_stream_that_nobody_reads_pauses_alone(void) {
  llmrt_engine* pumped = loaded_engine(1);
  llmrt_session* lazy = session_with_text(pumped, "Once upon a time");
  llmrt_session* eager = session_with_text(pumped, "And then");
  llmrt_options* options = options_of(LLMRT_OPTIONS_STREAM);
  llmrt_stream *unread = NULL, *read = NULL;
  llmrt_step_info step = {sizeof step};
  llmrt_engine_info info = {sizeof info};
  int64_t generated = 0;
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_MAX_TOKENS, 12));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_IGNORE_EOS, 1));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_STREAM_QUEUE_TOKENS, 3));
  CHECK_OK(llmrt_session_submit(lazy, options, &unread));
  read = submit_tokens(eager, 12);
  CHECK_OK(llmrt_engine_step(pumped, -1, &step));
  CHECK(step.work_remains == 0);
  CHECK(state_of(read, &generated) == LLMRT_STREAM_FINISHED && generated == 12);
  CHECK(state_of(unread, &generated) == LLMRT_STREAM_PAUSED && generated == 3);
  CHECK_OK(llmrt_engine_get_info(pumped, &info));
  CHECK(info.num_streams == 1 && info.streams_running == 0 && info.streams_waiting == 0);
  while (state_of(unread, &generated) != LLMRT_STREAM_FINISHED) {
    llmrt_read_result result = {sizeof result};
    char text[64];
    CHECK_OK(llmrt_stream_read(unread, NULL, NULL, 0, text, sizeof text, &result));
    CHECK_OK(llmrt_engine_step(pumped, -1, NULL));
  }
  CHECK(generated == 12);
  CHECK(read_to_end(unread) == LLMRT_FINISH_MAX_TOKENS);
  CHECK_OK(llmrt_engine_close(pumped));
  llmrt_options_release(options);
}

/* Where in the step the cancel falls is the number of slices before it. */
static void cancelling_inside_a_step_changes_no_other_stream(void) {
  llmrt_engine* pumped = loaded_engine(1);
  int32_t alone[10], beside[10];
  int64_t count = 0, generated = 0, prompt = 0;
  int slices;
  for (slices = -1; slices < 60; slices += 3) {
    llmrt_session* kept = session_with_text(pumped, "Once upon a time");
    llmrt_session* dropped = session_with_text(pumped, "There was a dog with a red ball");
    llmrt_session_info info = {sizeof info};
    llmrt_stream *stream, *cancelled = NULL;
    int i;
    CHECK_OK(llmrt_session_get_info(kept, &info));
    prompt = info.num_pending;
    if (slices >= 0) cancelled = submit_tokens(dropped, -1);
    stream = submit_tokens(kept, 10);
    for (i = 0; i < slices; ++i) CHECK_OK(llmrt_engine_step(pumped, 0, NULL));
    if (slices >= 0) {
      CHECK_OK(llmrt_stream_cancel(cancelled));
      CHECK_OK(llmrt_engine_step(pumped, 0, NULL)); /* it ends before this slice */
      CHECK(state_of(cancelled, &generated) == LLMRT_STREAM_FINISHED);
      CHECK(read_to_end(cancelled) == LLMRT_FINISH_CANCELLED);
    }
    CHECK_OK(llmrt_engine_step(pumped, -1, NULL));
    CHECK(read_to_end(stream) == LLMRT_FINISH_MAX_TOKENS);
    CHECK_OK(llmrt_session_get_tokens(kept, prompt, slices < 0 ? alone : beside, 10, &count));
    CHECK(count == 10 && (slices < 0 || memcmp(alone, beside, sizeof alone) == 0));
    llmrt_stream_release(stream);
    llmrt_stream_release(cancelled);
    llmrt_session_release(kept);
    llmrt_session_release(dropped);
  }
  CHECK_OK(llmrt_engine_close(pumped));
}

int main(void) {
  if (model_path() == NULL) return skip_without_model();
  engine = loaded_engine(0);
  the_end_is_delivered_once();
  read_checks_its_arguments();
  tokens_come_in_pieces_of_any_size();
  a_character_needs_its_room();
  best_tokens_are_kept_where_asked();
  prompt_tokens_are_scored_where_asked();
  waiting_ends_at_its_time_and_cancelling_ends_the_stream();
  a_seed_is_reported();
  no_session_is_promised_more_than_all_blocks();
  an_idle_session_gives_its_blocks_to_a_stream_and_goes_on_later();
  a_stream_that_nobody_reads_pauses_alone();
  cancelling_inside_a_step_changes_no_other_stream();
  CHECK_OK(llmrt_engine_close(engine));
  return check_result();
}
