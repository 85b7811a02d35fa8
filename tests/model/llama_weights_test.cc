#include "model/llama_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "backend/create_backend.h"
#include "tests/model/random_model.h"

namespace llmrt::model {
namespace {

using testing::OpenRandomModel;
using testing::RandomModelSpec;

class LlamaWeightsTest : public ::testing::Test {
 protected:
  std::unique_ptr<backend::Backend> MakeBackend(memory::LargeMemory& memory) {
    backend::BackendOptions options;
    options.memory = &memory;
    options.threads = 1;
    return backend::CreateCpuBackend(options).value();
  }

  memory::LargeMemory memory_{0};
  std::unique_ptr<backend::Backend> backend_ = MakeBackend(memory_);
};

TEST_F(LlamaWeightsTest, LoadingTakesWhatTheCheckSaid) {
  for (const bool tied : {true, false}) {
    RandomModelSpec spec;
    spec.tied = tied;
    spec.type = backend::WeightType::kQ8_0;
    const auto file = OpenRandomModel(spec);
    const LlamaConfig config = ReadLlamaConfig(*file).value();
    const int64_t expected = CheckTensors(*file, config, *backend_).value();
    const auto weights = LoadWeights(*file, config, *backend_, nullptr);
    ASSERT_TRUE(weights.ok()) << weights.status();
    EXPECT_EQ(memory_.used_bytes(memory::Tag::kWeights), expected);
    EXPECT_EQ(weights->output == nullptr, tied);
  }
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kWeights), 0);
}

