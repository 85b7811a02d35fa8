// Promises of the forward pass that no single op can prove: a row has the same bits however its
// step was cut, mixed, threaded or laid out in memory, in every numeric class. Equality with
// independent computations is golden_test.cc's.

#include "model/forward_pass.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/cpu/host_jobs.h"
#include "tests/model/random_model.h"
#include "tests/model/step_runner.h"
#include "tests/test_seed.h"

namespace llmrt::model {
namespace {

using backend::CpuTier;
using backend::WeightType;
using testing::RandomModelSpec;
using testing::RandomTokens;
using testing::RunnerOptions;
using testing::StepRunner;

using Rows = std::vector<std::vector<float>>;

// Bits, not values: -0 and 0 differ here, and a NaN equals itself.
void ExpectSameBits(const Rows& a, const Rows& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].size(), b[i].size());
    ASSERT_EQ(std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)), 0)
        << "position " << i;
  }
}

struct Case {
  WeightType type;
  CpuTier tier;
};

std::string Name(const ::testing::TestParamInfo<Case>& info) {
  return std::string(backend::GeometryOf(info.param.type).name) +
         testing::NameOfTier(info.param.tier);
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (int type = 0; type < backend::kWeightTypeCount; ++type) {
    for (const CpuTier tier : testing::TiersHere()) {
      cases.push_back({static_cast<WeightType>(type), tier});
    }
  }
  return cases;
}

RandomModelSpec SpecFor(WeightType type) {
  RandomModelSpec spec;
  spec.type = type;
  if (backend::GeometryOf(type).values == 256) {  // K-quants need rows of whole superblocks
    spec.dim = 256;
    spec.ffn_dim = 256;
    spec.layers = 1;
  }
  return spec;
}

class ForwardPassBitsTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    file_ = testing::OpenRandomModel(SpecFor(GetParam().type));
    options_.tier = GetParam().tier;
  }

  std::unique_ptr<formats::ModelFile> file_;
  RunnerOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Classes, ForwardPassBitsTest, ::testing::ValuesIn(AllCases()), Name);

// 131 positions: M = 1, every chunk below and above the kernels' row tiles, and all at once.
TEST_P(ForwardPassBitsTest, LogitsAndKvAreTheSameForEveryChunking) {
  const std::vector<int32_t> tokens = RandomTokens(131, 300, 1);
  StepRunner decode(*file_, options_);
  const Rows expected = decode.Run(tokens, 1);
  const std::vector<uint8_t> expected_kv = decode.KvBytes(0);
  const uint32_t seed = testing::TestSeed();
  std::vector<std::vector<int64_t>> partitions = {{2}, {5}, {16}, {33}, {64}, {131}};
  for (uint32_t i = 0; i < 3; ++i) {
    partitions.push_back(testing::RandomPartition(131, i == 0 ? 131 : 20, seed + i));
  }
  for (size_t i = 0; i < partitions.size(); ++i) {
    SCOPED_TRACE(i);
    StepRunner runner(*file_, options_);
    ExpectSameBits(runner.Run(tokens, partitions[i]), expected);
    EXPECT_EQ(runner.KvBytes(0), expected_kv);
  }
}

TEST_P(ForwardPassBitsTest, LogitsAreTheSameForEverySliceAndThreadCount) {
  const std::vector<int32_t> tokens = RandomTokens(40, 300, 2);
  StepRunner whole(*file_, options_);
  const Rows expected = whole.Run(tokens, 40);
  for (const int32_t threads : {1, 2, 3}) {
    for (const int64_t slice_cost : {int64_t{1}, int64_t{20000}}) {
      SCOPED_TRACE(threads);
      RunnerOptions options = options_;
      options.threads = threads;
      options.slice_cost = slice_cost;
      StepRunner runner(*file_, options);
      ExpectSameBits(runner.Run(tokens, 20), expected);
      // Two steps of ten ops in each of two layers at most, and four others: some were cut.
      EXPECT_GT(runner.slices(), 2 * (2 * 10 + 4));
    }
  }
}

TEST_P(ForwardPassBitsTest, LogitsAreTheSameOnAHostsThreads) {
  const std::vector<int32_t> tokens = RandomTokens(40, 300, 2);
  StepRunner whole(*file_, options_);
  const Rows expected = whole.Run(tokens, 40);
  for (const cpu::HostJobs::Manner manner : cpu::kAllManners) {
    cpu::HostJobs host(manner);
    RunnerOptions options = options_;
    options.threads = 3;
    options.job_hook = host.hook();
    StepRunner runner(*file_, options);
    ExpectSameBits(runner.Run(tokens, 20), expected);
  }
}

