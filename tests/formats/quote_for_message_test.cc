#include "formats/quote_for_message.h"

#include <string>

#include "gtest/gtest.h"

namespace llmrt::formats {
namespace {

TEST(QuoteForMessageTest, TextIsOneEscapedPrintableLine) {
  EXPECT_EQ(QuoteForMessage("blk.0"), "\"blk.0\"");
  EXPECT_EQ(QuoteForMessage("a\nb\"c\xFF"), "\"a\\nb\\\"c\\xff\"");
  EXPECT_EQ(QuoteForMessage(""), "\"\"");
}

TEST(QuoteForMessageTest, LongTextIsCut) {
  EXPECT_EQ(QuoteForMessage(std::string(80, 'x')), "\"" + std::string(80, 'x') + "\"");
  EXPECT_EQ(QuoteForMessage(std::string(81, 'x')), "\"" + std::string(80, 'x') + "...\"");
}

}  // namespace
}  // namespace llmrt::formats
