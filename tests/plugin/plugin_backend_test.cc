#include "plugin/plugin_backend.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/plugin/plugin_fixture.h"

namespace llmrt::plugin {
namespace {

using backend::WeightType;
using ::testing::HasSubstr;

using PluginBackendTest = PluginFixture;

TEST_F(PluginBackendTest, SaysWhatItIs) {
  backend_ = Create({.device_index = 1}).value();
  EXPECT_EQ(backend_->device(), "cuda:1");
  EXPECT_EQ(backend_->DeviceClass(), "cuda/sm_90");
  EXPECT_EQ(backend_->num_threads(), 1);
  EXPECT_EQ(backend_->max_head_dim(), 256);
  EXPECT_EQ(backend_->OverheadBytes(), fake_.overhead_bytes);
  EXPECT_EQ(backend_->FreeBytes(), fake_.free_bytes);
  EXPECT_TRUE(backend_->draws());
  EXPECT_EQ(backend_->graph_slots(), backend::kPluginGraphSlots);
}

TEST_F(PluginBackendTest, TheHostsContextAndStreamArePassedOn) {
  backend_ = Create({.context = 0x1234, .stream = -16}).value();
  EXPECT_EQ(fake_.open_options.context, 0x1234u);
  EXPECT_EQ(fake_.open_options.stream, 0xfffffffffffffff0u);
}

TEST_F(PluginBackendTest, WhatItCannotDoIsRefusedBeforeADeviceIsOpened) {
  const absl::Status reference = Create({.numerics = backend::NumericMode::kReference}).status();
  EXPECT_EQ(reference.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(reference.message()), HasSubstr("use device cpu"));
  EXPECT_EQ(Create({.stream = 5}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PluginBackend::Create(*fake_.Table("x"), nullptr, {}).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_TRUE(fake_.calls.empty());
}

TEST_F(PluginBackendTest, RunsFloatWeightsInTheClassesOfMatrixUnits) {
  Open();
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = static_cast<WeightType>(i);
    EXPECT_EQ(backend_->RunsWeights(type), !backend::IsQuantized(type));
  }
  EXPECT_EQ(backend_->ClassFor(WeightType::kF32).name, "float32-lanes-16");
  EXPECT_EQ(backend_->ClassFor(WeightType::kF16).name, "float16-mma-16");
  EXPECT_EQ(backend_->ClassFor(WeightType::kBF16).name, "bfloat16-mma-16");
  // Rows of activations and of weights are equally long: kernels walk both with one stride.
  for (const auto type : {WeightType::kF32, WeightType::kF16, WeightType::kBF16}) {
    for (const int64_t cols : {1, 32, 33, 64, 65, 172, 4096}) {
      const auto matrix = backend_->CreateMatrix(type, 1, cols).value();
      EXPECT_EQ(backend::ActivationRowBytes(backend_->ClassFor(type).activation, cols),
                static_cast<PluginMatrix&>(*matrix).row_stride());
    }
  }
}

TEST_F(PluginBackendTest, ModeFastIsModeExact) {
  auto fast = Create({.numerics = backend::NumericMode::kFast});
  ASSERT_TRUE(fast.ok());
  EXPECT_EQ((*fast)->ClassFor(WeightType::kF16).name, "float16-mma-16");
}

TEST_F(PluginBackendTest, ThePluginsObjectsAreScratchAndChargedForAsLongAsItLives) {
  Open();
  EXPECT_EQ(backend_->ScratchBytes(), fake_.heap_bytes);
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kWorkspace), fake_.heap_bytes);
  backend_.reset();
  EXPECT_EQ(memory_.used_bytes(), 0);
  EXPECT_EQ(fake_.open_devices, 0);
  memory::LargeMemory small(fake_.heap_bytes - 1);
  EXPECT_EQ(PluginBackend::Create(*fake_.Table("x"), nullptr, {.memory = &small}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fake_.open_devices, 0);
}

TEST_F(PluginBackendTest, MemoryTakenIsWhatThePlannerWasTold) {
  Open();
  const int64_t before = memory_.used_bytes();
  {
    const auto matrix = backend_->CreateMatrix(WeightType::kBF16, 10, 172).value();
    EXPECT_EQ(memory_.used_bytes() - before, backend_->MatrixBytes(WeightType::kBF16, 10, 172));
  }
  {
    const auto cache = backend_->CreateKvCache(kShape, 7).value();
    EXPECT_EQ(memory_.used_bytes() - before, 7 * backend_->KvBlockBytes(kShape));
    EXPECT_EQ(cache->num_blocks(), 7);
  }
  {
    const auto buffer = backend_->CreateBuffer(1001, memory::Tag::kWeights).value();
    EXPECT_EQ(memory_.used_bytes() - before, 1001);
  }
  EXPECT_EQ(memory_.used_bytes(), before);
  EXPECT_EQ(backend_->MatrixBytes(WeightType::kQ8_0, 1, 32), 0);
}

TEST_F(PluginBackendTest, TransfersReachTheDevice) {
  Open();
  auto matrix = backend_->CreateMatrix(WeightType::kF32, 2, 2).value();
  const std::vector<uint8_t> row(8, 3);
  EXPECT_TRUE(backend_->WriteRows(*matrix, 1, row).ok());
  auto buffer = backend_->CreateBuffer(8, memory::Tag::kWorkspace).value();
  EXPECT_TRUE(backend_->Upload(*buffer, 0, row).ok());
  std::vector<uint8_t> out(8);
  EXPECT_TRUE(backend_->Download(*buffer, 0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out, row);
  auto cache = backend_->CreateKvCache(kShape, 2).value();
  EXPECT_TRUE(backend_->CopyKvBlocks(*cache, {{.from = 0, .to = 1}}).ok());
  std::vector<uint8_t> block(static_cast<size_t>(kShape.BlockBytes()), 1);
  EXPECT_TRUE(backend_->ReadKvBlock(*cache, 1, absl::MakeSpan(block)).ok());
  EXPECT_EQ(block, std::vector<uint8_t>(block.size(), 0));
}

TEST_F(PluginBackendTest, HeadsBeyondTheKernelsAreRefused) {
  Open();
  backend::KvShape shape = kShape;
  shape.head_dim = 257;
  EXPECT_EQ(backend_->CreateKvCache(shape, 1).status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(PluginBackendTest, BandwidthIsMeasuredWithWhatMemoryThereIs) {
  Open();
  EXPECT_EQ(backend_->MeasureReadBandwidth(), 3e12);
  EXPECT_EQ(memory_.peak_bytes() - memory_.used_bytes(), 1 << 30);
  Fail("measure_read_bandwidth");
  EXPECT_EQ(backend_->MeasureReadBandwidth(), 0);
  Fail("allocate", 8);
  EXPECT_EQ(backend_->MeasureReadBandwidth(), 0);
  EXPECT_EQ(memory_.used_bytes(), backend_->ScratchBytes());
  memory::LargeMemory small(int64_t{300} << 20);
  fake_.fail_code = 0;
  auto other = PluginBackend::Create(*fake_.Table("x"), nullptr, {.memory = &small}).value();
  EXPECT_EQ(other->MeasureReadBandwidth(), 3e12);
  EXPECT_EQ(small.peak_bytes() - small.used_bytes(), 256 << 20);
}

TEST_F(PluginBackendTest, WithoutItsLibraryThereIsNoBackend) {
  EXPECT_EQ(
      backend::CreatePluginBackend({.memory = &memory_, .folder = "/nowhere"}).status().code(),
      absl::StatusCode::kNotFound);
}

TEST_F(PluginBackendTest, ItsLibraryStaysAsLongAsIt) {
  backend_ = backend::CreatePluginBackend(
                 {.memory = &memory_, .folder = absl::StrCat(LLMRT_FAKE_PLUGINS, "/right")})
                 .value();
  EXPECT_EQ(backend_->device(), "cuda:0");
  auto buffer = backend_->CreateBuffer(64, memory::Tag::kWorkspace);
  EXPECT_TRUE(buffer.ok());
}

}  // namespace
}  // namespace llmrt::plugin