TEST_P(ForwardPassBitsTest, NeighboursInTheBatchChangeNothing) {
  const std::vector<int32_t> tokens = RandomTokens(30, 300, 3);
  const std::vector<int32_t> others = RandomTokens(60, 300, 4);
  StepRunner alone(*file_, options_);
  const Rows expected = alone.Run(tokens, 30);
  StepRunner mixed(*file_, options_);
  Rows seen;
  for (size_t i = 0; i < tokens.size(); ++i) {
    // One decode row of ours between a prefill chunk and a decode row of others.
    const Rows rows = mixed.Step(
        {{1, {others[i], others[i + 1], others[i + 2]}}, {0, {tokens[i]}}, {2, {others[i + 3]}}});
    seen.push_back(rows[3]);
  }
  ExpectSameBits(seen, expected);
  EXPECT_EQ(mixed.KvBytes(0), alone.KvBytes(0));
}

class TierTest : public ::testing::TestWithParam<Case> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TierTest);  // where there is but the portable tier

INSTANTIATE_TEST_SUITE_P(Types, TierTest, ::testing::ValuesIn([] {
                           std::vector<Case> cases;
                           for (int type = 0; type < backend::kWeightTypeCount; ++type) {
                             for (const CpuTier tier : testing::TiersHere()) {
                               if (tier == CpuTier::kPortable) continue;
                               cases.push_back({static_cast<WeightType>(type), tier});
                             }
                           }
                           return cases;
                         }()),
                         Name);

TEST_P(TierTest, AgreesWithThePortableTierBitForBit) {
  const auto file = testing::OpenRandomModel(SpecFor(GetParam().type));
  const std::vector<int32_t> tokens = RandomTokens(50, 300, 6);
  RunnerOptions portable, other;
  other.tier = GetParam().tier;
  StepRunner a(*file, portable), b(*file, other);
  ExpectSameBits(a.Run(tokens, 50), b.Run(tokens, 7));
  EXPECT_EQ(a.KvBytes(0), b.KvBytes(0));
}

// Positions beyond 256 cross the attention's splits; block sizes and KV types change the paging.
class LongContextTest : public ::testing::TestWithParam<std::tuple<backend::KvType, CpuTier>> {
 protected:
  void SetUp() override {
    options_.kv_type = std::get<0>(GetParam());
    options_.tier = std::get<1>(GetParam());
  }

  std::unique_ptr<formats::ModelFile> file_ =
      testing::OpenRandomModel({.layers = 2, .dim = 32, .ffn_dim = 32});
  const std::vector<int32_t> tokens_ = RandomTokens(600, 300, 7);
  RunnerOptions options_;
};

INSTANTIATE_TEST_SUITE_P(KvTypes, LongContextTest,
                         ::testing::Combine(::testing::Values(backend::KvType::kF32,
                                                              backend::KvType::kF16,
                                                              backend::KvType::kBF16),
                                            ::testing::ValuesIn(testing::TiersHere())),
                         [](const auto& info) {
                           return std::string(backend::KvTypeName(std::get<0>(info.param))) +
                                  testing::NameOfTier(std::get<1>(info.param));
                         });

TEST_P(LongContextTest, LogitsAndKvAreTheSameForEveryChunking) {
  StepRunner decode(*file_, options_);
  const Rows expected = decode.Run(tokens_, 1);
  const std::vector<uint8_t> expected_kv = decode.KvBytes(0);
  const uint32_t seed = testing::TestSeed();
  const std::vector<std::vector<int64_t>> partitions = {
      {77},
      {255, 2, 255, 88},
      {300},
      testing::RandomPartition(600, 320, seed),
      testing::RandomPartition(600, 40, seed + 1)};
  for (size_t i = 0; i < partitions.size(); ++i) {
    SCOPED_TRACE(i);
    options_.block_size = i % 2 == 0 ? 32 : 16;
    StepRunner runner(*file_, options_);
    ExpectSameBits(runner.Run(tokens_, partitions[i]), expected);
    EXPECT_EQ(runner.KvBytes(0), expected_kv);
  }
}

// A preempted session: its blocks went to others, who wrote to them, and all is computed again.
TEST_P(LongContextTest, DroppedKvIsRecomputedToTheSameBits) {
  StepRunner whole(*file_, options_);
  const Rows expected = whole.Run(tokens_, 320);
  const std::vector<uint8_t> expected_kv = whole.KvBytes(0);
  const uint32_t seed = testing::TestSeed();
  StepRunner runner(*file_, options_);
  for (const int64_t kept : {1, 300, 599}) {
    SCOPED_TRACE(kept);
    const std::vector<int32_t> first(tokens_.begin(), tokens_.begin() + kept);
    runner.Run(first, testing::RandomPartition(kept, 100, seed + static_cast<uint32_t>(kept)));
    runner.DropKv();
    runner.Run(RandomTokens(630, 300, 8), 315);  // somebody else's, in the same memory
    runner.DropKv();
    ExpectSameBits(runner.Run(tokens_, testing::RandomPartition(600, 320, seed)), expected);
    EXPECT_EQ(runner.KvBytes(0), expected_kv);
    runner.DropKv();
  }
}