TEST_F(LlamaWeightsTest, EveryMissingTensorIsNamed) {
  for (const char* name : {"blk.1.attn_k.weight", "blk.0.ffn_norm.weight", "output_norm.weight"}) {
    RandomModelSpec spec;
    spec.left_out = name;
    const auto file = OpenRandomModel(spec);
    const LlamaConfig config = ReadLlamaConfig(*file).value();
    const absl::Status status = CheckTensors(*file, config, *backend_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(status.message().find(name), std::string_view::npos) << status;
  }
}

TEST_F(LlamaWeightsTest, TensorsOfAVariantAreRefusedRatherThanIgnored) {
  RandomModelSpec spec;
  spec.extra = "blk.0.attn_q.bias";
  const auto file = OpenRandomModel(spec);
  const LlamaConfig config = ReadLlamaConfig(*file).value();
  const absl::Status status = CheckTensors(*file, config, *backend_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find("blk.0.attn_q.bias"), std::string_view::npos) << status;
}

TEST_F(LlamaWeightsTest, ATensorOfAnotherShapeIsRefused) {
  const auto file = OpenRandomModel({});
  LlamaConfig config = ReadLlamaConfig(*file).value();
  config.ffn_dim += 1;
  EXPECT_EQ(CheckTensors(*file, config, *backend_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LlamaWeightsTest, ProgressEndsAtTheBytesToRead) {
  const auto file = OpenRandomModel({});
  const LlamaConfig config = ReadLlamaConfig(*file).value();
  int64_t last = 0;
  ASSERT_TRUE(LoadWeights(*file, config, *backend_, [&](int64_t done) {
                EXPECT_GT(done, last);
                last = done;
                return true;
              }).ok());
  EXPECT_EQ(last, BytesToRead(*file));
}

TEST_F(LlamaWeightsTest, ACancelledLoadGivesItsMemoryBack) {
  const auto file = OpenRandomModel({});
  const LlamaConfig config = ReadLlamaConfig(*file).value();
  int calls = 0;
  const auto weights = LoadWeights(*file, config, *backend_, [&](int64_t) { return ++calls < 5; });
  EXPECT_EQ(weights.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kWeights), 0);
}

TEST_F(LlamaWeightsTest, RefusedMemoryIsAStatus) {
  const auto file = OpenRandomModel({});
  memory::LargeMemory little(backend_->ScratchBytes() + 100000);
  const auto backend = MakeBackend(little);
  const LlamaConfig config = ReadLlamaConfig(*file).value();
  EXPECT_EQ(LoadWeights(*file, config, *backend, nullptr).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(little.used_bytes(memory::Tag::kWeights), 0);
}

TEST_F(LlamaWeightsTest, WhatDoesNotFitIsRefusedBeforeAnythingIsRead) {
  const auto file = OpenRandomModel({});
  const LlamaConfig config = ReadLlamaConfig(*file).value();
  const int64_t needed = CheckTensors(*file, config, *backend_).value();
  memory::LargeMemory little(backend_->ScratchBytes() + needed - 1);
  const auto backend = MakeBackend(little);
  int looks = 0;
  EXPECT_EQ(
      LoadWeights(*file, config, *backend, [&](int64_t) { return ++looks > 0; }).status().code(),
      absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(looks, 0);
}

TEST_F(LlamaWeightsTest, ContentHashTellsModelsApart) {
  RandomModelSpec spec;
  const auto hash = [&] {
    const auto file = OpenRandomModel(spec);
    return LoadWeights(*file, ReadLlamaConfig(*file).value(), *backend_, nullptr)->content_hash;
  };
  const uint64_t first = hash();
  EXPECT_EQ(hash(), first);
  spec.seed = 2;
  EXPECT_NE(hash(), first);
}

// A head has 16 dimensions: 8 pairs.
RandomModelSpec WithDivisors(float last) {
  RandomModelSpec spec;
  spec.rope_divisors = {1, 1, 1, 1, 2, 2, 4, last};
  return spec;
}

LlamaConfig WholeConfig(const formats::ModelFile& file) {
  LlamaConfig config = ReadLlamaConfig(file).value();
  config.rope.freq_divisors = ReadRopeDivisors(file).value();
  return config;
}

TEST_F(LlamaWeightsTest, ContentHashTellsRopeDivisorsApart) {
  const auto hash = [&](float last) {
    const auto file = OpenRandomModel(WithDivisors(last));
    return LoadWeights(*file, WholeConfig(*file), *backend_, nullptr)->content_hash;
  };
  EXPECT_EQ(hash(8), hash(8));
  EXPECT_NE(hash(8), hash(16));
}

TEST_F(LlamaWeightsTest, ProgressCountsTheRopeDivisors) {
  const auto file = OpenRandomModel(WithDivisors(8));
  int64_t last = 0;
  ASSERT_TRUE(LoadWeights(*file, WholeConfig(*file), *backend_, [&](int64_t done) {
                last = done;
                return true;
              }).ok());
  EXPECT_EQ(last, BytesToRead(*file));
}

TEST_F(LlamaWeightsTest, LoadingWithoutTheFilesRopeDivisorsIsAnError) {
  const auto file = OpenRandomModel(WithDivisors(8));
  const auto weights = LoadWeights(*file, ReadLlamaConfig(*file).value(), *backend_, nullptr);
  EXPECT_EQ(weights.status().code(), absl::StatusCode::kInternal);
}

TEST_F(LlamaWeightsTest, AModelWithoutRopeDivisorsHasNone) {
  EXPECT_TRUE(ReadRopeDivisors(*OpenRandomModel({}))->empty());
}

TEST_F(LlamaWeightsTest, RopeDivisorsMustBePositiveAndFinite) {
  for (const float bad : {0.0f, -1.0f, INFINITY, -INFINITY, NAN}) {
    const auto divisors = ReadRopeDivisors(*OpenRandomModel(WithDivisors(bad)));
    EXPECT_EQ(divisors.status().code(), absl::StatusCode::kDataLoss) << bad;
    EXPECT_NE(divisors.status().message().find("rope_freqs.weight holds"), std::string_view::npos);
  }
  EXPECT_TRUE(ReadRopeDivisors(*OpenRandomModel(WithDivisors(1e30f))).ok());
}

}  // namespace
}  // namespace llmrt::model
