// Quantizing to nearest: errors within the bound that a block's scale sets, exact where values lie
// on the grid, and every produced row decodes.
#include "quant/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "numerics/float_types.h"
#include "quant/dequantize.h"
#include "quant/integer_block.h"

namespace llmrt::quant {
namespace {

using backend::WeightType;
using ::testing::HasSubstr;

std::vector<uint8_t> Quantize(WeightType type, const std::vector<float>& values) {
  std::vector<uint8_t> row(*backend::RowBytes(type, static_cast<int64_t>(values.size())));
  EXPECT_TRUE(QuantizeRow(type, values, absl::MakeSpan(row)).ok());
  return row;
}

std::vector<float> RoundTrip(WeightType type, const std::vector<float>& values) {
  std::vector<float> out(values.size());
  EXPECT_TRUE(DequantizeRow(type, Quantize(type, values), absl::MakeSpan(out)).ok());
  return out;
}

std::vector<float> Gaussian(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// How far a value may lie from its reconstruction. Half a step of the part's scale is the nearest
// code; what else there is depends on the type:
//   Q4_0, Q5_0, Q6_K: codes end one step early on one side: half a step more.
//   K types: a part's scale is a whole number of d, off by d / 2 at most, which the end code, 15,
//   31 or 32, multiplies; the minimum is a whole number of dmin, off by dmin / 2. F16 rounds scale
//   and minimum by 2^-11 of themselves: times 127 codes (Q8_0) 0.07 of a step.
float ErrorBound(WeightType type, const uint8_t* row, size_t value) {
  IntegerBlock block;
  DecodeIntegerBlock(type, row, static_cast<int64_t>(value / 32), &block);
  const float scale = std::abs(block.scale[value % 32 / (32 / block.num_groups)]);
  const auto half_at = [super = row + value / 256 * backend::GeometryOf(type).bytes](int offset) {
    return std::abs(
        numerics::F16ToF32(static_cast<uint16_t>(super[offset] | super[offset + 1] << 8)));
  };
  switch (type) {
    case WeightType::kQ4_0:
    case WeightType::kQ5_0:
      return 1.05f * scale;
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      return 0.57f * scale + (type == WeightType::kQ4_K ? 15.0f : 31.0f) * half_at(0) / 2 +
             half_at(2) / 2;
    case WeightType::kQ6_K:
      return 1.05f * scale + 32 * half_at(208) / 2;
    default:
      return 0.57f * scale;
  }
}

TEST(QuantizeTest, ErrorStaysWithinTheBlocksSteps) {
  const std::vector<float> values = Gaussian(256 * 32, 11);
  for (int t = 0; t < backend::kWeightTypeCount; ++t) {
    const auto type = static_cast<WeightType>(t);
    if (!backend::IsQuantized(type)) continue;
    SCOPED_TRACE(backend::GeometryOf(type).name);
    const std::vector<uint8_t> row = Quantize(type, values);
    const std::vector<float> out = RoundTrip(type, values);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_LE(std::abs(values[i] - out[i]), ErrorBound(type, row.data(), i)) << "value " << i;
    }
  }
}

TEST(QuantizeTest, FinerTypesLoseLess) {
  const std::vector<float> values = Gaussian(256 * 64, 12);
  const auto error = [&values](WeightType type) {
    const std::vector<float> out = RoundTrip(type, values);
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      sum += (values[i] - out[i]) * static_cast<double>(values[i] - out[i]);
    }
    return sum;
  };
  EXPECT_LT(error(WeightType::kQ5_0), error(WeightType::kQ4_0));
  EXPECT_LT(error(WeightType::kQ5_1), error(WeightType::kQ4_1));
  EXPECT_LT(error(WeightType::kQ5_K), error(WeightType::kQ4_K));
  EXPECT_LT(error(WeightType::kQ6_K), error(WeightType::kQ5_K));
  EXPECT_LT(error(WeightType::kQ8_0), error(WeightType::kQ6_K));
  EXPECT_LT(error(WeightType::kF16), error(WeightType::kBF16));
  EXPECT_EQ(error(WeightType::kF32), 0);
}

TEST(QuantizeTest, ValuesOnTheGridComeBackExactly) {
  std::vector<float> values(32);
  for (int i = 0; i < 32; ++i) values[i] = static_cast<float>(i % 16 - 8) * 0.25f;
  EXPECT_EQ(RoundTrip(WeightType::kQ4_0, values), values);
  EXPECT_EQ(RoundTrip(WeightType::kQ4_1, values), values);
  for (int i = 0; i < 32; ++i) values[i] = static_cast<float>(i - 16) * 0.5f;
  EXPECT_EQ(RoundTrip(WeightType::kQ5_0, values), values);
  EXPECT_EQ(RoundTrip(WeightType::kQ5_1, values), values);
  for (int i = 0; i < 32; ++i) values[i] = static_cast<float>(i == 0 ? -127 : 4 * i) * 0.125f;
  EXPECT_EQ(RoundTrip(WeightType::kQ8_0, values), values);
}

// How far a constant of 1 or -1 may lie from its reconstruction:
//   Q4_0, Q5_0, Q6_K: the extreme value gets the lowest code, a power of 2, and so a scale that is
//     one as well, which f16 holds: exact.
//   Q4_1, Q5_1: all of it is the minimum, which f16 holds: exact.
//   Q8_0, and the scale (of 1) or minimum (of -1) of Q4_K and Q5_K: the code is the highest one,
//   for
//     the scale is off by 2^-11 of itself, f16's rounding, and 127 codes of that are 0.06 of a
//     step; so the value is off by 2^-11, the float divisions before it by 2^-13 of that.
float ConstantBound(WeightType type) {
  switch (type) {
    case WeightType::kQ8_0:
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      return 0x1.001p-11f;
    default:
      return 0.0f;
  }
}

TEST(QuantizeTest, ZerosAndConstantsStayWhatTheyAre) {
  for (int t = 0; t < backend::kWeightTypeCount; ++t) {
    const auto type = static_cast<WeightType>(t);
    SCOPED_TRACE(backend::GeometryOf(type).name);
    for (float value : RoundTrip(type, std::vector<float>(256, 0.0f))) EXPECT_EQ(value, 0.0f);
    for (float constant : {1.0f, -1.0f}) {
      for (float value : RoundTrip(type, std::vector<float>(256, constant))) {
        EXPECT_LE(std::abs(value - constant), ConstantBound(type)) << constant;
      }
    }
  }
}

TEST(QuantizeTest, TinyAndHugeValuesMakeFiniteBlocks) {
  for (int t = 0; t < backend::kWeightTypeCount; ++t) {
    const auto type = static_cast<WeightType>(t);
    SCOPED_TRACE(backend::GeometryOf(type).name);
    for (float magnitude : {1e-45f, 1e-30f, 1e-8f, 6e-6f, 65000.0f}) {
      std::vector<float> values(256);
      for (int i = 0; i < 256; ++i) values[i] = magnitude * static_cast<float>(i % 7 - 3) / 3.0f;
      for (float value : RoundTrip(type, values)) {
        EXPECT_TRUE(std::isfinite(value));
        EXPECT_LE(std::abs(value), 1.2f * magnitude + 6e-8f * 256);
      }
    }
  }
}

TEST(QuantizeTest, ValueThatDoesNotFitIsNamed) {
  std::vector<uint8_t> row(18);
  std::vector<float> values(32, 0.5f);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY, 600000.0f}) {
    values[13] = bad;
    const absl::Status status = QuantizeRow(WeightType::kQ4_0, values, absl::MakeSpan(row));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("value 13 is "));
    EXPECT_THAT(status.message(), HasSubstr("up to 500000; store this tensor as F32"));
  }
}

TEST(QuantizeTest, LengthsAreChecked) {
  std::vector<uint8_t> row(18);
  std::vector<float> values(33);
  EXPECT_THAT(QuantizeRow(WeightType::kQ4_0, values, absl::MakeSpan(row)).message(),
              HasSubstr("33 values is not whole Q4_0 blocks of 32"));
  values.resize(64);
  EXPECT_THAT(QuantizeRow(WeightType::kQ4_0, values, absl::MakeSpan(row)).message(),
              HasSubstr("room for 18 bytes given; 64 Q4_0 values take 36"));
  EXPECT_TRUE(QuantizeRow(WeightType::kQ4_0, {}, {}).ok());
}

}  // namespace
}  // namespace llmrt::quant