TEST(ForwardPassTest, AStepBeyondItsLimitsIsRefused) {
  const auto file = testing::OpenRandomModel({});
  RunnerOptions options;
  options.rows = 4;
  StepRunner runner(*file, options);
  EXPECT_THROW(runner.Run(RandomTokens(5, 300, 8), 5), std::runtime_error);
}

class BeginTest : public ::testing::Test {
 protected:
  absl::Status Begin(int32_t position, std::vector<int32_t> logit_rows) {
    batch_.positions = positions_ = {position};
    logit_rows_ = std::move(logit_rows);
    return runner_.pass().Begin(batch_, logit_rows_);
  }

  std::unique_ptr<formats::ModelFile> file_ = testing::OpenRandomModel({});
  StepRunner runner_{*file_, {}};
  std::vector<int32_t> positions_, logit_rows_;
  const std::vector<int32_t> tokens_ = {5}, sequences_ = {0};
  const std::vector<int32_t> blocks_ = std::vector<int32_t>(40);
  const std::vector<absl::Span<const int32_t>> tables_ = {blocks_};
  backend::Batch batch_{
      .tokens = tokens_, .positions = positions_, .sequences = sequences_, .block_tables = tables_};
};

TEST_F(BeginTest, PositionsEndWithTheContext) {
  EXPECT_TRUE(Begin(639, {0}).ok());
  for (const int32_t position : {640, -1, INT32_MAX}) {
    const absl::Status status = Begin(position, {0});
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << position;
    EXPECT_NE(status.message().find(std::to_string(position)), std::string_view::npos) << status;
  }
}

TEST_F(BeginTest, LogitRowsAreRowsOfTheStep) {
  EXPECT_TRUE(Begin(0, {}).ok());
  for (const int32_t row : {1, -1, INT32_MAX}) {
    EXPECT_EQ(Begin(0, {row}).code(), absl::StatusCode::kInternal) << row;
  }
}

// Another prompt's step is left after every few slices; ours then runs over what it left in the
// buffers and in the cache.
class AbandonTest : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Classes, AbandonTest,
                         ::testing::Values(Case{WeightType::kF32, CpuTier::kPortable},
                                           Case{WeightType::kQ8_0, CpuTier::kPortable},
                                           Case{WeightType::kF16, CpuTier::kBest},
                                           Case{WeightType::kQ8_0, CpuTier::kBest}),
                         Name);

TEST_P(AbandonTest, AnAbandonedStepLeavesTheNextOneUntouched) {
  const auto file = testing::OpenRandomModel(SpecFor(GetParam().type));
  RunnerOptions options;
  options.tier = GetParam().tier;
  options.slice_cost = 1;  // a row, or a panel of features, at a time
  const std::vector<int32_t> tokens = RandomTokens(20, 300, 9);
  const std::vector<int32_t> others = RandomTokens(23, 300, 10);
  const std::vector<int32_t> before(tokens.begin(), tokens.begin() + 12);
  const std::vector<int32_t> after(tokens.begin() + 12, tokens.end());
  StepRunner undisturbed(*file, options);
  undisturbed.Step({{0, before}});
  const Rows expected = undisturbed.Step({{0, after}});
  const std::vector<uint8_t> expected_kv = undisturbed.KvBytes(0);

  std::set<Op> inside;  // ops that were left between their first and their last unit
  StepRunner runner(*file, options);
  for (int64_t slices = 0;; slices += 3) {
    SCOPED_TRACE(slices);
    runner.Step({{0, before}});
    const Cursor where = runner.AbandonAfter({{1, others}, {0, others}}, slices);
    if (where.unit > 0) inside.insert(where.op);
    ExpectSameBits(runner.Step({{0, after}}), expected);
    ASSERT_EQ(runner.KvBytes(0), expected_kv);
    if (::testing::Test::HasFatalFailure() || where.op == Op::kDone) break;
    runner.DropKv();
  }
  for (const Op op : {Op::kEmbed, Op::kRopeStore, Op::kAttention, Op::kOutput, Op::kDown,
                      Op::kSwiGlu, Op::kLogits}) {
    EXPECT_TRUE(inside.contains(op)) << static_cast<int>(op);
  }
}

}  // namespace
}  // namespace llmrt::model
