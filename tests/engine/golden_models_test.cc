// Real trained models against what an independent float64 computation says of them: five prompts
// for each of eight files.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/engine/test_engine.h"
#include "tests/model/step_runner.h"
#include "tests/shared_files.h"

namespace llmrt {
namespace {

constexpr const char* kModels[] = {"stories260K-f32",       "tinystories-1.4M-f16",
                                   "tinystories-1.4M-q8_0", "tinystories-3.8M-f16",
                                   "tinystories-3.8M-q4_0", "tinystories-3.8M-q4_k_m",
                                   "tinystories-3.8M-q6_k", "tinystories-3.8M-q8_0"};

std::string ModelPath(const std::string& name) {
  return testing::SharedFile("models/" + name + ".gguf");
}

class GoldenModelsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (testing::SkipWithoutFile(ModelPath(GetParam()))) return;
    std::ifstream in(testing::SharedFile(std::string("models/golden/") + GetParam() + ".json"));
    golden_ = nlohmann::json::parse(in).at("results");
  }

  nlohmann::json golden_;
};

INSTANTIATE_TEST_SUITE_P(Models, GoldenModelsTest, ::testing::ValuesIn(kModels),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

TEST_P(GoldenModelsTest, ReferenceNumericsGiveTheGoldenTokens) {
  engine::EngineOptions options;
  options.numerics = backend::NumericMode::kReference;
  const auto engine = llmrt::testing::OpenEngine(
      std::make_shared<llmrt::testing::FileSource>(ModelPath(GetParam())), options);
  ASSERT_EQ(golden_.size(), 5u);
  for (const nlohmann::json& result : golden_) {
    SCOPED_TRACE(result.at("prompt").get<std::string>());
    const auto expected = result.at("greedy_tokens").get<std::vector<int32_t>>();
    engine::StreamOptions stream;
    stream.max_tokens = static_cast<int64_t>(expected.size());
    stream.ignore_eos = true;
    const llmrt::testing::Generation generation = llmrt::testing::Generate(
        engine, result.at("prompt_tokens").get<std::vector<int32_t>>(), stream);
    EXPECT_EQ(generation.tokens, expected);
    EXPECT_EQ(generation.reason, engine::FinishReason::kMaxTokens);
  }
}

TEST_P(GoldenModelsTest, PromptsTokenizeAsTheGoldenOnes) {
  llmrt::testing::FileSource source(ModelPath(GetParam()));
  const auto model = engine::Model::Open(source, false).value();
  for (const nlohmann::json& result : golden_) {
    EXPECT_EQ(
        model->tokenizer().value()->Encode(result.at("prompt").get<std::string>(), {}).value(),
        result.at("prompt_tokens").get<std::vector<int32_t>>());
  }
}

}  // namespace
}  // namespace llmrt
