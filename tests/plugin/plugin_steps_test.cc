#include <algorithm>
#include <limits>

#include "backend/device_lost.h"
#include "gmock/gmock.h"
#include "memory/counted_heap.h"
#include "tests/plugin/plugin_fixture.h"

namespace llmrt::plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using PluginStepsTest = PluginFixture;

TEST_F(PluginStepsTest, StepsTakeWhatThePlannerWasToldAndGiveItBack) {
  Open();
  cache_ = backend_->CreateKvCache(kShape, 6).value();
  const int64_t before = memory_.used_bytes();
  ASSERT_TRUE(backend_->ReserveSteps(kNeeds, *cache_).ok());
  // 2 sequences of 40 tokens: 3 blocks each. The plugin's memory, and the host's end of 2 draws of
  // 32 + 16 bytes and of a row of 100 logits.
  const int64_t plugin_bytes = (4 * 100 + 6 * 8) + (4 * 12 + 2 * 8 + 6 * 8);
  EXPECT_EQ(backend_->StepBytes(kNeeds, kShape), plugin_bytes + 2 * 48 + 400);
  EXPECT_EQ(memory_.used_bytes() - before, backend_->StepBytes(kNeeds, kShape));
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kWorkspace),
            backend_->ScratchBytes() + backend_->StepBytes(kNeeds, kShape));
  EXPECT_EQ(fake_.needs.rows, 4);
  EXPECT_EQ(fake_.needs.logit_rows, 2);
  EXPECT_EQ(fake_.needs.table_entries, 6);
  EXPECT_EQ(fake_.needs.context_length, 40);
  EXPECT_EQ(fake_.needs.vocab_size, 100);
  EXPECT_EQ(fake_.needs.num_q_heads, 4);
  EXPECT_EQ(fake_.needs.head_dim, 8);
  EXPECT_FALSE(backend_->ReserveSteps(kNeeds, *cache_).ok()) << "one pass at a time";
  cache_.reset();
  backend_.reset();
  EXPECT_EQ(memory_.used_bytes(), 0);
  EXPECT_EQ(std::count(fake_.calls.begin(), fake_.calls.end(), "release_steps"), 1);
}

TEST_F(PluginStepsTest, StepsThatCannotBeReservedLeaveNothing) {
  Open();
  cache_ = backend_->CreateKvCache(kShape, 6).value();
  const int64_t before = memory_.used_bytes();
  Fail("reserve_steps", 8, "no pinned memory");
  EXPECT_EQ(backend_->ReserveSteps(kNeeds, *cache_),
            absl::ResourceExhaustedError("no pinned memory"));
  EXPECT_EQ(memory_.used_bytes(), before);
  EXPECT_FALSE(backend_->BeginStep(batch_, logit_rows_).ok());
  cache_.reset();
  backend_.reset();
  EXPECT_EQ(std::count(fake_.calls.begin(), fake_.calls.end(), "release_steps"), 0);
}

TEST_F(PluginStepsTest, AStepsRowsAndTablesAreWrittenWhereThePluginWantsThem) {
  OpenWithSteps();
  Begin();
  EXPECT_EQ(fake_.tokens, tokens_);
  EXPECT_EQ(fake_.positions, positions_);
  EXPECT_EQ(fake_.sequences, sequences_);
  EXPECT_EQ(fake_.logit_rows, logit_rows_);
  EXPECT_THAT(fake_.table_starts, ElementsAre(0, 2));
  EXPECT_THAT(fake_.blocks, ElementsAre(BlockAddress(4), BlockAddress(1), BlockAddress(2)));
  EXPECT_EQ(fake_.counts.rows, 3);
  EXPECT_EQ(fake_.counts.logit_rows, 2);
  EXPECT_EQ(fake_.counts.sequences, 2);
  EXPECT_EQ(fake_.counts.table_entries, 3);
}

TEST_F(PluginStepsTest, ABatchTakesTheOthersPlace) {
  OpenWithSteps();
  Begin();
  // The first sequence has left; its table is still named, and not read.
  const std::vector<int32_t> token = {9}, position = {3}, sequence = {1}, logit_row = {0};
  first_table_ = {-1, -1, -1};
  const backend::Batch rest = {
      .tokens = token, .positions = position, .sequences = sequence, .block_tables = tables_};
  ASSERT_TRUE(backend_->ChangeBatch(rest, logit_row).ok());
  EXPECT_EQ(fake_.tokens, token);
  EXPECT_THAT(fake_.table_starts, ElementsAre(0, 0));
  EXPECT_THAT(fake_.blocks, ElementsAre(BlockAddress(2)));
}

