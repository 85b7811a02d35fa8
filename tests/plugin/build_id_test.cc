#include "plugin/build_id.h"

#include "gtest/gtest.h"

namespace llmrt::plugin {
namespace {

TEST(BuildIdTest, IsAHashInHexDigits) {
  EXPECT_EQ(BuildId().size(), 64u);
  EXPECT_EQ(BuildId().find_first_not_of("0123456789abcdef"), BuildId().npos);
}

}  // namespace
}  // namespace llmrt::plugin
