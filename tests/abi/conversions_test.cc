#include "abi/conversions.h"

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace llmrt::abi {
namespace {

TEST(ConversionsTest, TextFlagsAreBits) {
  EXPECT_TRUE(ToEncodeOptions(LLMRT_TEXT_DEFAULT)->add_special);
  EXPECT_FALSE(ToEncodeOptions(LLMRT_TEXT_DEFAULT)->parse_special);
  EXPECT_FALSE(ToEncodeOptions(LLMRT_TEXT_PLAIN)->add_special);
  EXPECT_TRUE(ToEncodeOptions(LLMRT_TEXT_PARSE_SPECIAL)->parse_special);
  EXPECT_FALSE(ToEncodeOptions(LLMRT_TEXT_PLAIN | LLMRT_TEXT_PARSE_SPECIAL)->add_special);
  EXPECT_FALSE(ToEncodeOptions(4).ok());
  EXPECT_FALSE(ToEncodeOptions(-1).ok());
}

TEST(ConversionsTest, NoOptionsAreDefaults) {
  EXPECT_EQ(EngineOptionsOf(nullptr)->sessions, 1);
  EXPECT_EQ(SessionOptionsOf(nullptr)->context_length, 0);
  EXPECT_EQ(StreamOptionsOf(nullptr)->max_tokens, -1);
  EXPECT_FALSE(StreamOptionsOf(reinterpret_cast<llmrt_options*>(8)).ok());
}

TEST(ConversionsTest, StreamInfoIsCopiedFieldByField) {
  engine::StreamInfo info;
  info.phase = engine::Phase::kFinished;
  info.finish_reason = engine::FinishReason::kError;
  info.status = absl::DataLossError("x");
  info.seed = ~uint64_t{0};
  info.prompt_tokens = 1;
  info.cached_tokens = 2;
  info.generated_tokens = 3;
  info.queue_us = 4;
  info.ttft_us = 5;
  info.total_us = 6;
  info.drafted = 7;
  info.accepted = 8;
  info.steps = 9;
  const llmrt_stream_info out = ToStreamInfo(info);
  EXPECT_EQ(out.state, LLMRT_STREAM_FINISHED);
  EXPECT_EQ(out.finish_reason, LLMRT_FINISH_ERROR);
  EXPECT_EQ(out.status, LLMRT_STATUS_DATA_LOSS);
  EXPECT_EQ(out.seed, -1);
  EXPECT_EQ(out.prompt_tokens, 1);
  EXPECT_EQ(out.cached_tokens, 2);
  EXPECT_EQ(out.generated_tokens, 3);
  EXPECT_EQ(out.queue_us, 4);
  EXPECT_EQ(out.ttft_us, 5);
  EXPECT_EQ(out.total_us, 6);
  EXPECT_EQ(out.drafted, 7);
  EXPECT_EQ(out.accepted, 8);
  EXPECT_EQ(out.steps, 9);
}

TEST(ConversionsTest, EngineInfoIsCopiedFieldByField) {
  engine::EngineInfo info = {.num_sessions = 1,
                             .num_streams = 2,
                             .threads = 3,
                             .blocks_total = 4,
                             .blocks_used = 5,
                             .memory_used_bytes = 6,
                             .memory_peak_bytes = 7,
                             .heap_bytes = 8,
                             .blocks_cached = 12,
                             .blocks_free = 13,
                             .tokens_stored = 14,
                             .streams_running = 25,
                             .streams_waiting = 26,
                             .preemptions = 15,
                             .tokens_recomputed = 16};
  info.totals = {.steps = 9,
                 .rows = 24,
                 .prefilled = 10,
                 .generated = 11,
                 .drafted = 27,
                 .accepted = 28,
                 .kv_slots = 17,
                 .kv_tokens = 18,
                 .plan_us = 20.5,
                 .pass_us = 21.5,
                 .draw_us = 22.25,
                 .draft_us = 29.5,
                 .commit_us = 23.25};
  const llmrt_engine_info out = ToEngineInfo(info);
  EXPECT_EQ(out.num_sessions, 1);
  EXPECT_EQ(out.num_streams, 2);
  EXPECT_EQ(out.threads, 3);
  EXPECT_EQ(out.blocks_total, 4);
  EXPECT_EQ(out.blocks_used, 5);
  EXPECT_EQ(out.memory_used_bytes, 6);
  EXPECT_EQ(out.memory_peak_bytes, 7);
  EXPECT_EQ(out.heap_bytes, 8);
  EXPECT_EQ(out.steps, 9);
  EXPECT_EQ(out.tokens_prefilled, 10);
  EXPECT_EQ(out.tokens_generated, 11);
  EXPECT_EQ(out.blocks_cached, 12);
  EXPECT_EQ(out.blocks_free, 13);
  EXPECT_EQ(out.tokens_stored, 14);
  EXPECT_EQ(out.preemptions, 15);
  EXPECT_EQ(out.tokens_recomputed, 16);
  EXPECT_EQ(out.kv_slots_sum, 17);
  EXPECT_EQ(out.kv_tokens_sum, 18);
  EXPECT_EQ(out.plan_us, 20);
  EXPECT_EQ(out.run_us, 21);
  EXPECT_EQ(out.draw_us, 22);
  EXPECT_EQ(out.commit_us, 23);
  EXPECT_EQ(out.step_us, 87);  // the sum, before rounding
  EXPECT_EQ(out.rows_sum, 24);
  EXPECT_EQ(out.streams_running, 25);
  EXPECT_EQ(out.streams_waiting, 26);
  EXPECT_EQ(out.tokens_drafted, 27);
  EXPECT_EQ(out.tokens_accepted, 28);
  EXPECT_EQ(out.draft_us, 29);
}

TEST(ConversionsTest, SmallOutputsAreCopiedFieldByField) {
  const llmrt_plan plan = ToPlan({16, 1, 2, 3, 4, 5, 6, 7, 8.5, 9.5, 10, 11});
  EXPECT_EQ(plan.block_size, 16);
  EXPECT_EQ(plan.weights_bytes, 1);
  EXPECT_EQ(plan.kv_bytes_per_token, 2);
  EXPECT_EQ(plan.kv_blocks, 3);
  EXPECT_EQ(plan.kv_bytes, 4);
  EXPECT_EQ(plan.workspace_bytes, 5);
  EXPECT_EQ(plan.total_bytes, 6);
  EXPECT_EQ(plan.context_length, 7);
  EXPECT_EQ(plan.read_bandwidth_bytes_per_second, 8.5);
  EXPECT_EQ(plan.decode_tokens_per_second_ceiling, 9.5);
  EXPECT_EQ(plan.heap_bytes, 10);
  EXPECT_EQ(plan.overhead_bytes, 11);
  const llmrt_load_info load =
      ToLoadInfo({engine::LoadPhase::kFailed, absl::NotFoundError("x"), 0.5f});
  EXPECT_EQ(load.phase, LLMRT_LOAD_FAILED);
  EXPECT_EQ(load.status, LLMRT_STATUS_NOT_FOUND);
  EXPECT_EQ(load.fraction, 0.5f);
  const llmrt_step_info step = ToStepInfo({true, 2, 3});
  EXPECT_EQ(step.work_remains, 1);
  EXPECT_EQ(step.elapsed_us, 2);
  EXPECT_EQ(step.tokens_committed, 3);
  const llmrt_log_info log = ToLogInfo({engine::LogLevel::kDebug, 2, 3, "text"});
  EXPECT_EQ(log.level, LLMRT_LOG_DEBUG);
  EXPECT_EQ(log.sequence, 2);
  EXPECT_EQ(log.time_us, 3);
  const llmrt_session_info session = ToSessionInfo({true, 1, 2, 3, 4});
  EXPECT_EQ(session.stream_in_flight, 1);
  EXPECT_EQ(session.num_tokens, 1);
  EXPECT_EQ(session.num_pending, 2);
  EXPECT_EQ(session.num_cached, 3);
  EXPECT_EQ(session.context_length, 4);
  const llmrt_read_result read =
      ToReadResult({1, 2, 3, engine::FinishReason::kError, engine::UnhealthyError("x")});
  EXPECT_EQ(read.num_tokens, 1);
  EXPECT_EQ(read.text_bytes, 2);
  EXPECT_EQ(read.first_token, 3);
  EXPECT_EQ(read.finish_reason, LLMRT_FINISH_ERROR);
  EXPECT_EQ(read.status, LLMRT_STATUS_ENGINE_UNHEALTHY);
}

}  // namespace
}  // namespace llmrt::abi
