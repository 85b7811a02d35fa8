#include "text/end_of_generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace llmrt::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int32_t> Find(const std::vector<std::string>& tokens) {
  return EndTokensByName(tokens);
}

TEST(EndOfGenerationTest, WellKnownNamesAreFound) {
  EXPECT_THAT(Find({"a", "<|im_end|>", "b", "</s>", "<|eot_id|>", "<end_of_turn>"}),
              ElementsAre(1, 3, 4, 5));
}

TEST(EndOfGenerationTest, NamesMustMatchWhole) {
  EXPECT_THAT(Find({"<|im_end|", " </s>", "<|im_start|>", "<s>", "", "eot_id"}), IsEmpty());
}

TEST(EndOfGenerationTest, EndClosesAMessageWhereReturnAndCallExist) {
  EXPECT_THAT(Find({"<|end|>", "<|return|>"}), ElementsAre(0, 1));
  EXPECT_THAT(Find({"<|end|>", "<|return|>", "<|call|>"}), ElementsAre(1, 2));
  EXPECT_THAT(Find({"<|end|>", "<|flush|>", "<|calls|>"}), ElementsAre(1, 2));
}

TEST(EndOfGenerationTest, TheSTagIsMarkupWhereToolResponsesExist) {
  EXPECT_THAT(Find({"</s>", "<|tool_response>"}), ElementsAre(1));
}

}  // namespace
}  // namespace llmrt::text
