// The plugin on a machine without a CUDA driver: this program does not find the emulation, and
// skips where the machine has a driver of its own.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/engine.h"
#include "tests/engine/test_engine.h"
#include "tests/model/random_model.h"

namespace llmrt::testing {
namespace {

engine::EngineOptions On(const std::string& device) {
  engine::EngineOptions options;
  options.device = device;
  options.plugin_folder = LLMRT_PLUGIN_FOLDER;
  return options;
}

std::shared_ptr<engine::ModelSource> SmallModel() {
  RandomModelSpec spec;
  spec.layers = 1;
  spec.type = backend::WeightType::kF16;
  return RandomSource(spec);
}

// Loaded by nobody on the way here, so finding it now means that it is on the machine.
bool SkipWithDriver() {
  if (dlopen("libcuda.so.1", RTLD_LAZY) == nullptr) return false;
  [&] { GTEST_SKIP() << "this machine has a libcuda.so.1"; }();
  return true;
}

TEST(CudaNoDriverTest, CudaIsNotFound) {
  if (SkipWithDriver()) return;
  const absl::Status status =
      engine::Engine::Create(SmallModel(), On("cuda:0")).value()->WaitLoad(-1);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_NE(status.message().find("libcuda.so.1"), std::string::npos) << status;
}

TEST(CudaNoDriverTest, AutoIsTheCpuAndTheLogSaysWhy) {
  if (SkipWithDriver()) return;
  const auto engine = OpenEngine(SmallModel(), On("auto"));
  EXPECT_NE(engine->GetFingerprint()->find("placement=cpu"), std::string::npos);
  std::string log;
  for (auto record = engine->PollLog(4096); record.ok(); record = engine->PollLog(4096)) {
    log += record->text + "\n";
  }
  EXPECT_NE(log.find("libcuda.so.1"), std::string::npos) << log;
}

}  // namespace
}  // namespace llmrt::testing
