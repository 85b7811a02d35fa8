#include "abi/options_object.h"

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace llmrt::abi {
namespace {

// What a host gets that passes NULL must be what one gets that sets nothing.
TEST(OptionsObjectTest, EngineDefaultsAreTheEnginesOwn) {
  const engine::EngineOptions set = OptionsObject(LLMRT_OPTIONS_ENGINE).ToEngineOptions().value();
  const engine::EngineOptions own;
  EXPECT_EQ(set.device, own.device);
  EXPECT_EQ(set.threads, own.threads);
  EXPECT_EQ(set.memory_budget_bytes, own.memory_budget_bytes);
  EXPECT_EQ(set.context_length, own.context_length);
  EXPECT_EQ(set.sessions, own.sessions);
  EXPECT_EQ(set.kv_type, own.kv_type);
  EXPECT_EQ(set.numerics, own.numerics);
  EXPECT_EQ(set.tier, own.tier);
  EXPECT_EQ(set.use_mmap, own.use_mmap);
  EXPECT_EQ(set.pumped, own.pumped);
  EXPECT_EQ(set.block_size, own.block_size);
  EXPECT_EQ(set.step_tokens, own.step_tokens);
  EXPECT_EQ(set.log_level, own.log_level);
  EXPECT_EQ(set.memory_hooks.allocate, nullptr);
  EXPECT_EQ(set.job_hook.submit, nullptr);
  EXPECT_EQ(set.draft_max, own.draft_max);
  EXPECT_EQ(set.draft_lookup, own.draft_lookup);
  EXPECT_FALSE(set.free_drafts);
}

TEST(OptionsObjectTest, StreamDefaultsAreTheEnginesOwn) {
  const engine::StreamOptions set = OptionsObject(LLMRT_OPTIONS_STREAM).ToStreamOptions().value();
  const engine::StreamOptions own;
  EXPECT_EQ(set.max_tokens, own.max_tokens);
  EXPECT_EQ(set.sampling.temperature, own.sampling.temperature);
  EXPECT_EQ(set.sampling.top_k, own.sampling.top_k);
  EXPECT_EQ(set.sampling.top_p, own.sampling.top_p);
  EXPECT_EQ(set.sampling.min_p, own.sampling.min_p);
  EXPECT_EQ(set.sampling.repetition_penalty, own.sampling.repetition_penalty);
  EXPECT_EQ(set.sampling.presence_penalty, own.sampling.presence_penalty);
  EXPECT_EQ(set.sampling.frequency_penalty, own.sampling.frequency_penalty);
  EXPECT_EQ(set.sampling.penalty_window, own.sampling.penalty_window);
  EXPECT_EQ(set.sampling.sample_index, own.sampling.sample_index);
  EXPECT_EQ(set.sampling.logprobs, own.sampling.logprobs);
  EXPECT_EQ(set.sampling.top_logprobs, own.sampling.top_logprobs);
  EXPECT_EQ(set.seed_given, own.seed_given);
  EXPECT_EQ(set.ignore_eos, own.ignore_eos);
  EXPECT_EQ(set.prompt_logprobs, own.prompt_logprobs);
  EXPECT_EQ(set.raw_bytes, own.raw_bytes);
  EXPECT_EQ(set.queue_tokens, own.queue_tokens);
  EXPECT_TRUE(set.stop_tokens.empty() && set.stop_strings.empty());
  EXPECT_TRUE(set.sampling.logit_bias.empty());
  EXPECT_TRUE(set.forced_tokens.empty());
  EXPECT_EQ(set.draft_max, own.draft_max);
  EXPECT_EQ(set.drafter.propose, nullptr);
}

int64_t DraftNothing(void* /*user*/, const int32_t* /*history*/, int64_t /*num_history*/,
                     int32_t* /*tokens*/, int64_t /*capacity*/) {
  return 0;
}

TEST(OptionsObjectTest, ADrafterIsKeptByStreamOptionsOnly) {
  OptionsObject stream(LLMRT_OPTIONS_STREAM);
  int user = 0;
  EXPECT_TRUE(stream.SetDrafter({.propose = DraftNothing, .user = &user}).ok());
  EXPECT_EQ(stream.ToStreamOptions()->drafter.propose, DraftNothing);
  EXPECT_EQ(stream.ToStreamOptions()->drafter.user, &user);
  EXPECT_TRUE(stream.SetDrafter({}).ok());
  EXPECT_EQ(stream.ToStreamOptions()->drafter.propose, nullptr);
  for (const int32_t kind : {LLMRT_OPTIONS_ENGINE, LLMRT_OPTIONS_SESSION}) {
    const absl::Status status = OptionsObject(kind).SetDrafter({.propose = DraftNothing});
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_NE(status.message().find("stream options"), std::string::npos) << status.message();
  }
}

TEST(OptionsObjectTest, DraftOptionsReachTheEngine) {
  OptionsObject engine(LLMRT_OPTIONS_ENGINE);
  EXPECT_TRUE(engine.SetI64(LLMRT_ENGINE_DRAFT_MAX, 5).ok());
  EXPECT_TRUE(engine.SetI64(LLMRT_ENGINE_DRAFT_LOOKUP, 1).ok());
  EXPECT_EQ(engine.ToEngineOptions()->draft_max, 5);
  EXPECT_TRUE(engine.ToEngineOptions()->draft_lookup);
  OptionsObject stream(LLMRT_OPTIONS_STREAM);
  const int32_t ids[] = {3, 1, 3};
  EXPECT_TRUE(stream.SetI64(LLMRT_STREAM_DRAFT_MAX, 0).ok());
  EXPECT_TRUE(stream
                  .SetBytes(LLMRT_STREAM_FORCED_TOKENS,
                            std::string_view(reinterpret_cast<const char*>(ids), sizeof ids))
                  .ok());
  EXPECT_EQ(stream.ToStreamOptions()->draft_max, 0);
  EXPECT_EQ(stream.ToStreamOptions()->forced_tokens, (std::vector<int32_t>{3, 1, 3}));
}

TEST(OptionsObjectTest, WordsBecomeTheirEnumerations) {
  OptionsObject options(LLMRT_OPTIONS_ENGINE);
  const auto with = [&](int32_t key, std::string_view word) {
    EXPECT_TRUE(options.SetBytes(key, word).ok()) << word;
    return options.ToEngineOptions().value();
  };
  EXPECT_EQ(with(LLMRT_ENGINE_KV_TYPE, "f32").kv_type, backend::KvType::kF32);
  EXPECT_EQ(with(LLMRT_ENGINE_KV_TYPE, "f16").kv_type, backend::KvType::kF16);
  EXPECT_EQ(with(LLMRT_ENGINE_KV_TYPE, "bf16").kv_type, backend::KvType::kBF16);
  EXPECT_EQ(with(LLMRT_ENGINE_NUMERICS, "exact").numerics, backend::NumericMode::kExact);
  EXPECT_EQ(with(LLMRT_ENGINE_NUMERICS, "fast").numerics, backend::NumericMode::kFast);
  EXPECT_EQ(with(LLMRT_ENGINE_NUMERICS, "reference").numerics, backend::NumericMode::kReference);
  EXPECT_EQ(with(LLMRT_ENGINE_TIER, "").tier, backend::CpuTier::kBest);
  EXPECT_EQ(with(LLMRT_ENGINE_TIER, "portable").tier, backend::CpuTier::kPortable);
  EXPECT_EQ(with(LLMRT_ENGINE_TIER, "avx2").tier, backend::CpuTier::kAvx2);
  EXPECT_EQ(with(LLMRT_ENGINE_DEVICE, "cpu").device, "cpu");
}

TEST(OptionsObjectTest, PackedBytesBecomeValues) {
  OptionsObject options(LLMRT_OPTIONS_STREAM);
  const int32_t ids[] = {5, 9};
  std::string bias(16, '\0');
  const float values[] = {-1.5f, 2.0f};
  for (int i = 0; i < 2; ++i) {
    std::memcpy(&bias[i * 8], &ids[i], 4);
    std::memcpy(&bias[i * 8 + 4], &values[i], 4);
  }
  EXPECT_TRUE(options.SetBytes(LLMRT_STREAM_LOGIT_BIAS, bias).ok());
  EXPECT_TRUE(options
                  .SetBytes(LLMRT_STREAM_STOP_TOKENS,
                            std::string_view(reinterpret_cast<const char*>(ids), sizeof ids))
                  .ok());
  EXPECT_TRUE(options.SetBytes(LLMRT_STREAM_STOP_STRINGS, std::string_view("a\0bc\0", 5)).ok());
  EXPECT_TRUE(options.SetI64(LLMRT_STREAM_SEED, -1).ok());
  const engine::StreamOptions stream = options.ToStreamOptions().value();
  EXPECT_EQ(stream.stop_tokens, (std::vector<int32_t>{5, 9}));
  EXPECT_EQ(stream.stop_strings, (std::vector<std::string>{"a", "bc"}));
  EXPECT_EQ(stream.sampling.logit_bias,
            (std::vector<std::pair<int32_t, float>>{{5, -1.5f}, {9, 2.0f}}));
  EXPECT_TRUE(stream.seed_given);
  EXPECT_EQ(stream.sampling.seed, ~uint64_t{0});
}

TEST(OptionsObjectTest, RefusedValueLeavesTheOldOne) {
  OptionsObject options(LLMRT_OPTIONS_STREAM);
  EXPECT_TRUE(options.SetI64(LLMRT_STREAM_TOP_K, 4).ok());
  EXPECT_FALSE(options.SetI64(LLMRT_STREAM_TOP_K, -4).ok());
  EXPECT_EQ(options.GetI64(LLMRT_STREAM_TOP_K).value(), 4);
}

TEST(OptionsObjectTest, OtherKindsAreRefused) {
  const OptionsObject session(LLMRT_OPTIONS_SESSION);
  EXPECT_EQ(session.ToEngineOptions().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(session.ToStreamOptions().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OptionsObject(LLMRT_OPTIONS_STREAM).ToSessionOptions().status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(session.ToSessionOptions().value().context_length, 0);
}

TEST(OptionsObjectTest, ConcurrentSettersLeaveOneOfTheirValues) {
  OptionsObject options(LLMRT_OPTIONS_STREAM);
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&options, t] {
      for (int i = 0; i < 2000; ++i) {
        ASSERT_TRUE(options.SetI64(LLMRT_STREAM_TOP_K, t).ok());
        ASSERT_TRUE(options
                        .SetBytes(LLMRT_STREAM_STOP_STRINGS,
                                  std::string(t * 10, 'x') + std::string(1, '\0'))
                        .ok());
        ASSERT_TRUE(options.ToStreamOptions().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const int64_t value = options.GetI64(LLMRT_STREAM_TOP_K).value();
  EXPECT_TRUE(value >= 1 && value <= 4);
}

}  // namespace
}  // namespace llmrt::abi
