#include "engine/resources.h"

#include <gtest/gtest.h>

#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

class ResourcesTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Resources>> Load(
      const EngineOptions& options, const llmrt::testing::RandomModelSpec& spec = {}) {
    return LoadResources(*llmrt::testing::RandomSource(spec), options, log_,
                         [](float) { return true; });
  }

  LogRing log_{LogLevel::kInfo};
};

TEST_F(ResourcesTest, MemoryInUseEqualsThePlanToTheByte) {
  for (const auto type : {backend::WeightType::kF32, backend::WeightType::kQ8_0,
                          backend::WeightType::kQ4_0, backend::WeightType::kBF16}) {
    for (const auto numerics : {backend::NumericMode::kExact, backend::NumericMode::kReference}) {
      EngineOptions options;
      options.numerics = numerics;
      options.sessions = 2;
      const auto resources = Load(options, {.type = type});
      ASSERT_TRUE(resources.ok()) << resources.status();
      const Plan& plan = (*resources)->plan.numbers;
      const memory::LargeMemory& memory = *(*resources)->memory;
      EXPECT_EQ(memory.used_bytes(memory::Tag::kWeights), plan.weights_bytes);
      EXPECT_EQ(memory.used_bytes(memory::Tag::kKv), plan.kv_bytes);
      EXPECT_EQ(memory.used_bytes(memory::Tag::kWorkspace), plan.workspace_bytes);
      EXPECT_EQ(memory.peak_bytes(), plan.total_bytes - plan.heap_bytes);
    }
  }
}

TEST_F(ResourcesTest, ThePlansTotalIsASufficientBudget) {
  EngineOptions options;
  const int64_t total = Load(options).value()->plan.numbers.total_bytes;
  options.memory_budget_bytes = total;
  const auto resources = Load(options);
  ASSERT_TRUE(resources.ok()) << resources.status();
  EXPECT_EQ((*resources)->plan.numbers.total_bytes, total);
}

TEST_F(ResourcesTest, FingerprintNamesWhatTheBitsDependOnAndNothingElse) {
  EngineOptions options;
  options.threads = 1;
  const std::string first = Load(options).value()->fingerprint;
  for (const char* part : {"build=", "device=cpu/", "numerics=exact", "class=", "model=", "kv=f16",
                           "adapter=", "placement="}) {
    EXPECT_NE(first.find(part), std::string::npos) << part << " in " << first;
  }
  options.threads = 2;
  options.step_tokens = 7;
  options.block_size = 32;
  EXPECT_EQ(Load(options).value()->fingerprint, first);
  options.kv_type = backend::KvType::kF32;
  EXPECT_NE(Load(options).value()->fingerprint, first);
  EXPECT_NE(Load({}, {.seed = 2}).value()->fingerprint, first);
}

TEST_F(ResourcesTest, FingerprintTellsRopeDivisorsApart) {
  llmrt::testing::RandomModelSpec spec;
  spec.rope_divisors = {1, 1, 1, 1, 2, 2, 4, 8};
  const std::string first = Load({}, spec).value()->fingerprint;
  EXPECT_EQ(Load({}, spec).value()->fingerprint, first);
  spec.rope_divisors[7] = 16;
  EXPECT_NE(Load({}, spec).value()->fingerprint, first);
}

TEST_F(ResourcesTest, FingerprintNamesEveryClassOfAMixedFileOnce) {
  llmrt::testing::RandomModelSpec spec;
  spec.type = backend::WeightType::kQ8_0;
  EXPECT_NE(Load({}, spec).value()->fingerprint.find(";class=int8-blocks-32;"), std::string::npos);
  spec.types = {{"blk.1.ffn_down.weight", backend::WeightType::kF32},
                {"blk.0.attn_v.weight", backend::WeightType::kBF16}};
  const std::string mixed = Load({}, spec).value()->fingerprint;
  EXPECT_NE(mixed.find(";class=bfloat16-pairs+float32-lanes-16+int8-blocks-32;"), std::string::npos)
      << mixed;
}

TEST_F(ResourcesTest, AnglesThatTheContextDoesNotAllowAreRefused) {
  llmrt::testing::RandomModelSpec spec;
  spec.rope_divisors = {1e-9f, 1, 1, 1, 1, 1, 1, 1};
  const auto refused = Load({}, spec);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(refused.status().message().find("rope_freqs.weight"), std::string_view::npos);
  spec.rope_divisors[0] = 5e-5f;  // 640 positions turn 1.28e7 radians
  EXPECT_TRUE(Load({}, spec).ok());
}

TEST_F(ResourcesTest, ProgressCanEndTheLoad) {
  const auto resources = LoadResources(*llmrt::testing::RandomSource(), {}, log_,
                                       [](float fraction) { return fraction < 0.5f; });
  EXPECT_EQ(resources.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ResourcesTest, TheLoadIsLoggedWithItsNumbers) {
  const auto resources = Load({});
  // First comes what device was chosen, and why.
  const auto device = log_.Poll(1000);
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(device->text.find("device auto: using cpu: "), 0u) << device->text;
  const auto record = log_.Poll(1000);
  ASSERT_TRUE(record.ok());
  EXPECT_NE(record->text.find(std::to_string((*resources)->plan.numbers.weights_bytes)),
            std::string::npos);
}

}  // namespace
}  // namespace llmrt::engine
