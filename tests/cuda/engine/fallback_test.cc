// Which device an engine gets where the first choice will not do: no device, one that is too old or
// too full, a model that it cannot run. "auto" goes on to the CPU and says so; who names the device
// is told why not.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/engine.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/engine/test_engine.h"
#include "tests/model/random_model.h"

namespace llmrt::testing {
namespace {

// Of one session of the model below: 2 KV heads of 16 dimensions, keys and values, 64 tokens.
constexpr uint64_t kSmallModelKvBytes = 2 * 16 * 2 * 64 * 2;

std::shared_ptr<engine::ModelSource> SmallModel(backend::WeightType type) {
  RandomModelSpec spec;
  spec.layers = 1;
  spec.context_length = 64;
  spec.type = type;
  return RandomSource(spec);
}

class CudaFallbackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ready_ = !SkipWithoutEmulation();
    if (ready_) TheEmulation().reset();
  }
  void TearDown() override {
    if (!ready_) return;
    EXPECT_EQ(Describe(Counts()), Describe({}));
    TheEmulation().reset();
  }

  absl::Status LoadOn(const std::string& device,
                      const std::shared_ptr<engine::ModelSource>& source) {
    engine::EngineOptions options = CudaOptions();
    options.device = device;
    options.sessions = sessions_;
    return engine::Engine::Create(source, options).value()->WaitLoad(-1);
  }

  // Where "auto" goes with the model, and the log's words for it.
  std::string AutoDevice(const std::shared_ptr<engine::ModelSource>& source, std::string* why) {
    engine::EngineOptions options = CudaOptions();
    options.device = "auto";
    options.sessions = sessions_;
    const auto engine = OpenEngine(source, options);
    for (auto record = engine->PollLog(4096); record.ok(); record = engine->PollLog(4096)) {
      if (record->text.find("device auto") != std::string::npos) *why = record->text;
    }
    const std::string fingerprint = engine->GetFingerprint().value();
    return fingerprint.substr(fingerprint.rfind("placement=") + 10);
  }

  bool ready_ = false;
  int32_t sessions_ = 1;
};

TEST_F(CudaFallbackTest, AutoTakesTheDeviceThatIsThere) {
  if (!ready_) return;
  std::string why;
  EXPECT_EQ(AutoDevice(SmallModel(backend::WeightType::kF16), &why), "cuda:0");
  EXPECT_NE(why.find("cuda:0"), std::string::npos) << why;
}

TEST_F(CudaFallbackTest, NoDevice) {
  if (!ready_) return;
  TheEmulation().set_devices(0);
  const auto source = SmallModel(backend::WeightType::kF16);
  std::string why;
  EXPECT_EQ(AutoDevice(source, &why), "cpu");
  EXPECT_NE(why.find("cpu"), std::string::npos) << why;
  const absl::Status status = LoadOn("cuda:0", source);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_NE(status.message().find("cuda:0"), std::string::npos) << status;
}

TEST_F(CudaFallbackTest, DeviceBeyondTheLast) {
  if (!ready_) return;
  const absl::Status status = LoadOn("cuda:1", SmallModel(backend::WeightType::kF16));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_NE(status.message().find("cuda:0"), std::string::npos)
      << "names what there is: " << status;
}

TEST_F(CudaFallbackTest, QuantizedWeights) {
  if (!ready_) return;
  const auto source = SmallModel(backend::WeightType::kQ8_0);
  std::string why;
  EXPECT_EQ(AutoDevice(source, &why), "cpu");
  EXPECT_NE(why.find("Q8_0"), std::string::npos) << why;
  const absl::Status status = LoadOn("cuda:0", source);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
}

TEST_F(CudaFallbackTest, DeviceThatIsTooFull) {
  if (!ready_) return;
  // While it is opened, the device holds two contexts; then one of them leaves its room to the
  // model.
  TheEmulation().set_total_memory(2 * TheEmulation().context_bytes());
  sessions_ = static_cast<int32_t>(TheEmulation().context_bytes() / kSmallModelKvBytes) + 1;
  const auto source = SmallModel(backend::WeightType::kF16);
  std::string why;
  EXPECT_EQ(AutoDevice(source, &why), "cpu");
  EXPECT_NE(why.find("bytes"), std::string::npos) << why;
  const absl::Status status = LoadOn("cuda:0", source);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

TEST_F(CudaFallbackTest, ReferenceNumerics) {
  if (!ready_) return;
  engine::EngineOptions options = CudaOptions();
  options.numerics = backend::NumericMode::kReference;
  const auto source = SmallModel(backend::WeightType::kF16);
  const absl::Status status = engine::Engine::Create(source, options).value()->WaitLoad(-1);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  options.device = "auto";
  EXPECT_TRUE(engine::Engine::Create(source, options).value()->WaitLoad(-1).ok());
}

}  // namespace
}  // namespace llmrt::testing
