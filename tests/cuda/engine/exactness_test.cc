// A row's bits on the device, step by step: KV and logits are those of the row alone whatever it is
// computed with (batches, chunks, recordings, single slices, rows that leave) and in whatever order
// the device runs its threads. Whole engines are in scenarios_test.cc.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/cuda/engine/emulated_engine.h"
#include "tests/model/forwarding_backend.h"
#include "tests/model/random_model.h"
#include "tests/model/step_runner.h"
#include "tests/test_seed.h"

namespace llmrt::testing {
namespace {

using backend::KvType;
using backend::WeightType;
using Rows = std::vector<std::vector<float>>;

// Every step is launched op by op.
class UnrecordedBackend final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  int32_t graph_slots() const override { return 0; }
};

std::unique_ptr<backend::Backend> WithoutRecordings(std::unique_ptr<backend::Backend> inner) {
  return std::make_unique<UnrecordedBackend>(std::move(inner));
}

struct Case {
  const char* name;
  WeightType weights;
  KvType kv;
  // Compute capability: 8.x sums in two steps of 8 products, and has less shared memory.
  int major, minor;
  // Tokens of the long test. 272: more than one split of keys (256); 80: more than one tile, and
  // than a recording holds (64 rows); float32 products are fifteen times slower here.
  int64_t tokens;
};
constexpr Case kCases[] = {{"Float32", WeightType::kF32, KvType::kF32, 9, 0, 24},
                           {"Float16", WeightType::kF16, KvType::kF16, 9, 0, 272},
                           {"BFloat16", WeightType::kBF16, KvType::kBF16, 8, 6, 80},
                           {"Float16WithBFloat16Cache", WeightType::kF16, KvType::kBF16, 12, 0, 80},
                           {"BFloat16WithFloat32Cache", WeightType::kBF16, KvType::kF32, 8, 0, 24}};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr int64_t kVocabSize = 300;

// Heads of 16 in groups of 2; 72 features in no multiple of a product's 16.
RandomModelSpec SpecOf(WeightType type) {
  RandomModelSpec spec;
  spec.layers = 2;
  spec.dim = 64;
  spec.ffn_dim = 72;
  spec.q_heads = 4;
  spec.kv_heads = 2;
  spec.context_length = 288;
  spec.type = type;
  return spec;
}

class CudaExactnessTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (SkipWithoutEmulation()) return;
    TheEmulation().reset();
    TheEmulation().set_seed(++seed_);
    ASSERT_NE(TheEmulation().set_architecture(GetParam().major, GetParam().minor), 0);
    file_ = OpenRandomModel(SpecOf(GetParam().weights));
    tokens_ = RandomTokens(GetParam().tokens, kVocabSize, 3);
  }

  void TearDown() override {
    if (file_ != nullptr) TheEmulation().reset();
  }

  std::unique_ptr<StepRunner> Runner(const RunnerOptions& options) {
    return std::make_unique<StepRunner>(*file_, options);
  }
  std::unique_ptr<StepRunner> Runner() { return Runner(CudaRunner(GetParam().kv)); }

  // The first rows, each alone: through recordings of one row.
  Rows Alone(int64_t count, std::vector<uint8_t>* kv) {
    const auto runner = Runner();
    Rows rows = runner->Run({tokens_.begin(), tokens_.begin() + count}, 1);
    *kv = runner->KvBytes(0);
    return rows;
  }

  static inline uint64_t seed_ = 100;
  std::unique_ptr<formats::ModelFile> file_;
  std::vector<int32_t> tokens_;
};

