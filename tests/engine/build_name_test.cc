#include "engine/build_name.h"

#include <gtest/gtest.h>

namespace llmrt::engine {
namespace {

TEST(BuildNameTest, BeginsWithAVersion) {
  ASSERT_FALSE(BuildName().empty());
  EXPECT_TRUE(BuildName()[0] >= '0' && BuildName()[0] <= '9');
}

}  // namespace
}  // namespace llmrt::engine
