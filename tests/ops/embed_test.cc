#include "ops/embed.h"

#include <vector>

#include "gtest/gtest.h"
#include "ops/host_storage.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

class EmbedTest : public testing::Test {
 protected:
  EmbedTest() {
    table_ = HostMatrix::Create(memory_, backend::WeightType::kF32, 3, 4).value();
    std::vector<float> values(12);
    for (int i = 0; i < 12; ++i) values[i] = static_cast<float>(i);
    const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
    EXPECT_TRUE(static_cast<HostMatrix&>(*table_).WriteRows(0, {bytes, 48}).ok());
    batch_.tables.emplace_back();
    for (const int32_t token : {2, 0}) {
      batch_.Add(0, 0);
      batch_.tokens.back() = token;
    }
    view_ = batch_.View();
  }
  memory::LargeMemory memory_{0};
  std::unique_ptr<backend::Matrix> table_;
  OwnedBatch batch_;
  backend::Batch view_;
  std::vector<float> out_ = std::vector<float>(8, -1.0f);
};

TEST_F(EmbedTest, RowsAreThoseOfTheTokens) {
  OracleEmbed({.batch = &view_, .table = table_.get(), .out = out_.data()}, {0, 2});
  EXPECT_EQ(out_, (std::vector<float>{8, 9, 10, 11, 0, 1, 2, 3}));
}

TEST_F(EmbedTest, OnlyTheRangeIsWritten) {
  OracleEmbed({.batch = &view_, .table = table_.get(), .out = out_.data()}, {1, 2});
  EXPECT_EQ(out_, (std::vector<float>{-1, -1, -1, -1, 0, 1, 2, 3}));
}

TEST_F(EmbedTest, TokensOutsideTheTableAreRefused) {
  const backend::EmbedParams params = {.batch = &view_, .table = table_.get(), .out = out_.data()};
  EXPECT_TRUE(CheckEmbed(params, {0, 2}).ok());
  EXPECT_FALSE(CheckEmbed(params, {0, 3}).ok());
  EXPECT_FALSE(CheckEmbed({}, {0, 0}).ok());
  batch_.tokens[1] = 3;
  EXPECT_FALSE(CheckEmbed(params, {0, 2}).ok());
  EXPECT_TRUE(CheckEmbed(params, {0, 1}).ok());
  batch_.tokens[1] = -1;
  EXPECT_FALSE(CheckEmbed(params, {0, 2}).ok());
}

}  // namespace
}  // namespace llmrt::ops