INSTANTIATE_TEST_SUITE_P(Types, CudaExactnessTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(CudaExactnessTest, ChunksOfAnySizeGiveTheBitsOfRowsAlone) {
  if (file_ == nullptr) return;
  std::vector<uint8_t> kv;
  const auto count = static_cast<int64_t>(tokens_.size());
  const Rows expected = Alone(count, &kv);
  // 2 to 64 rows are recordings with rows to spare, or none; more are launched op by op.
  const std::vector<std::vector<int64_t>> partitions = {
      {2, 3, 4, 5, 6, 7, 8, 9}, {count}, RandomPartition(count, 70, TestSeed())};
  const auto runner = Runner();
  for (const std::vector<int64_t>& chunks : partitions) {
    SCOPED_TRACE(chunks.front());
    TheEmulation().set_seed(++seed_);
    ASSERT_EQ(runner->Run(tokens_, chunks), expected);
    ASSERT_EQ(runner->KvBytes(0), kv);
    // The next one computes all of it again, in other blocks.
    runner->DropKv();
  }
}

TEST_P(CudaExactnessTest, SmallestSlicesGiveTheBitsOfRecordings) {
  if (file_ == nullptr) return;
  std::vector<uint8_t> kv;
  const Rows expected = Alone(18, &kv);
  RunnerOptions options = CudaRunner(GetParam().kv);
  options.slice_cost = 1;
  // Without recordings: no step of this pass is small enough for one.
  options.wrap = WithoutRecordings;
  const auto runner = Runner(options);
  const std::vector<int32_t> tokens(tokens_.begin(), tokens_.begin() + 18);
  EXPECT_EQ(runner->Run(tokens, {1, 2, 9, 6}), expected);
  EXPECT_EQ(runner->KvBytes(0), kv);
  EXPECT_GT(runner->slices(), 500);
}

TEST_P(CudaExactnessTest, SequencesInOneStepDoNotNoticeOneAnother) {
  if (file_ == nullptr) return;
  std::vector<uint8_t> kv;
  const Rows expected = Alone(20, &kv);
  std::mt19937 random(TestSeed());
  const auto others = RandomTokens(150, kVocabSize, 8);
  const auto runner = Runner();
  Rows got;
  for (size_t i = 0; i < 20;) {
    // Sequence 0 goes on between pieces of the others, before and behind it.
    const size_t count = std::min<size_t>(20 - i, 1 + random() % 4);
    const size_t before = random() % 5, behind = random() % 8;
    std::vector<StepRunner::Piece> pieces;
    if (before > 0) pieces.push_back({1, {others.begin(), others.begin() + before}});
    pieces.push_back({0, {tokens_.begin() + i, tokens_.begin() + i + count}});
    if (behind > 0) pieces.push_back({2, {others.begin() + 9, others.begin() + 9 + behind}});
    const Rows rows = runner->Step(pieces);
    got.insert(got.end(), rows.begin() + before, rows.begin() + before + count);
    i += count;
  }
  EXPECT_EQ(got, expected);
  EXPECT_EQ(runner->KvBytes(0), kv);
}

TEST_P(CudaExactnessTest, RowsThatLeaveAStepChangeNothingForThoseThatStay) {
  if (file_ == nullptr) return;
  std::vector<uint8_t> kv;
  const Rows expected = Alone(12, &kv);
  const auto others = RandomTokens(90, kVocabSize, 8);
  RunnerOptions options = CudaRunner(GetParam().kv);
  options.slice_cost = 1 << 14;
  options.wrap = WithoutRecordings;
  std::mt19937 random(TestSeed());
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE(round);
    const auto runner = Runner(options);
    // Rows: 5 of sequence 1, 12 of sequence 0, 30 of sequence 2. First the last ones go, then the
    // first, at random places of the step.
    const StepRunner::Piece mine = {0, {tokens_.begin(), tokens_.begin() + 12}};
    std::vector<model::Cursor> where;
    const int64_t first = random() % 40, second = first + random() % 40;
    const Rows rows = runner->StepRemoving({{1, {others.begin(), others.begin() + 5}},
                                            mine,
                                            {2, {others.begin(), others.begin() + 30}}},
                                           {{first, 17, 30}, {second, 0, 5}}, where);
    const size_t begin = where.size() < 2 ? 5 : 0;
    ASSERT_GE(rows.size(), begin + 12);
    EXPECT_EQ(Rows(rows.begin() + begin, rows.begin() + begin + 12), expected);
  }
}

TEST_P(CudaExactnessTest, RewoundAndAbandonedStepsLeaveNothing) {
  if (file_ == nullptr) return;
  std::vector<uint8_t> kv;
  const Rows expected = Alone(20, &kv);
  const auto others = RandomTokens(20, kVocabSize, 9);
  RunnerOptions options = CudaRunner(GetParam().kv);
  options.slice_cost = 1 << 14;
  const auto runner = Runner(options);
  runner->Step({{0, {tokens_.begin(), tokens_.begin() + 6}}});
  // Other tokens in the place of those that come.
  runner->Step({{0, {others.begin(), others.begin() + 9}}});
  runner->Rewind(0, 6);
  for (const int64_t slices : {1, 5, 30}) {
    runner->AbandonAfter({{0, {others.begin(), others.begin() + 5}}}, slices);
  }
  const Rows rows = runner->Step({{0, {tokens_.begin() + 6, tokens_.begin() + 20}}});
  EXPECT_EQ(rows, Rows(expected.begin() + 6, expected.begin() + 20));
  EXPECT_EQ(runner->KvBytes(0), kv);
}

}  // namespace
}  // namespace llmrt::testing
