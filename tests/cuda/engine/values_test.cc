// Logits of whole models on the device against the CPU's: equal where both sum in the same order,
// and within what the rounding points allow where they do not.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/byte_source.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/model/random_model.h"
#include "tests/model/step_runner.h"
#include "tests/shared_files.h"

namespace llmrt::testing {
namespace {

using backend::KvType;
using backend::WeightType;
using Rows = std::vector<std::vector<float>>;

RunnerOptions CpuRunner(KvType kv_type) {
  RunnerOptions options;
  options.kv_type = kv_type;
  return options;
}

std::unique_ptr<formats::ModelFile> OpenModel(const std::string& path) {
  formats::FileRange range;
  range.path = path;
  return formats::OpenModelFile(formats::OpenFile(range).value(), nullptr).value();
}

// float32 weights and cache: one class on both devices, so one result, whatever order the device
// runs its threads in.
TEST(CudaValuesTest, Float32ModelGivesTheCpusBits) {
  if (SkipWithoutEmulation()) return;
  const std::string path = SharedFile("models/stories260K-f32.gguf");
  if (SkipWithoutFile(path)) return;
  const auto file = OpenModel(path);
  // "Once upon a time, there was a", three tokens of it alone.
  const std::vector<int32_t> tokens = {1, 403, 407, 261, 378, 432, 383, 286, 261, 376};
  const std::vector<int64_t> chunks = {7, 1};
  StepRunner cpu(*file, CpuRunner(KvType::kF32));
  const Rows expected = cpu.Run(tokens, chunks);
  const std::vector<uint8_t> expected_kv = cpu.KvBytes(0);
  for (const uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    TheEmulation().set_seed(seed);
    StepRunner device(*file, CudaRunner(KvType::kF32));
    EXPECT_EQ(device.Run(tokens, chunks), expected);
    EXPECT_EQ(device.KvBytes(0), expected_kv);
  }
}

}  // namespace
}  // namespace llmrt::testing
