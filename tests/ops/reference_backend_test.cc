// The reference backend's ops are the plain ones, checked and counted like any backend's.
#include <cmath>
#include <new>
#include <stdexcept>
#include <vector>

#include "backend/create_backend.h"
#include "gtest/gtest.h"
#include "ops/matmul.h"
#include "ops/prepare.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

using backend::ActivationFormat;
using backend::WeightType;

class ReferenceBackendTest : public testing::Test {
 protected:
  memory::LargeMemory memory_{1 << 20};
  std::unique_ptr<backend::Backend> backend_ =
      backend::CreateReferenceBackend(
          {.memory = &memory_, .numerics = backend::NumericMode::kReference})
          .value();
};

TEST_F(ReferenceBackendTest, SaysWhatItIs) {
  EXPECT_EQ(backend_->device(), "cpu");
  EXPECT_EQ(backend_->DeviceClass(), "cpu/reference");
  EXPECT_EQ(backend_->num_threads(), 1);
  for (const WeightType type : kAllWeightTypes) {
    EXPECT_EQ(backend_->ClassFor(type).activation, ActivationFormat::kF32);
    EXPECT_EQ(backend_->ClassFor(type).name, "float32-plain");
  }
  EXPECT_FALSE(backend::CreateReferenceBackend({}).ok());
}

// It has the interface's own RunTasks, as every backend has that loads on one thread.
TEST_F(ReferenceBackendTest, TasksRunInOrderAndTheirExceptionsBecomeStatuses) {
  std::vector<int64_t> ran;
  ASSERT_TRUE(backend_
                  ->RunTasks(3,
                             [&](int64_t task, int32_t worker) {
                               EXPECT_EQ(worker, 0);
                               ran.push_back(task);
                             })
                  .ok());
  EXPECT_EQ(ran, (std::vector<int64_t>{0, 1, 2}));
  ran.clear();
  const auto fail = [&](auto error) {
    return backend_->RunTasks(3, [&](int64_t task, int32_t) {
      ran.push_back(task);
      if (task == 1) throw error;
    });
  };
  EXPECT_EQ(fail(std::bad_alloc()).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fail(std::runtime_error("it")).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(fail(7).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ran, (std::vector<int64_t>{0, 1, 0, 1, 0, 1})) << "the last one is left out";
}

TEST_F(ReferenceBackendTest, ProductsUseUnroundedActivations) {
  Random random(1);
  auto weight = backend_->CreateMatrix(WeightType::kQ4_0, 4, 64).value();
  ASSERT_TRUE(
      backend_
          ->WriteRows(*weight, 0, RandomWeights(random, WeightType::kQ4_0, 4, 64, Spread::kNormal))
          .ok());
  const auto in = RandomFloats(random, 2 * 64, Spread::kNormal);
  std::vector<uint8_t> prepared(2 * backend::ActivationRowBytes(ActivationFormat::kF32, 64));
  ASSERT_TRUE(
      backend_->Prepare({.in = in.data(), .cols = 64, .out = prepared.data()}, {0, 2}).ok());
  std::vector<float> out(8), expected(8);
  backend::MatMulParams params = {.weight = weight.get(),
                                  .activations = prepared.data(),
                                  .num_rows = 2,
                                  .out = out.data(),
                                  .out_stride = 4};
  ASSERT_TRUE(backend_->MatMul({params}, {0, 1}).ok());
  ASSERT_TRUE(backend_->MatMul({params}, {1, 4}).ok());
  params.out = expected.data();
  PlainMatMul({params}, {0, 4});
  EXPECT_EQ(FirstDifference(out, expected), -1);
}

TEST_F(ReferenceBackendTest, HeadsMayBeLargerThanTheKernelsHold) {
  EXPECT_GE(backend_->max_head_dim(), 1024);
  EXPECT_TRUE(
      backend_->CreateKvCache({.num_layers = 1, .num_kv_heads = 1, .head_dim = 1024}, 1).ok());
}

TEST_F(ReferenceBackendTest, AStepOfOneTokenAttendsToItself) {
  const backend::KvShape shape = {.num_layers = 1,
                                  .num_kv_heads = 1,
                                  .head_dim = 4,
                                  .block_size = 16,
                                  .type = backend::KvType::kF32};
  auto cache = backend_->CreateKvCache(shape, 1).value();
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kKv), backend_->KvBlockBytes(shape));
  const std::vector<int32_t> table = {0};
  OwnedBatch batch;
  batch.tables.emplace_back(table);
  batch.Add(0, 0);
  const backend::Batch view = batch.View();
  std::vector<float> rope = {1, 0, 1, 0}, q = {1, 2, 3, 4}, k = q, v = {5, 6, 7, 8}, out(4);
  ASSERT_TRUE(backend_->BeginStep(view, {}).ok());
  ASSERT_TRUE(backend_
                  ->RopeStore({.batch = &view,
                               .rope_table = rope.data(),
                               .rope_dims = 4,
                               .q = q.data(),
                               .num_q_heads = 1,
                               .k = k.data(),
                               .v = v.data(),
                               .cache = cache.get()},
                              {0, 1})
                  .ok());
  ASSERT_TRUE(backend_
                  ->Attention({.batch = &view,
                               .q = q.data(),
                               .num_q_heads = 1,
                               .scale = 0.5f,
                               .cache = cache.get(),
                               .out = out.data()},
                              {0, 1})
                  .ok());
  ASSERT_TRUE(backend_->EndStep(-1).ok());
  EXPECT_EQ(out, v);
}