TEST_F(PluginStepsTest, BatchesThatDoNotFitAreRefusedBeforeTheDeviceSeesThem) {
  OpenWithSteps();
  const auto refused = [&](const char* what) {
    const absl::Status status = backend_->BeginStep(batch_, logit_rows_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  };
  first_table_[1] = 6;
  refused("names block 6 of 6");
  first_table_[1] = -1;
  refused("names block -1 of 6");
  tables_[0] = absl::Span<const int32_t>(first_table_).first(1);
  refused("needs 2 blocks, has 1");
  tables_[0] = first_table_;
  first_table_[1] = 1;
  logit_rows_ = {0, 1, 2};
  refused("3 logit rows");
  logit_rows_ = {3};
  refused("logits of row 3 of 3");
  logit_rows_ = {0};
  sequences_[2] = 2;
  refused("sequence 2 of 2");
  sequences_[2] = 1;
  tokens_.resize(5);
  positions_.assign(5, 0);
  sequences_.assign(5, 0);
  batch_.tokens = tokens_;
  batch_.positions = positions_;
  batch_.sequences = sequences_;
  refused("5 rows");
  EXPECT_EQ(std::count(fake_.calls.begin(), fake_.calls.end(), "step_memory"), 0);
}

TEST_F(PluginStepsTest, TablesBeyondWhatWasReservedAreRefused) {
  OpenWithSteps();
  positions_ = {47, 47, 63};  // 3 and 4 blocks, where 6 were reserved
  first_table_ = {0, 1, 2};
  second_table_ = {0, 1, 2, 3};
  tables_ = {first_table_, second_table_};
  batch_.block_tables = tables_;
  EXPECT_THAT(std::string(backend_->BeginStep(batch_, logit_rows_).message()),
              HasSubstr("more than the 6 blocks reserved"));
  EXPECT_EQ(std::count(fake_.calls.begin(), fake_.calls.end(), "begin_step"), 0);
}

TEST_F(PluginStepsTest, TheEndIsAskedForUntilItHasCome) {
  OpenWithSteps();
  Begin();
  fake_.wait_calls = 2;
  EXPECT_FALSE(backend_->EndStep(50).value());
  EXPECT_FALSE(backend_->EndStep(50).value());
  EXPECT_TRUE(backend_->EndStep(50).value());
  fake_.wait_calls = 5;
  EXPECT_TRUE(backend_->EndStep(-1).value());
}

TEST_F(PluginStepsTest, EveryFailureOfAStepIsThePluginsOwn) {
  OpenWithSteps();
  for (const char* call : {"step_memory", "begin_step", "end_step"}) {
    Fail(call, backend::kPluginDeviceLost, "an illegal address");
    absl::Status status = backend_->BeginStep(batch_, logit_rows_);
    if (status.ok()) status = backend_->EndStep(0).status();
    EXPECT_TRUE(backend::IsDeviceLost(status)) << call;
    EXPECT_EQ(status.message(), "an illegal address");
  }
}

TEST_F(PluginStepsTest, DrawsAreTranslatedAndTheirTokensRead) {
  OpenWithSteps();
  Begin();
  const float* const logits = reinterpret_cast<const float*>(uint64_t{0x1000});
  const std::vector<backend::DrawRequest> requests = {
      {.logit_row = 1, .temperature = 0.5f, .seed = 99, .position = 22, .sample_index = 2},
      {.logit_row = 0, .position = 4}};
  ASSERT_TRUE(backend_->Draw({.logits = logits, .vocab_size = 100, .requests = requests}).ok());
  EXPECT_EQ(fake_.draw_logits, 0x1000u);
  ASSERT_EQ(fake_.draws.size(), 2u);
  EXPECT_EQ(fake_.draws[0].logit_row, 1);
  EXPECT_EQ(fake_.draws[0].temperature, 0.5f);
  EXPECT_EQ(fake_.draws[0].seed, 99u);
  EXPECT_EQ(fake_.draws[0].position, 22);
  EXPECT_EQ(fake_.draws[0].sample_index, 2);
  std::vector<int32_t> tokens(2);
  ASSERT_TRUE(backend_->DrawnTokens(absl::MakeSpan(tokens)).ok());
  EXPECT_THAT(tokens, ElementsAre((22 * 7 + 2 + 3) % 100, 4 * 7 + 3));
  fake_.draw_state = 2;  // nothing could be drawn
  ASSERT_TRUE(backend_->DrawnTokens(absl::MakeSpan(tokens)).ok());
  EXPECT_THAT(tokens, ElementsAre(backend::kNoToken, backend::kNoToken));
}

TEST_F(PluginStepsTest, DrawsThatAreNotOfTheStepAreRefused) {
  OpenWithSteps();
  Begin();
  const float* const logits = reinterpret_cast<const float*>(uint64_t{0x1000});
  std::vector<backend::DrawRequest> requests(2);
  requests[1].logit_row = 2;
  EXPECT_FALSE(backend_->Draw({.logits = logits, .vocab_size = 100, .requests = requests}).ok());
  requests[1].logit_row = 1;
  EXPECT_FALSE(backend_->Draw({.logits = logits, .vocab_size = 99, .requests = requests}).ok());
  EXPECT_FALSE(backend_->Draw({.vocab_size = 100, .requests = requests}).ok());
  requests.resize(3);
  EXPECT_FALSE(backend_->Draw({.logits = logits, .vocab_size = 100, .requests = requests}).ok());
  std::vector<int32_t> tokens(1);
  EXPECT_FALSE(backend_->DrawnTokens(absl::MakeSpan(tokens)).ok()) << "nothing was drawn";
  EXPECT_TRUE(backend_->DrawnTokens({}).ok());
  EXPECT_TRUE(backend_->Draw({.logits = logits, .vocab_size = 100}).ok());
  EXPECT_EQ(std::count(fake_.calls.begin(), fake_.calls.end(), "draw"), 0);
  Begin();
  EXPECT_FALSE(backend_->DrawnTokens(absl::MakeSpan(tokens)).ok()) << "of an earlier step";
}

TEST_F(PluginStepsTest, NothingIsAllocatedInsideAStep) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  OpenWithSteps();
  auto logits = backend_->CreateBuffer(400, memory::Tag::kWorkspace).value();
  const auto* data = reinterpret_cast<const float*>(logits->data());
  const std::vector<backend::DrawRequest> requests(2);
  std::vector<int32_t> tokens(2);
  fake_.calls.reserve(1000);
  const auto step = [&] {
    EXPECT_TRUE(backend_->BeginStep(batch_, logit_rows_).ok());
    EXPECT_TRUE(backend_
                    ->Attention({.batch = &batch_,
                                 .q = data,
                                 .num_q_heads = 4,
                                 .scale = 1,
                                 .cache = cache_.get(),
                                 .out = reinterpret_cast<float*>(logits->data())},
                                {0, 12})
                    .ok());
    EXPECT_TRUE(backend_->Draw({.logits = data, .vocab_size = 100, .requests = requests}).ok());
    EXPECT_TRUE(backend_->EndStep(50).value());
    EXPECT_TRUE(backend_->DrawnTokens(absl::MakeSpan(tokens)).ok());
    EXPECT_TRUE(backend_->HostView(data, 100).ok());
  };
  step();  // the fake's own lists grow once
  const int64_t before = memory::HeapAllocations();
  step();
  EXPECT_EQ(memory::HeapAllocations(), before);
}

