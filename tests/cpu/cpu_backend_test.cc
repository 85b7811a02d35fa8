// The backend around the kernels: memory, errors, tiers.
#include "cpu/cpu_backend.h"

#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "ops/move_rows.h"
#include "tests/cpu/counted_kernels.h"

namespace llmrt::cpu {
namespace {

using backend::BackendOptions;
using backend::CpuTier;
using backend::WeightType;

TEST(CpuBackendTest, SaysWhatItIs) {
  memory::LargeMemory memory(0);
  auto best = backend::CreateCpuBackend({.memory = &memory, .threads = 2}).value();
  EXPECT_EQ(best->device(), "cpu");
  EXPECT_EQ(best->DeviceClass(), absl::StrCat("cpu/", TierName(PickTier(CpuTier::kBest).value())));
  EXPECT_EQ(best->num_threads(), 2);
  EXPECT_EQ(best->ClassFor(WeightType::kQ4_K).name, "int8-blocks-32");
  EXPECT_EQ(best->ClassFor(WeightType::kBF16).name, "bfloat16-pairs");
  EXPECT_EQ(best->ClassFor(WeightType::kF16).name, "float32-lanes-16");
  EXPECT_GE(best->MeasureReadBandwidth(), 0.0);  // read_bandwidth_test.cc has the rest
  auto portable =
      backend::CreateCpuBackend({.memory = &memory, .threads = 1, .tier = CpuTier::kPortable})
          .value();
  EXPECT_EQ(portable->DeviceClass(), "cpu/portable");
  auto all_cores = backend::CreateCpuBackend({.memory = &memory}).value();
  EXPECT_EQ(all_cores->num_threads(), CountUsableCores());
}

TEST(CpuBackendTest, TiersThatTheMachineLacksAreRefused) {
  memory::LargeMemory memory(0);
  for (const CpuTier tier : {CpuTier::kAvx2, CpuTier::kAvx512, CpuTier::kVnni, CpuTier::kAmx}) {
    EXPECT_EQ(
        backend::CreateCpuBackend({.memory = &memory, .threads = 1, .tier = tier}).status().code(),
        RunsTier(tier) ? absl::StatusCode::kOk : absl::StatusCode::kFailedPrecondition);
  }
}

TEST(CpuBackendTest, WrongOptionsAreRefused) {
  EXPECT_FALSE(backend::CreateCpuBackend({}).ok());
  memory::LargeMemory memory(0);
  EXPECT_FALSE(
      backend::CreateCpuBackend({.memory = &memory, .numerics = backend::NumericMode::kReference})
          .ok());
  EXPECT_EQ(backend::CreateCpuBackend({.memory = &memory, .threads = -1}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CpuBackendTest, EveryByteGoesThroughTheBudgetAndComesBack) {
  memory::LargeMemory memory(0);
  {
    auto backend = backend::CreateCpuBackend({.memory = &memory, .threads = 2}).value();
    EXPECT_EQ(memory.used_bytes(memory::Tag::kWorkspace), 2 * kScratchBytes + kPackedBytes);
    auto matrix = backend->CreateMatrix(WeightType::kQ4_0, 100, 64).value();
    EXPECT_EQ(memory.used_bytes(memory::Tag::kWeights),
              backend->MatrixBytes(WeightType::kQ4_0, 100, 64));
    EXPECT_EQ(backend->MatrixBytes(WeightType::kQ4_0, 100, 64), 112 * 2 * 18);
    const backend::KvShape shape = {.num_layers = 2, .num_kv_heads = 2, .head_dim = 64};
    auto cache = backend->CreateKvCache(shape, 10).value();
    EXPECT_EQ(memory.used_bytes(memory::Tag::kKv), 10 * backend->KvBlockBytes(shape));
    auto buffer = backend->CreateBuffer(1000, memory::Tag::kWorkspace).value();
    EXPECT_EQ(memory.used_bytes(memory::Tag::kWorkspace), 2 * kScratchBytes + kPackedBytes + 1000);
  }
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST(CpuBackendTest, WhatTheBudgetRefusesIsResourceExhausted) {
  memory::LargeMemory none(kScratchBytes + kPackedBytes - 1);
  EXPECT_EQ(backend::CreateCpuBackend({.memory = &none, .threads = 1}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(none.used_bytes(), 0);

  memory::LargeMemory memory(kScratchBytes + kPackedBytes + 1000);
  auto backend = backend::CreateCpuBackend({.memory = &memory, .threads = 1}).value();
  EXPECT_EQ(backend->CreateMatrix(WeightType::kF32, 100, 100).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(backend->CreateBuffer(1001, memory::Tag::kWorkspace).status().code(),
            absl::StatusCode::kResourceExhausted);
  const backend::KvShape shape = {.num_layers = 2, .num_kv_heads = 2, .head_dim = 64};
  EXPECT_EQ(backend->CreateKvCache(shape, 10).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(backend->CreateBuffer(1000, memory::Tag::kWorkspace).ok());
}

TEST(CpuBackendTest, HeadsThatTheKernelsCannotHoldAreRefused) {
  for (const CpuTier tier : TestedTiers()) {
    backend::Backend& backend = BackendFor(tier, 1);
    EXPECT_EQ(backend.max_head_dim(), 512);
    backend::KvShape shape = {.num_layers = 1, .num_kv_heads = 1, .head_dim = 512};
    EXPECT_TRUE(backend.CreateKvCache(shape, 1).ok());
    ++shape.head_dim;
    const absl::Status status = backend.CreateKvCache(shape, 1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_EQ(status.message(),
              "head dimension 513; the CPU kernels go up to 512; use numerics reference");
  }
}

TEST(CpuBackendTest, CopiesAndReadsGoThroughToTheStorage) {
  backend::Backend& backend = BackendFor(CpuTier::kPortable, 1);
  auto buffer = backend.CreateBuffer(16, memory::Tag::kWorkspace).value();
  const std::vector<uint8_t> in = {1, 2, 3, 4};
  std::vector<uint8_t> out(4);
  ASSERT_TRUE(backend.Upload(*buffer, 12, in).ok());
  ASSERT_TRUE(backend.Download(*buffer, 12, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out, in);
  EXPECT_FALSE(backend.Upload(*buffer, 13, in).ok());

  const backend::KvShape shape = {.num_layers = 1, .num_kv_heads = 1, .head_dim = 4};
  auto cache = backend.CreateKvCache(shape, 2).value();
  std::vector<uint8_t> block(shape.BlockBytes());
  EXPECT_TRUE(backend.CopyKvBlocks(*cache, {{0, 1}}).ok());
  EXPECT_FALSE(backend.CopyKvBlocks(*cache, {{0, 2}}).ok());
  EXPECT_TRUE(backend.ReadKvBlock(*cache, 1, absl::MakeSpan(block)).ok());
  EXPECT_FALSE(backend.ReadKvBlock(*cache, 2, absl::MakeSpan(block)).ok());
}

TEST(CpuBackendTest, OpsRefuseWhatTheChecksRefuse) {
  backend::Backend& backend = BackendFor(CpuTier::kPortable, 1);
  EXPECT_FALSE(backend.Embed({}, {0, 1}).ok());
  EXPECT_FALSE(backend.RmsNorm({}, {0, 1}).ok());
  EXPECT_FALSE(backend.Prepare({}, {0, 1}).ok());
  EXPECT_FALSE(backend.MatMul({}, {0, 1}).ok());
  EXPECT_FALSE(backend.RopeStore({}, {0, 1}).ok());
  EXPECT_FALSE(backend.Attention({}, {0, 1}).ok());
  EXPECT_FALSE(backend.SwiGlu({}, {0, 1}).ok());
  EXPECT_FALSE(backend.MoveRows({}).ok());
  const std::vector<int32_t> one = {0};
  EXPECT_FALSE(backend.BeginStep({.tokens = one}, {}).ok());
  EXPECT_TRUE(backend.BeginStep({}, {}).ok());
  EXPECT_FALSE(backend.ChangeBatch({.tokens = one}, {}).ok());
  EXPECT_TRUE(backend.ChangeBatch({}, {}).ok());
  EXPECT_TRUE(backend.EndStep(-1).ok());
}

// Rows of every width around the pieces that threads take, moved less far and farther than they are
// many.
TEST(CpuBackendTest, RowsMoveAsTheOracleMovesThem) {
  std::mt19937 random(3);
  for (const int32_t threads : {1, 2, 3}) {
    backend::Backend& backend = BackendFor(CpuTier::kPortable, threads);
    for (const int64_t row_bytes : {1, 4, 1000, 1024, 1028, 3000, 9000}) {
      for (const int64_t from : {0, 1, 5, 12}) {
        std::vector<uint8_t> rows(static_cast<size_t>(20 * row_bytes));
        for (uint8_t& byte : rows) byte = static_cast<uint8_t>(random());
        std::vector<uint8_t> expected = rows;
        backend::MoveRowsParams params{
            .rows = rows.data(), .row_bytes = row_bytes, .from = from, .to = from / 2, .count = 8};
        ASSERT_TRUE(backend.MoveRows(params).ok());
        params.rows = expected.data();
        ops::OracleMoveRows(params);
        EXPECT_EQ(rows, expected) << threads << " threads, " << row_bytes << " bytes";
      }
    }
  }
}

}  // namespace
}  // namespace llmrt::cpu
