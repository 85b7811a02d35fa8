#include "ops/prepare.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "numerics/float_types.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

using backend::ActivationBlock;
using backend::ActivationFormat;

std::vector<uint8_t> Prepared(const std::vector<float>& in, ActivationFormat format) {
  const int64_t cols = static_cast<int64_t>(in.size());
  std::vector<uint8_t> out(backend::ActivationRowBytes(format, cols), 0xff);
  OraclePrepare({.in = in.data(), .cols = cols, .format = format, .out = out.data()}, {0, 1});
  return out;
}

TEST(PrepareTest, FloatsAreCopiedAndPaddedWithZeros) {
  const auto out = Prepared({1, 2, 3}, ActivationFormat::kF32);
  ASSERT_EQ(out.size(), 128u);
  float values[32];
  std::memcpy(values, out.data(), 128);
  EXPECT_EQ(values[2], 3.0f);
  for (int i = 3; i < 32; ++i) EXPECT_EQ(values[i], 0.0f);
}

TEST(PrepareTest, BFloat16RoundsToNearestEven) {
  // One ulp of bfloat16 at 1 is 2^-7: the first is a tie that goes down to even, the second up.
  const auto out =
      Prepared({1.0f + 0x1p-8f, 1.0f + 3 * 0x1p-8f, 0x1.01p0f}, ActivationFormat::kBF16);
  uint16_t bits[64];
  ASSERT_EQ(out.size(), sizeof(bits));
  std::memcpy(bits, out.data(), sizeof(bits));
  EXPECT_EQ(numerics::BF16ToF32(bits[0]), 1.0f);
  EXPECT_EQ(numerics::BF16ToF32(bits[1]), 1.0f + 0x1p-6f);
  EXPECT_EQ(bits[3], 0);
}

TEST(PrepareTest, Float16RoundsToNearestEvenAndIsPaddedWithZeros) {
  // One ulp of float16 at 1 is 2^-10.
  const auto out = Prepared({1.0f + 0x1p-11f, 1.0f + 3 * 0x1p-11f, 1e6f}, ActivationFormat::kF16);
  uint16_t bits[64];
  ASSERT_EQ(out.size(), sizeof(bits));
  std::memcpy(bits, out.data(), sizeof(bits));
  EXPECT_EQ(numerics::F16ToF32(bits[0]), 1.0f);
  EXPECT_EQ(numerics::F16ToF32(bits[1]), 1.0f + 0x1p-9f);
  EXPECT_EQ(bits[2], 0x7c00);  // infinity
  for (int i = 3; i < 64; ++i) EXPECT_EQ(bits[i], 0);
}

TEST(PrepareTest, BlocksHoldScaleSumAndRoundedValues) {
  std::vector<float> in(40, 0.0f);
  in[0] = 254.0f;  // scale 2
  in[1] = 3.0f;    // 1.5: a tie, to 2
  in[2] = 1.0f;    // 0.5: a tie, to 0
  in[3] = -254.0f;
  in[33] = -127.0f;  // the second, short block
  const auto out = Prepared(in, ActivationFormat::kInt8);
  ASSERT_EQ(out.size(), 2 * sizeof(ActivationBlock));
  ActivationBlock blocks[2];
  std::memcpy(blocks, out.data(), sizeof(blocks));
  EXPECT_EQ(blocks[0].scale, 2.0f);
  EXPECT_EQ(blocks[0].q[0], 127);
  EXPECT_EQ(blocks[0].q[1], 2);
  EXPECT_EQ(blocks[0].q[2], 0);
  EXPECT_EQ(blocks[0].q[3], -127);
  EXPECT_EQ(blocks[0].sum, 2);
  EXPECT_EQ(blocks[1].scale, 1.0f);
  EXPECT_EQ(blocks[1].q[1], -127);
  EXPECT_EQ(blocks[1].sum, -127);
}

TEST(PrepareTest, WrongParametersAreRefused) {
  const float in[] = {1};
  uint8_t out[64];
  EXPECT_TRUE(CheckPrepare({.in = in, .cols = 1, .out = out}, {0, 1}).ok());
  EXPECT_FALSE(CheckPrepare({.in = in, .cols = 0, .out = out}, {0, 1}).ok());
  EXPECT_FALSE(CheckPrepare({.in = in, .cols = 1}, {0, 1}).ok());
  EXPECT_FALSE(CheckPrepare({.in = in, .cols = 1, .out = out}, {1, 0}).ok());
}

TEST(PrepareTest, RowsOfAnotherOpAreWrittenInEveryFormatThatIsAskedFor) {
  Random random(3);
  const auto in = RandomFloats(random, 3 * 40, Spread::kNormal);
  std::vector<uint8_t> bfloats(3 * backend::ActivationRowBytes(ActivationFormat::kBF16, 40), 7);
  std::vector<uint8_t> blocks(3 * backend::ActivationRowBytes(ActivationFormat::kInt8, 40), 7);
  auto expected_bfloats = bfloats, expected_blocks = blocks;
  const backend::PreparedRows outputs[] = {{ActivationFormat::kBF16, bfloats.data()},
                                           {ActivationFormat::kInt8, blocks.data()}};
  EXPECT_TRUE(CheckPrepared("Op", outputs).ok());
  OraclePrepared(in.data(), 40, outputs, {1, 2});
  OraclePrepare({.in = in.data(),
                 .cols = 40,
                 .format = ActivationFormat::kBF16,
                 .out = expected_bfloats.data()},
                {1, 2});
  OraclePrepare({.in = in.data(),
                 .cols = 40,
                 .format = ActivationFormat::kInt8,
                 .out = expected_blocks.data()},
                {1, 2});
  EXPECT_EQ(bfloats, expected_bfloats);
  EXPECT_EQ(blocks, expected_blocks);
  const backend::PreparedRows nowhere[] = {{ActivationFormat::kF32, nullptr}};
  EXPECT_FALSE(CheckPrepared("Op", nowhere).ok());
  EXPECT_TRUE(CheckPrepared("Op", {}).ok());
}

}  // namespace
}  // namespace llmrt::ops
