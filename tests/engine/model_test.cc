#include "engine/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "memory/counted_heap.h"
#include "tests/engine/test_engine.h"

namespace llmrt::engine {
namespace {

TEST(ModelTest, OpensWithItsTokenizer) {
  const auto model = Model::Open(*llmrt::testing::RandomSource(), false);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->vocab_size(), 300);
  EXPECT_TRUE((*model)->tokenizer().ok());
  EXPECT_EQ((*model)->file().format(), "GGUF v3");
}

TEST(ModelTest, ThePlanIsThatOfTheLoadAndHasACeiling) {
  EngineOptions options;
  options.threads = 1;
  const auto source = llmrt::testing::RandomSource();
  const auto model = Model::Open(*source, false).value();
  const auto plan = model->MakePlan(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_GT(plan->read_bandwidth_bytes_per_second, 1e8);
  EXPECT_NEAR(plan->decode_tokens_per_second_ceiling,
              plan->read_bandwidth_bytes_per_second / static_cast<double>(plan->weights_bytes),
              1e-3);
  const auto engine = llmrt::testing::OpenEngine(source, options);
  EXPECT_EQ(engine->GetPlan()->total_bytes, plan->total_bytes);
  EXPECT_EQ(engine->GetPlan()->kv_blocks, plan->kv_blocks);
}

TEST(ModelTest, EqualFilesTakeEqualHeapHoweverTheyAreRead) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  llmrt::testing::FileSource source(LLMRT_TEST_DATA_DIR "/tiny-300.gguf");
  const memory::BudgetRef parent = memory::Budget::Create(0);
  const auto read = Model::Open(source, false).value();
  const auto mapped = Model::Open(source, true, parent.get()).value();
  EXPECT_GT(read->heap().bytes, 300 * 32);
  EXPECT_EQ(read->heap().bytes, mapped->heap().bytes);
  EXPECT_GE(read->heap().open_peak_bytes, read->heap().bytes);
  EXPECT_EQ(parent->used_bytes(), mapped->heap().bytes);
}

// The random model with one text for another of the same length.
llmrt::testing::MemorySource RandomModelWith(std::string_view text, std::string_view other) {
  std::vector<uint8_t> bytes = llmrt::testing::MakeRandomModel({});
  const auto at = std::search(bytes.begin(), bytes.end(), text.begin(), text.end());
  EXPECT_NE(at, bytes.end());
  std::copy(other.begin(), other.end(), at);
  return llmrt::testing::MemorySource(std::move(bytes));
}

TEST(ModelTest, ATokenizerThatIsNotKnownLeavesTheRestReadable) {
  // The value of tokenizer.ggml.model, between its length and the next key's.
  constexpr std::string_view kKey = "tokenizer.ggml.model\x08\0\0\0\x05\0\0\0\0\0\0\0";
  const std::string key(kKey.data(), 20 + 12);
  auto source = RandomModelWith(key + "llama", key + "rwkvx");
  const auto model = Model::Open(source, false);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->vocab_size(), 300);
  const absl::Status status = (*model)->tokenizer().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message().rfind("memory: tokenizer model \"rwkvx\" is not supported; ", 0), 0u)
      << status;
  EngineOptions options;
  options.threads = 1;
  EXPECT_TRUE((*model)->MakePlan(options).ok());  // token ids need no tokenizer
}

TEST(ModelTest, ATensorTypeThatIsNotKnownIsRefusedByThePlan) {
  // The directory's entry: name, 2 dimensions of 64 and 300, type F32.
  std::string entry = "token_embd.weight";
  for (const char byte : {2, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 44, 1, 0, 0, 0, 0, 0, 0}) {
    entry.push_back(byte);
  }
  auto source = RandomModelWith(entry + std::string("\0", 1), entry + std::string("\x17", 1));
  const auto model = Model::Open(source, false);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->file().FindTensor("token_embd.weight")->unsupported_type, "IQ4_XS");
  const absl::Status status = (*model)->MakePlan({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message().rfind("memory: tensor \"token_embd.weight\" has type IQ4_XS, which is "
                                   "not supported; use a file with F32, ",
                                   0),
            0u)
      << status;
}

TEST(ModelTest, AFileThatIsNoModelIsAStatus) {
  llmrt::testing::MemorySource source({'n', 'o', ' ', 'm', 'o', 'd', 'e', 'l'});
  EXPECT_FALSE(Model::Open(source, false).ok());
}

}  // namespace
}  // namespace llmrt::engine
