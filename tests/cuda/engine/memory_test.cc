// What engines on a device take and give back: memory equals the plan to the byte, steps allocate
// nothing, and a hundred lives leave no file, mapping or heap behind.

#include <dirent.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <set>
#include <string>

#include "backend/plugin_table.h"
#include "engine/engine.h"
#include "engine/log_ring.h"
#include "engine/resources.h"
#include "memory/counted_heap.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/engine/test_engine.h"
#include "tests/model/random_model.h"

namespace llmrt::testing {
namespace {

std::shared_ptr<engine::ModelSource> SmallModel(backend::WeightType type) {
  RandomModelSpec spec;
  spec.layers = 1;
  // No row of it is a multiple of 128 bytes.
  spec.dim = 40;
  spec.ffn_dim = 50;
  spec.context_length = 128;
  spec.type = type;
  return RandomSource(spec);
}

TEST(CudaMemoryTest, DeviceAndPinnedMemoryEqualThePlan) {
  if (SkipWithoutEmulation()) return;
  TheEmulation().reset();
  for (const auto type : {backend::WeightType::kF32, backend::WeightType::kF16}) {
    for (const int32_t sessions : {1, 5}) {
      engine::EngineOptions options = CudaOptions();
      options.sessions = sessions;
      engine::LogRing log(engine::LogLevel::kError);
      const auto source = SmallModel(type);
      const auto resources =
          engine::LoadResources(*source, options, log, [](float) { return true; }).value();
      const engine::Plan& plan = resources->plan.numbers;
      const int64_t large = plan.weights_bytes + plan.kv_bytes + plan.workspace_bytes;
      EXPECT_EQ(resources->memory->used_bytes(), large);
      EXPECT_EQ(resources->memory->peak_bytes(), large);
      // Of it the host's: the plugin's object, the requests and results of draws, a row of logits.
      const int64_t draw = sizeof(backend::PluginDrawRequest) + sizeof(backend::PluginDrawResult);
      const int64_t on_host = resources->backend->ScratchBytes() +
                              resources->plan.limits.logit_rows * draw +
                              int64_t{resources->plan.config.vocab_size} * 4;
      const LlmrtEmulationCounts counts = Counts();
      const auto taken = static_cast<int64_t>(counts.allocated_bytes + counts.host_bytes);
      // Buffers (three norms, the workspace) are charged as asked for; the device rounds them up.
      EXPECT_GE(taken, large - on_host);
      EXPECT_LE(taken, large - on_host + 4 * 255);
      EXPECT_EQ(taken % 256, 0);
    }
  }
  EXPECT_EQ(Describe(Counts()), Describe({}));
}

TEST(CudaMemoryTest, BudgetHoldsOnTheDevice) {
  if (SkipWithoutEmulation()) return;
  TheEmulation().reset();
  const auto source = SmallModel(backend::WeightType::kF16);
  engine::EngineOptions options = CudaOptions();
  options.sessions = 8;
  const engine::Plan all = OpenEngine(source, options)->GetPlan().value();
  // Half of the KV.
  options.memory_budget_bytes = all.total_bytes - all.kv_bytes / 2;
  const auto engine = OpenEngine(source, options);
  const engine::Plan plan = engine->GetPlan().value();
  EXPECT_LE(plan.total_bytes, options.memory_budget_bytes);
  EXPECT_LT(plan.kv_blocks, all.kv_blocks);
  engine::StreamOptions stream;
  stream.max_tokens = 4;
  Generate(engine, {3, 4, 5}, stream);
  EXPECT_LE(engine->GetInfo()->memory_peak_bytes, plan.total_bytes);
}

// Functions of the driver that take memory or make objects.
bool Takes(const std::string& call) {
  return call.find("Alloc") != call.npos || call.find("Create") != call.npos ||
         call.find("Load") != call.npos || call.find("Instantiate") != call.npos ||
         call.find("BeginCapture") != call.npos;
}

TEST(CudaMemoryTest, StepsTakeNothingFromTheDriver) {
  if (SkipWithoutEmulation()) return;
  TheEmulation().reset();
  const auto engine = OpenEngine(SmallModel(backend::WeightType::kF16), CudaOptions());
  engine::StreamOptions stream;
  stream.ignore_eos = true;
  stream.max_tokens = 1;
  Generate(engine, {3, 4, 5}, stream);
  const std::string before = Describe(Counts());
  const int64_t steps = engine->GetInfo()->totals.steps;
  TheEmulation().reset_calls();
  stream.max_tokens = 25;
  for (const bool on_host : {false, true}) {
    stream.sampling.logprobs = on_host;
    Generate(engine, {8, 9}, stream);
  }
  EXPECT_GE(engine->GetInfo()->totals.steps - steps, 50);
  EXPECT_EQ(Describe(Counts()), before);
  for (uint64_t i = 0; i < TheEmulation().calls(); ++i) {
    EXPECT_FALSE(Takes(TheEmulation().call_name(i))) << TheEmulation().call_name(i);
  }
}

int64_t CountFiles() {
  int64_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

int64_t CountMappings(bool* plugin) {
  std::ifstream maps("/proc/self/maps");
  int64_t count = 0;
  *plugin = false;
  for (std::string line; std::getline(maps, line); ++count) {
    *plugin |= line.find("libllmrt_cuda") != line.npos;
  }
  return count;
}

TEST(CudaMemoryTest, AHundredLivesLeaveNothing) {
  if (SkipWithoutEmulation()) return;
  TheEmulation().reset();
  const auto source = SmallModel(backend::WeightType::kF16);
  engine::StreamOptions stream;
  stream.max_tokens = 1;
  int64_t files = 0, mappings = 0, heap = 0;
  bool plugin = false;
  // The first ones fill the caches of the loader and of malloc.
  for (int life = 0; life <= 100; ++life) {
    {
      engine::EngineOptions options = CudaOptions();
      options.pumped = true;
      const auto engine = OpenEngine(source, options);
      if (life % 10 == 0) Generate(engine, {3, 4, 5}, stream, 1000);
    }
    TheEmulation().reset_calls();
    if (life != 20 && life != 100) continue;
    // Measured before anything of it is counted itself.
    const int64_t heap_now = static_cast<int64_t>(mallinfo2().uordblks + mallinfo2().hblkhd);
    const int64_t files_now = CountFiles(), mappings_now = CountMappings(&plugin);
    EXPECT_FALSE(plugin) << "the plugin is still loaded";
    if (life == 100) {
      EXPECT_EQ(files_now, files);
      if (memory::HeapIsCounted()) {  // sanitizers keep freed memory, and map more of it
        EXPECT_LE(mappings_now, mappings + 1);
        // Not a hundred bytes a life; what malloc keeps at hand differs by as much.
        EXPECT_LE(heap_now, heap + 8000);
      }
    }
    files = files_now;
    mappings = mappings_now;
    heap = heap_now;
  }
  EXPECT_EQ(Describe(Counts()), Describe({}));
}

}  // namespace
}  // namespace llmrt::testing
