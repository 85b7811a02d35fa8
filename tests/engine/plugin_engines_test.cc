// Engines on a device of a plugin: which device "auto" takes and what it says about that, what a
// device that lacks something leaves behind, and what becomes of an engine whose device is lost.
// The device is tests/plugin's fake one: its ops do nothing, and a draw follows from the request
// alone.
#include <dirent.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine_core.h"
#include "engine/resources.h"
#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

using llmrt::testing::RandomModelSpec;

constexpr int32_t kDeviceLost = 100;  // backend::kPluginDeviceLost

// The fake's state lives as long as its library is loaded: from the first test that wants it to the
// end of that test.
class PluginEnginesTest : public ::testing::Test {
 protected:
  PluginEnginesTest() {
    library_ = dlopen(absl::StrCat(Folder(), "/libllmrt_cuda.so." LLMRT_PLUGIN_VERSION).c_str(),
                      RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) throw std::runtime_error(dlerror());
  }
  ~PluginEnginesTest() override {
    Fail("", 0);
    EXPECT_EQ(HeldBytes(), 0);
    EXPECT_EQ(Call<int32_t()>("fake_plugin_open_devices")(), 0);
    dlclose(library_);
  }

  static std::string Folder() { return LLMRT_FAKE_PLUGIN; }
  static EngineOptions On(const std::string& device) {
    EngineOptions options;
    options.device = device;
    options.plugin_folder = Folder();
    options.step_tokens = 32;
    return options;
  }

  template <typename Function>
  Function* Call(const char* name) {
    return reinterpret_cast<Function*>(dlsym(library_, name));
  }
  // Calls of a function on a device (-1: any) fail with `code`, after `skip` that do not.
  void Fail(const char* call, int32_t code, int32_t device = -1, int32_t skip = 0) {
    Call<void(const char*, int32_t, int32_t, int32_t)>("fake_plugin_fail")(call, device, skip,
                                                                           code);
  }
  void SetFreeBytes(int64_t bytes) { Call<void(int64_t)>("fake_plugin_set_free_bytes")(bytes); }
  int64_t HeldBytes() { return Call<int64_t()>("fake_plugin_held_bytes")(); }

  static absl::Status LoadStatus(const EngineOptions& options, const RandomModelSpec& spec = {}) {
    return Engine::Create(llmrt::testing::RandomSource(spec), options).value()->WaitLoad(-1);
  }
  static std::shared_ptr<Engine> Open(const EngineOptions& options,
                                      const RandomModelSpec& spec = {}) {
    return llmrt::testing::OpenEngine(llmrt::testing::RandomSource(spec), options);
  }
  static StreamOptions Tokens(int64_t count) {
    StreamOptions options;
    options.max_tokens = count;
    options.ignore_eos = true;
    options.sampling.temperature = 0;
    return options;
  }
  // What the fake draws behind a prompt of that length.
  static std::vector<int32_t> Drawn(int64_t prompt, int64_t count) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < count; ++i) {
      tokens.push_back(static_cast<int32_t>(((prompt + i) * 7 + 3) % 300));
    }
    return tokens;
  }

 private:
  void* library_ = nullptr;
};

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

TEST_F(PluginEnginesTest, AutoTakesADeviceThatRunsTheModelAndSaysSo) {
  const auto engine = Open(On("auto"));
  EXPECT_EQ(engine->PollLog(1000).value().text,
            "device auto: using cuda:0: the first that runs the model");
  const std::string fingerprint = engine->GetFingerprint().value();
  EXPECT_TRUE(Contains(fingerprint, ";device=cuda/sm_90;")) << fingerprint;
  EXPECT_TRUE(Contains(fingerprint, ";placement=cuda:0")) << fingerprint;
  EXPECT_EQ(llmrt::testing::Generate(engine, {1, 2, 3}, Tokens(40)).tokens, Drawn(3, 40));
}

