#include <algorithm>
#include <functional>

#include "backend/device_lost.h"
#include "gmock/gmock.h"
#include "tests/plugin/plugin_fixture.h"

namespace llmrt::plugin {
namespace {

using backend::Range;
using backend::WeightType;

// Addresses that nobody reads.
template <typename T>
T* At(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

class PluginOpsTest : public PluginFixture {
 protected:
  PluginOpsTest() {
    OpenWithSteps();
    Begin();
  }
  int64_t Calls(const char* name) const {
    return std::count(fake_.calls.begin(), fake_.calls.end(), name);
  }
  backend::RopeStoreParams Rope() {
    return {.batch = &batch_,
            .rope_table = At<float>(0x100),
            .rope_dims = 6,
            .q = At<float>(0x200),
            .num_q_heads = 4,
            .k = At<float>(0x300),
            .v = At<float>(0x400),
            .cache = cache_.get(),
            .layer = 1};
  }
  backend::AttentionParams Attend() {
    return {.batch = &batch_,
            .q = At<float>(0x200),
            .num_q_heads = 4,
            .scale = 0.25f,
            .cache = cache_.get(),
            .layer = 1,
            .out = At<float>(0x500)};
  }
};

TEST_F(PluginOpsTest, EmbedIsTranslated) {
  const auto table = backend_->CreateMatrix(WeightType::kF16, 10, 64).value();
  const backend::EmbedParams params = {
      .batch = &batch_, .table = table.get(), .out = At<float>(0x900)};
  ASSERT_TRUE(backend_->Embed(params, {1, 3}).ok());
  EXPECT_EQ(fake_.embed.table.data, static_cast<PluginMatrix&>(*table).ForDevice().data);
  EXPECT_EQ(fake_.embed.table.rows, 10);
  EXPECT_EQ(fake_.embed.first, 1);
  EXPECT_EQ(fake_.embed.end, 3);
  EXPECT_EQ(fake_.embed.out, 0x900u);
  tokens_[1] = 10;
  EXPECT_FALSE(backend_->Embed(params, {1, 3}).ok()) << "no such row of the table";
  EXPECT_FALSE(backend_->Embed(params, {0, 4}).ok());
  EXPECT_EQ(Calls("embed"), 1);
}

TEST_F(PluginOpsTest, RmsNormReadsItsOwnRowsOrTheLogitRows) {
  backend::RmsNormParams params = {.in = At<float>(0x100),
                                   .weight = At<float>(0x200),
                                   .dim = 64,
                                   .epsilon = 1e-5f,
                                   .out = At<float>(0x300)};
  ASSERT_TRUE(backend_->RmsNorm(params, {0, 3}).ok());
  EXPECT_EQ(fake_.rms_norm.in, 0x100u);
  EXPECT_EQ(fake_.rms_norm.weight, 0x200u);
  EXPECT_EQ(fake_.rms_norm.out, 0x300u);
  EXPECT_EQ(fake_.rms_norm.dim, 64);
  EXPECT_EQ(fake_.rms_norm.epsilon, 1e-5f);
  EXPECT_EQ(fake_.rms_norm.of_logit_rows, 0);
  params.rows = logit_rows_;
  ASSERT_TRUE(backend_->RmsNorm(params, {1, 2}).ok());
  EXPECT_EQ(fake_.rms_norm.of_logit_rows, 1);
  EXPECT_EQ(fake_.rms_norm.first, 1);
  EXPECT_EQ(fake_.rms_norm.end, 2);
  params.rows = absl::MakeConstSpan(logit_rows_).first(1);
  EXPECT_FALSE(backend_->RmsNorm(params, {0, 1}).ok()) << "not the step's logit rows";
  EXPECT_FALSE(backend_->RmsNorm({.dim = 64}, {0, 1}).ok());
}

TEST_F(PluginOpsTest, PreparedRowsAreLaunchesBehindTheOpThatComputesThem) {
  const backend::PreparedRows outputs[] = {{backend::ActivationFormat::kF16, At<uint8_t>(0x400)},
                                           {backend::ActivationFormat::kBF16, At<uint8_t>(0x500)}};
  fake_.calls.clear();
  ASSERT_TRUE(backend_
                  ->RmsNorm({.in = At<float>(0x100),
                             .weight = At<float>(0x200),
                             .dim = 65,
                             .out = At<float>(0x300),
                             .prepared = outputs},
                            {1, 3})
                  .ok());
  EXPECT_EQ(fake_.calls, (std::vector<std::string>{"rms_norm", "prepare", "prepare"}));
  EXPECT_EQ(fake_.prepare.in, 0x300u) << "what the norm left";
  EXPECT_EQ(fake_.prepare.out, 0x500u);
  EXPECT_EQ(fake_.prepare.cols, 65);
  EXPECT_EQ(fake_.prepare.row_bytes, 256);
  EXPECT_EQ(fake_.prepare.first, 1);
  EXPECT_EQ(fake_.prepare.end, 3);
  EXPECT_EQ(fake_.prepare.element, backend::kPluginBF16);
  fake_.calls.clear();
  ASSERT_TRUE(backend_
                  ->SwiGlu({.gate = At<float>(0x100),
                            .up = At<float>(0x200),
                            .dim = 50,
                            .out = At<float>(0x600),
                            .prepared = absl::MakeConstSpan(outputs).first(1)},
                           {0, 2})
                  .ok());
  EXPECT_EQ(fake_.calls, (std::vector<std::string>{"swiglu", "prepare"}));
  EXPECT_EQ(fake_.prepare.in, 0x600u);
  EXPECT_EQ(fake_.prepare.cols, 50);
  EXPECT_EQ(fake_.prepare.element, backend::kPluginF16);
}

TEST_F(PluginOpsTest, PreparedRowsThatNoProductReadsAreNoLaunch) {
  const backend::PreparedRows int8 = {backend::ActivationFormat::kInt8, At<uint8_t>(0x400)};
  fake_.calls.clear();
  EXPECT_FALSE(backend_
                   ->RmsNorm({.in = At<float>(0x100),
                              .weight = At<float>(0x200),
                              .dim = 64,
                              .out = At<float>(0x300),
                              .prepared = {&int8, 1}},
                             {0, 3})
                   .ok());
  EXPECT_FALSE(backend_
                   ->SwiGlu({.gate = At<float>(0x100),
                             .up = At<float>(0x200),
                             .dim = 50,
                             .out = At<float>(0x100),
                             .prepared = {&int8, 1}},
                            {0, 2})
                   .ok());
  EXPECT_TRUE(fake_.calls.empty());
}

TEST_F(PluginOpsTest, PrepareKnowsTheFormatsOfItsClasses) {
  backend::PrepareParams params = {.in = At<float>(0x100), .cols = 65, .out = At<uint8_t>(0x200)};
  const auto prepare = [&](backend::ActivationFormat format) {
    params.format = format;
    return backend_->Prepare(params, {0, 3});
  };
  ASSERT_TRUE(prepare(backend::ActivationFormat::kF32).ok());
  EXPECT_EQ(fake_.prepare.element, backend::kPluginF32);
  EXPECT_EQ(fake_.prepare.row_bytes, 384);
  ASSERT_TRUE(prepare(backend::ActivationFormat::kBF16).ok());
  EXPECT_EQ(fake_.prepare.element, backend::kPluginBF16);
  ASSERT_TRUE(prepare(backend::ActivationFormat::kF16).ok());
  EXPECT_EQ(fake_.prepare.element, backend::kPluginF16);
  EXPECT_EQ(fake_.prepare.row_bytes, 256);
  EXPECT_EQ(fake_.prepare.in, 0x100u);
  EXPECT_EQ(fake_.prepare.out, 0x200u);
  EXPECT_EQ(fake_.prepare.cols, 65);
  EXPECT_EQ(fake_.prepare.end, 3);
  EXPECT_FALSE(prepare(backend::ActivationFormat::kInt8).ok());
  params.cols = 0;
  EXPECT_FALSE(prepare(backend::ActivationFormat::kF32).ok());
}

TEST_F(PluginOpsTest, MatMulIsTranslatedWithEqualStrides) {
  const auto weight = backend_->CreateMatrix(WeightType::kBF16, 40, 100).value();
  const backend::MatMulParams params = {.weight = weight.get(),
                                        .activations = At<uint8_t>(0x100),
                                        .num_rows = 3,
                                        .out = At<float>(0x200),
                                        .out_stride = 48,
                                        .accumulate = true};
  ASSERT_TRUE(backend_->MatMul({params}, {8, 40}).ok());
  EXPECT_EQ(fake_.matmul.weight.element, backend::kPluginBF16);
  EXPECT_EQ(fake_.matmul.weight.row_stride, 256);
  EXPECT_EQ(fake_.matmul.row_bytes, 256);
  EXPECT_EQ(fake_.matmul.activations, 0x100u);
  EXPECT_EQ(fake_.matmul.out, 0x200u);
  EXPECT_EQ(fake_.matmul.out_stride, 48);
  EXPECT_EQ(fake_.matmul.num_rows, 3);
  EXPECT_EQ(fake_.matmul.first, 8);
  EXPECT_EQ(fake_.matmul.end, 40);
  EXPECT_EQ(fake_.matmul.accumulate, 1);
  EXPECT_FALSE(backend_->MatMul({params}, {8, 41}).ok());
  EXPECT_TRUE(backend_->MatMul({params}, {8, 8}).ok());
  EXPECT_EQ(Calls("matmul"), 1) << "an empty range is no call";
}

TEST_F(PluginOpsTest, AWalkOverProductsIsALaunchOfEachThatHasFeaturesInIt) {
  const auto first = backend_->CreateMatrix(WeightType::kBF16, 40, 100).value();
  const auto second = backend_->CreateMatrix(WeightType::kF16, 24, 100).value();
  const backend::MatMulParams walk[] = {{.weight = first.get(),
                                         .activations = At<uint8_t>(0x100),
                                         .num_rows = 3,
                                         .out = At<float>(0x200),
                                         .out_stride = 40},
                                        {.weight = second.get(),
                                         .activations = At<uint8_t>(0x300),
                                         .num_rows = 3,
                                         .out = At<float>(0x400),
                                         .out_stride = 24}};
  ASSERT_TRUE(backend_->MatMul(walk, {16, 48}).ok());
  EXPECT_EQ(Calls("matmul"), 2);
  EXPECT_EQ(fake_.matmul.weight.element, backend::kPluginF16);
  EXPECT_EQ(fake_.matmul.activations, 0x300u);
  EXPECT_EQ(fake_.matmul.out, 0x400u);
  EXPECT_EQ(fake_.matmul.first, 0);
  EXPECT_EQ(fake_.matmul.end, 8);
  ASSERT_TRUE(backend_->MatMul(walk, {0, 40}).ok());
  EXPECT_EQ(Calls("matmul"), 3);
  EXPECT_EQ(fake_.matmul.end, 40);
  EXPECT_FALSE(backend_->MatMul(walk, {0, 65}).ok());
}

TEST_F(PluginOpsTest, RopeStoreIsTranslated) {
  ASSERT_TRUE(backend_->RopeStore(Rope(), {1, 3}).ok());
  const backend::PluginRopeStore& call = fake_.rope_store;
  EXPECT_EQ(call.kv.layer, 1);
  EXPECT_EQ(call.kv.element, backend::kPluginF16);
  EXPECT_EQ(call.kv.tile_bytes, 16 * 8 * 2);
  EXPECT_EQ(call.rope_table, 0x100u);
  EXPECT_EQ(call.q, 0x200u);
  EXPECT_EQ(call.k, 0x300u);
  EXPECT_EQ(call.v, 0x400u);
  EXPECT_EQ(call.rope_dims, 6);
  EXPECT_EQ(call.num_q_heads, 4);
  EXPECT_EQ(call.first, 1);
  EXPECT_EQ(call.end, 3);
  auto wrong = Rope();
  wrong.layer = 2;
  EXPECT_FALSE(backend_->RopeStore(wrong, {0, 3}).ok());
  EXPECT_FALSE(backend_->RopeStore(Rope(), {0, 4}).ok());
  const auto other = backend_->CreateKvCache(kShape, 6).value();
  wrong = Rope();
  wrong.cache = other.get();
  EXPECT_FALSE(backend_->RopeStore(wrong, {0, 3}).ok()) << "steps are for one cache";
}

TEST_F(PluginOpsTest, AttentionIsTranslated) {
  ASSERT_TRUE(backend_->Attention(Attend(), {2, 12}).ok());
  const backend::PluginAttention& call = fake_.attention;
  EXPECT_EQ(call.kv.layer, 1);
  EXPECT_EQ(call.q, 0x200u);
  EXPECT_EQ(call.out, 0x500u);
  EXPECT_EQ(call.first, 2);
  EXPECT_EQ(call.end, 12);
  EXPECT_EQ(call.num_q_heads, 4);
  EXPECT_EQ(call.scale, 0.25f);
  EXPECT_FALSE(backend_->Attention(Attend(), {0, 13}).ok());
  auto wrong = Attend();
  wrong.num_q_heads = 3;
  EXPECT_FALSE(backend_->Attention(wrong, {0, 9}).ok());
  const auto other = backend_->CreateKvCache(kShape, 6).value();
  wrong = Attend();
  wrong.cache = other.get();
  EXPECT_FALSE(backend_->Attention(wrong, {0, 12}).ok());
}

TEST_F(PluginOpsTest, SwiGluIsOneRunOfValues) {
  const backend::SwiGluParams params = {
      .gate = At<float>(0x100), .up = At<float>(0x200), .dim = 50, .out = At<float>(0x100)};
  ASSERT_TRUE(backend_->SwiGlu(params, {1, 3}).ok());
  EXPECT_EQ(fake_.swiglu.gate, 0x100u);
  EXPECT_EQ(fake_.swiglu.up, 0x200u);
  EXPECT_EQ(fake_.swiglu.out, 0x100u);
  EXPECT_EQ(fake_.swiglu.first, 50);
  EXPECT_EQ(fake_.swiglu.end, 150);
  EXPECT_FALSE(backend_->SwiGlu({.dim = 50}, {1, 3}).ok());
}

TEST_F(PluginOpsTest, ABatchOfAnotherSizeIsNotTheStepsOwn) {
  const std::vector<int32_t> one = {0};
  const backend::Batch other = {
      .tokens = one, .positions = one, .sequences = one, .block_tables = tables_};
  auto rope = Rope();
  rope.batch = &other;
  EXPECT_FALSE(backend_->RopeStore(rope, {0, 1}).ok());
  auto attend = Attend();
  attend.batch = &other;
  EXPECT_FALSE(backend_->Attention(attend, {0, 4}).ok());
}

// Streams that are cancelled together leave one after the other, and have lost their blocks before.
TEST_F(PluginOpsTest, RowsWithoutBlocksMayLeaveButNotBeComputed) {
  tables_[1] = {};
  ASSERT_TRUE(backend_->ChangeBatch(batch_, logit_rows_).ok());
  EXPECT_EQ(fake_.counts.rows, 3);
  EXPECT_EQ(fake_.counts.table_entries, 0);
  EXPECT_FALSE(backend_->RopeStore(Rope(), {0, 1}).ok());
  EXPECT_FALSE(backend_->Attention(Attend(), {0, 4}).ok());
  EXPECT_FALSE(backend_->BeginStep(batch_, logit_rows_).ok()) << "no step begins like that";
  batch_.tokens = absl::MakeConstSpan(tokens_).first(2);
  batch_.positions = absl::MakeConstSpan(positions_).first(2);
  batch_.sequences = absl::MakeConstSpan(sequences_).first(2);
  ASSERT_TRUE(backend_->ChangeBatch(batch_, {}).ok());
  EXPECT_EQ(fake_.counts.table_entries, 2);
  EXPECT_TRUE(backend_->RopeStore(Rope(), {0, 2}).ok());
  EXPECT_TRUE(backend_->Attention(Attend(), {0, 8}).ok());
}

TEST_F(PluginOpsTest, RowsMoveByOneCall) {
  backend::MoveRowsParams params = {
      .rows = At<uint8_t>(0x104), .row_bytes = 260, .from = 1, .to = 0, .count = 511};
  ASSERT_TRUE(backend_->MoveRows(params).ok());
  EXPECT_EQ(fake_.move_rows.rows, 0x104u);
  EXPECT_EQ(fake_.move_rows.row_bytes, 260);
  EXPECT_EQ(fake_.move_rows.from, 1);
  EXPECT_EQ(fake_.move_rows.to, 0);
  EXPECT_EQ(fake_.move_rows.count, 511);
  params.from = params.to = 5;
  EXPECT_TRUE(backend_->MoveRows(params).ok());
  params.from = 7;
  params.count = 0;
  EXPECT_TRUE(backend_->MoveRows(params).ok());
  EXPECT_EQ(Calls("move_rows"), 1) << "rows that stay where they are, and no rows, are no call";
  EXPECT_TRUE(fake_.copies.empty());
}

TEST_F(PluginOpsTest, RowsThatAreNoWholeWordsDoNotMove) {
  const backend::MoveRowsParams right = {
      .rows = At<uint8_t>(0x100), .row_bytes = 8, .from = 2, .to = 1, .count = 1};
  auto wrong = right;
  wrong.row_bytes = 6;
  EXPECT_EQ(backend_->MoveRows(wrong).code(), absl::StatusCode::kInternal);
  wrong = right;
  wrong.rows = At<uint8_t>(0x102);
  EXPECT_EQ(backend_->MoveRows(wrong).code(), absl::StatusCode::kInternal);
  wrong = right;
  wrong.to = 3;
  EXPECT_EQ(backend_->MoveRows(wrong).code(), absl::StatusCode::kInternal) << "to the back";
  EXPECT_EQ(Calls("move_rows"), 0);
  EXPECT_TRUE(backend_->MoveRows(right).ok());
}

TEST_F(PluginOpsTest, EveryOpPassesOnWhatThePluginSays) {
  const auto matrix = backend_->CreateMatrix(WeightType::kF32, 10, 8).value();
  const struct {
    const char* call;
    std::function<absl::Status()> run;
  } ops[] = {
      {"embed",
       [&] {
         return backend_->Embed({.batch = &batch_, .table = matrix.get(), .out = At<float>(0x100)},
                                {0, 1});
       }},
      {"rms_norm",
       [&] {
         return backend_->RmsNorm({.in = At<float>(0x100),
                                   .weight = At<float>(0x100),
                                   .dim = 8,
                                   .out = At<float>(0x100)},
                                  {0, 1});
       }},
      {"prepare",
       [&] {
         return backend_->Prepare({.in = At<float>(0x100), .cols = 8, .out = At<uint8_t>(0x100)},
                                  {0, 1});
       }},
      {"matmul",
       [&] {
         return backend_->MatMul({{.weight = matrix.get(),
                                   .activations = At<uint8_t>(0x100),
                                   .num_rows = 1,
                                   .out = At<float>(0x100),
                                   .out_stride = 10}},
                                 {0, 1});
       }},
      {"rope_store",
       [&] {
         return backend_->RopeStore(Rope(), {0, 1});
       }},
      {"attention",
       [&] {
         return backend_->Attention(Attend(), {0, 1});
       }},
      {"swiglu",
       [&] {
         return backend_->SwiGlu(
             {.gate = At<float>(0x100), .up = At<float>(0x100), .dim = 8, .out = At<float>(0x100)},
             {0, 1});
       }},
      {"move_rows",
       [&] {
         return backend_->MoveRows(
             {.rows = At<uint8_t>(0x100), .row_bytes = 8, .from = 1, .to = 0, .count = 1});
       }},
  };
  for (const auto& op : ops) {
    Fail(op.call, backend::kPluginDeviceLost, "lost");
    EXPECT_TRUE(backend::IsDeviceLost(op.run())) << op.call;
    Fail(op.call, 14, "busy");
    EXPECT_EQ(op.run(), absl::UnavailableError("busy")) << op.call;
  }
}

}  // namespace
}  // namespace llmrt::plugin