TEST_F(PluginStepsTest, ARowOfLogitsComesToTheHost) {
  OpenWithSteps();
  auto buffer = backend_->CreateBuffer(2 * 100 * 4, memory::Tag::kWorkspace).value();
  std::vector<float> values(200);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(values.data()), 800);
  ASSERT_TRUE(backend_->Upload(*buffer, 0, bytes).ok());
  const auto* data = reinterpret_cast<const float*>(buffer->data());
  const auto view = backend_->HostView(data + 100, 100);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->size(), 100u);
  EXPECT_EQ(view->front(), 100.0f);
  EXPECT_EQ(view->back(), 199.0f);
  EXPECT_FALSE(backend_->HostView(data, 101).ok());
  EXPECT_FALSE(backend_->HostView(nullptr, 1).ok());
  Fail("download");
  EXPECT_FALSE(backend_->HostView(data, 100).ok());
}

TEST_F(PluginStepsTest, RecordingsHaveSlots) {
  OpenWithSteps();
  EXPECT_TRUE(backend_->BeginRecording(15).ok());
  EXPECT_EQ(fake_.slot, 15);
  EXPECT_TRUE(backend_->EndRecording().ok());
  EXPECT_TRUE(backend_->Replay(3).ok());
  EXPECT_EQ(fake_.slot, 3);
  EXPECT_FALSE(backend_->BeginRecording(16).ok());
  EXPECT_FALSE(backend_->Replay(-1).ok());
  Fail("end_recording");
  EXPECT_FALSE(backend_->EndRecording().ok());
}

}  // namespace
}  // namespace llmrt::plugin