TEST_F(PluginEnginesTest, AutoIsTheCpuWhereTheDeviceWillNotDoAndLeavesNothingThere) {
  const auto chosen = [&](const EngineOptions& options, const RandomModelSpec& spec) {
    const auto engine = Open(options, spec);
    EXPECT_TRUE(Contains(engine->GetFingerprint().value(), ";placement=cpu"));
    EXPECT_EQ(HeldBytes(), 0);
    EXPECT_EQ(llmrt::testing::Generate(engine, {1, 2, 3}, Tokens(4)).tokens.size(), 4u);
    return engine->PollLog(2000).value().text;
  };
  EngineOptions nowhere = On("auto");
  nowhere.plugin_folder = "/nowhere";
  EXPECT_TRUE(Contains(chosen(nowhere, {}),
                       "device auto: using cpu: device 'cuda:0' cannot be used: there is no "
                       "/nowhere/libllmrt_cuda.so."));
  EXPECT_TRUE(Contains(chosen(On("auto"), {.type = backend::WeightType::kQ8_0}),
                       "device auto: using cpu: tensor token_embd.weight is Q8_0; cuda:0 runs F32, "
                       "F16, BF16"));
  SetFreeBytes(1000);
  EXPECT_TRUE(Contains(chosen(On("auto"), {}), "using cpu: cuda:0 has 1000 bytes free; "));
  SetFreeBytes(int64_t{1} << 40);
  // Memory that ran out in the middle of the load, a device that failed there, no device at all.
  Fail("allocate", 8, -1, 5);
  EXPECT_TRUE(Contains(chosen(On("auto"), {}), "using cpu: the fake device fails"));
  Fail("upload", kDeviceLost, -1, 20);
  EXPECT_TRUE(Contains(chosen(On("auto"), {}), "using cpu: the fake device fails"));
  Fail("count_devices", 5);
  EXPECT_TRUE(Contains(chosen(On("auto"), {}), "using cpu: device 'cuda:0' cannot be used: "));
}

