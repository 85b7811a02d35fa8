#include "engine/build_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace llmrt::engine {
namespace {

TEST(BuildNameTest, IsAVersionAndTheHashOfTheFile) {
  EXPECT_THAT(std::string(BuildName()),
              ::testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+ \\([0-9a-f]{12}\\)"));
}

TEST(BuildNameTest, IsTheSameEveryTime) { EXPECT_EQ(BuildName().data(), BuildName().data()); }

}  // namespace
}  // namespace llmrt::engine