TEST_F(ReferenceBackendTest, ElementwiseOpsGoThroughTheirChecks) {
  std::vector<float> x = {3, 4}, one = {1, 1}, out(2);
  ASSERT_TRUE(
      backend_
          ->RmsNorm(
              {.in = x.data(), .weight = one.data(), .dim = 2, .epsilon = 3.5f, .out = out.data()},
              {0, 1})
          .ok());
  EXPECT_EQ(out, (std::vector<float>{0.75f, 1.0f}));
  ASSERT_TRUE(
      backend_->SwiGlu({.gate = one.data(), .up = x.data(), .dim = 2, .out = out.data()}, {0, 1})
          .ok());
  // Rounded once: half an ulp of a float in [2, 4). The errors in double are 2^-29 of that.
  EXPECT_NEAR(out[0], 3 / (1 + std::exp(-1.0)), 0x1.0001p-23);
  EXPECT_FALSE(backend_->RmsNorm({}, {0, 1}).ok());
  EXPECT_FALSE(backend_->SwiGlu({}, {0, 1}).ok());
  EXPECT_FALSE(backend_->Embed({}, {0, 1}).ok());
  EXPECT_FALSE(backend_->Prepare({}, {0, 1}).ok());
  EXPECT_FALSE(backend_->MatMul({}, {0, 1}).ok());
  EXPECT_FALSE(backend_->RopeStore({}, {0, 1}).ok());
  EXPECT_FALSE(backend_->Attention({}, {0, 1}).ok());
}

TEST_F(ReferenceBackendTest, TheBudgetHolds) {
  EXPECT_EQ(backend_->CreateMatrix(WeightType::kF32, 1024, 1024).status().code(),
            absl::StatusCode::kResourceExhausted);
  auto matrix = backend_->CreateMatrix(WeightType::kQ8_0, 8, 32).value();
  EXPECT_EQ(memory_.used_bytes(), backend_->MatrixBytes(WeightType::kQ8_0, 8, 32));
}

TEST_F(ReferenceBackendTest, RowsLeaveAStep) {
  const std::vector<int32_t> one = {0};
  EXPECT_FALSE(backend_->ChangeBatch({.tokens = one}, {}).ok());
  EXPECT_TRUE(backend_->ChangeBatch({}, {}).ok());
  std::vector<uint8_t> rows = {1, 2, 3, 4};
  EXPECT_FALSE(backend_->MoveRows({}).ok());
  ASSERT_TRUE(
      backend_->MoveRows({.rows = rows.data(), .row_bytes = 1, .from = 1, .to = 0, .count = 3})
          .ok());
  EXPECT_EQ(rows, (std::vector<uint8_t>{2, 3, 4, 4}));
}

}  // namespace
}  // namespace llmrt::ops