TEST_F(PluginEnginesTest, AutoDoesNotHideWhatTheModelOrTheHostIsToBlameFor) {
  EXPECT_EQ(LoadStatus(On("auto"), {.left_out = "blk.1.ffn_up.weight"}).code(),
            absl::StatusCode::kDataLoss);
  EngineOptions options = On("auto");
  options.context_length = 1000;
  EXPECT_EQ(LoadStatus(options).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(PluginEnginesTest, ReferenceNumericsAreTheCpus) {
  EngineOptions options = On("auto");
  options.numerics = backend::NumericMode::kReference;
  EXPECT_TRUE(Contains(Open(options)->GetFingerprint().value(), "device=cpu/reference"));
  options.device = "cuda:0";
  const absl::Status status = LoadStatus(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(Contains(status.message(), "use device cpu")) << status;
}

TEST_F(PluginEnginesTest, ANamedDeviceIsThatOneOrAnError) {
  EXPECT_TRUE(LoadStatus(On("cuda")).ok());
  EXPECT_TRUE(LoadStatus(On("cuda:1")).ok());
  const absl::Status missing = LoadStatus(On("cuda:7"));
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Contains(missing.message(),
                       "device 'cuda:7' cannot be used: there is no CUDA "
                       "device 7; this machine has 2"))
      << missing;
  const absl::Status type = LoadStatus(On("cuda:0"), {.type = backend::WeightType::kQ4_0});
  EXPECT_EQ(type.code(), absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(Contains(type.message(), "token_embd.weight is Q4_0")) << type;
  EXPECT_TRUE(Contains(type.message(), "use device cpu")) << type;
  SetFreeBytes(100000);
  const absl::Status full = LoadStatus(On("cuda:0"));
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Contains(full.message(), "cuda:0 has 100000 bytes free; weights need ")) << full;
}

TEST_F(PluginEnginesTest, DeviceMemoryInUseEqualsThePlanToTheByte) {
  LogRing log(LogLevel::kInfo);
  for (const auto type :
       {backend::WeightType::kF32, backend::WeightType::kF16, backend::WeightType::kBF16}) {
    const auto source = llmrt::testing::RandomSource({.type = type});
    const auto resources = LoadResources(*source, On("cuda:0"), log, [](float) { return true; });
    ASSERT_TRUE(resources.ok()) << resources.status();
    const Plan& plan = (*resources)->plan.numbers;
    const memory::LargeMemory& memory = *(*resources)->memory;
    EXPECT_EQ(memory.used_bytes(memory::Tag::kWeights), plan.weights_bytes);
    EXPECT_EQ(memory.used_bytes(memory::Tag::kKv), plan.kv_bytes);
    EXPECT_EQ(memory.used_bytes(memory::Tag::kWorkspace), plan.workspace_bytes);
    EXPECT_EQ(memory.peak_bytes(), plan.total_bytes - plan.heap_bytes);
    EXPECT_EQ(plan.overhead_bytes, 500 << 20);
  }
}

TEST_F(PluginEnginesTest, ThePlansTotalIsASufficientBudget) {
  EngineOptions options = On("cuda:0");
  options.memory_budget_bytes = Open(options)->GetPlan().value().total_bytes;
  const auto engine = Open(options);
  EXPECT_EQ(engine->GetPlan().value().total_bytes, options.memory_budget_bytes);
  EXPECT_EQ(llmrt::testing::Generate(engine, {1, 2, 3}, Tokens(600)).tokens, Drawn(3, 600));
  EXPECT_LE(engine->GetInfo().value().memory_peak_bytes, options.memory_budget_bytes);
}

TEST_F(PluginEnginesTest, APlanOfTheDeviceIsWhatTheLoadCarriesOut) {
  const auto model = Open(On("cpu"))->GetModel().value();
  for (const char* device : {"auto", "cuda:0"}) {
    const auto plan = model->MakePlan(On(device));
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->total_bytes, Open(On(device))->GetPlan().value().total_bytes);
    EXPECT_EQ(plan->overhead_bytes, 500 << 20);
    EXPECT_EQ(plan->read_bandwidth_bytes_per_second, 3e12);
    EXPECT_EQ(HeldBytes(), 0);
  }
  EXPECT_EQ(model->MakePlan(On("cpu"))->overhead_bytes, 0);
  Fail("open", 8);
  EXPECT_EQ(model->MakePlan(On("cuda:0")).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(model->MakePlan(On("auto"))->overhead_bytes, 0) << "the CPU's";
}

TEST_F(PluginEnginesTest, WhatTheDeviceDoesNotDrawTheHostDoes) {
  const auto engine = Open(On("cuda:0"));
  StreamOptions options = Tokens(3);
  options.sampling.logprobs = true;
  const auto generation = llmrt::testing::Generate(engine, {1, 2, 3}, options);
  // Logits of a device that computes nothing are zeros: the first token, one in 300.
  EXPECT_EQ(generation.tokens, (std::vector<int32_t>{0, 0, 0}));
  ASSERT_EQ(generation.logprobs.size(), 3u);
  EXPECT_NEAR(generation.logprobs[0], -std::log(300.0f), 1e-4f);
}

TEST_F(PluginEnginesTest, StreamsThatLeaveAStepTogetherLeaveTheOthersAlone) {
  EngineOptions options = On("cuda:0");
  options.pumped = true;
  options.step_tokens = 512;  // more rows than a recorded step has
  options.tpot_target_us = 0;
  options.sessions = 3;
  const auto engine = Open(options);
  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::shared_ptr<Stream>> streams;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(engine->CreateSession({}).value());
    ASSERT_TRUE(sessions[i]->AppendTokens(std::vector<int32_t>(90, 5)).ok());
    streams.push_back(sessions[i]->Submit(Tokens(10)).value());
  }
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(engine->Step(0).ok());
  streams[0]->Cancel();
  streams[1]->Cancel();
  const auto generation = llmrt::testing::ReadAll(*engine, *streams[2], /*pump_us=*/0);
  EXPECT_EQ(generation.reason, FinishReason::kMaxTokens) << generation.status;
  EXPECT_EQ(generation.tokens, Drawn(90, 10));
}

TEST_F(PluginEnginesTest, ALostDeviceEndsItsEngineAndNoOther) {
  const auto lost = Open(On("cuda:0"));
  const auto other = Open(On("cuda:1"));
  const auto session = lost->CreateSession({}).value();
  ASSERT_TRUE(session->AppendTokens(std::vector<int32_t>{1, 2, 3}).ok());
  Fail("end_step", kDeviceLost, /*device=*/0, /*skip=*/4);
  const auto stream = session->Submit(Tokens(100)).value();
  const auto generation = llmrt::testing::ReadAll(*lost, *stream);
  EXPECT_EQ(generation.reason, FinishReason::kError);
  EXPECT_TRUE(IsUnhealthy(generation.status)) << generation.status;
  EXPECT_TRUE(Contains(generation.status.message(), "the fake device fails"));
  // What was committed stands, and every later call says what has happened.
  EXPECT_EQ(generation.tokens, Drawn(3, 4));
  EXPECT_TRUE(IsUnhealthy(lost->CreateSession({}).status()));
  EXPECT_TRUE(IsUnhealthy(session->Submit(Tokens(1)).status()));
  EXPECT_EQ(llmrt::testing::Generate(other, {1, 2}, Tokens(5)).tokens, Drawn(2, 5));
  lost->Close();
  EXPECT_EQ(llmrt::testing::Generate(other, {1}, Tokens(5)).tokens, Drawn(1, 5));
}

TEST_F(PluginEnginesTest, AHundredLoadsLeaveNothingBehind) {
  const auto count_files = [] {
    int count = 0;
    DIR* const folder = opendir("/proc/self/fd");
    while (readdir(folder) != nullptr) ++count;
    closedir(folder);
    return count;
  };
  const auto source = llmrt::testing::RandomSource({.layers = 1});
  const auto round = [&] {
    const auto engine = llmrt::testing::OpenEngine(source, On("auto"));
    EXPECT_EQ(llmrt::testing::Generate(engine, {1}, Tokens(2)).tokens, Drawn(1, 2));
  };
  round();
  const int files = count_files();
  const int64_t heap = memory::HeapBytes();
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(count_files(), files);
  EXPECT_EQ(memory::HeapBytes(), heap);
  EXPECT_EQ(HeldBytes(), 0);
}

}  // namespace
}  // namespace llmrt::engine
