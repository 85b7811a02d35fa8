// Conversions to and from the 16-bit types: every 16-bit value, the neighbourhood of every rounding
// boundary, and the processor's own F16C instructions as a second opinion.
#include "numerics/float_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llmrt::numerics {
namespace {

// The value of a half by its definition, in double.
double HalfValue(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

TEST(FloatTypesTest, EveryFiniteHalfHasItsDefinedValueAndSurvivesARoundTrip) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const uint16_t half = static_cast<uint16_t>(h);
    if ((half >> 10 & 31) == 31) continue;
    const float value = F16ToF32(half);
    ASSERT_EQ(static_cast<double>(value), HalfValue(half)) << h;
    ASSERT_EQ(F32ToF16(value), half) << h;
  }
}

TEST(FloatTypesTest, HalfInfinityAndNanStayWhatTheyAre) {
  EXPECT_EQ(F16ToF32(0x7c00), INFINITY);
  EXPECT_EQ(F16ToF32(0xfc00), -INFINITY);
  EXPECT_EQ(F32ToF16(INFINITY), 0x7c00);
  EXPECT_EQ(F32ToF16(-INFINITY), 0xfc00);
  for (uint32_t mantissa = 1; mantissa < 1024; ++mantissa) {
    const uint16_t half = static_cast<uint16_t>(0x7c00 | mantissa);
    ASSERT_TRUE(IsNan(F16ToF32(half)));
    ASSERT_EQ(FloatBits(F16ToF32(half)) & 0x00400000u, 0x00400000u);
    ASSERT_EQ(F32ToF16(F16ToF32(half)), half | 0x0200);
  }
}

TEST(FloatTypesTest, HalfRoundsToNearestEvenAroundEveryBoundary) {
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    const uint16_t low = static_cast<uint16_t>(h);
    const uint16_t high = static_cast<uint16_t>(h + 1);
    const double high_value = high == 0x7c00 ? 65536.0 : HalfValue(high);
    const float middle = static_cast<float>((HalfValue(low) + high_value) / 2);  // exact: 12 bits
    const uint16_t even = h % 2 == 0 ? low : high;
    ASSERT_EQ(F32ToF16(middle), even) << h;
    ASSERT_EQ(F32ToF16(-middle), even | 0x8000) << h;
    ASSERT_EQ(F32ToF16(BitsToFloat(FloatBits(middle) - 1)), low) << h;
    ASSERT_EQ(F32ToF16(BitsToFloat(FloatBits(middle) + 1)), high) << h;
  }
}

TEST(FloatTypesTest, FloatSubnormalsBecomeSignedZeroHalves) {
  EXPECT_EQ(F32ToF16(BitsToFloat(1)), 0);
  EXPECT_EQ(F32ToF16(BitsToFloat(0x807fffff)), 0x8000);
  EXPECT_EQ(F32ToF16(-0.0f), 0x8000);
}

#if defined(__x86_64__)
__attribute__((target("f16c,avx"))) uint16_t HardwareF32ToF16(float value) {
  return static_cast<uint16_t>(_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(value), 0), 0));
}

__attribute__((target("f16c,avx"))) float HardwareF16ToF32(uint16_t half) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}

TEST(FloatTypesTest, HalfConversionsEqualF16C) {
  if (!__builtin_cpu_supports("f16c")) GTEST_SKIP() << "this processor has no F16C";
  for (uint32_t h = 0; h < 65536; ++h) {
    const uint16_t half = static_cast<uint16_t>(h);
    ASSERT_EQ(FloatBits(F16ToF32(half)), FloatBits(HardwareF16ToF32(half))) << h;
  }
  // An odd stride visits every exponent with mantissas of every pattern: 21 million of the 2^32
  // floats.
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 203) {
    const float value = BitsToFloat(static_cast<uint32_t>(bits));
    ASSERT_EQ(F32ToF16(value), HardwareF32ToF16(value)) << std::hex << bits;
  }
}
#endif

TEST(FloatTypesTest, EveryBfloatSurvivesARoundTrip) {
  for (uint32_t b = 0; b < 65536; ++b) {
    const uint16_t value = static_cast<uint16_t>(b);
    const bool nan = (b & 0x7f80) == 0x7f80 && (b & 0x7f) != 0;
    ASSERT_EQ(FloatBits(BF16ToF32(value)), b << 16);
    ASSERT_EQ(F32ToBF16(BF16ToF32(value)), nan ? b | 0x40 : b);
  }
}

TEST(FloatTypesTest, BfloatRoundsToNearestEvenAroundEveryBoundary) {
  for (uint32_t b = 0; b < 0x7f80; ++b) {
    const uint32_t middle = b << 16 | 0x8000;
    ASSERT_EQ(F32ToBF16(BitsToFloat(middle)), b % 2 == 0 ? b : b + 1);
    ASSERT_EQ(F32ToBF16(BitsToFloat(middle - 1)), b);
    ASSERT_EQ(F32ToBF16(BitsToFloat(middle + 1)), b + 1);
    ASSERT_EQ(F32ToBF16(BitsToFloat(0x80000000u | (middle + 1))), 0x8000 | (b + 1));
  }
}

TEST(FloatTypesTest, BfloatKeepsNanWhosePayloadIsInTheLowHalf) {
  EXPECT_EQ(F32ToBF16(BitsToFloat(0x7f800001)), 0x7fc0);
  EXPECT_EQ(F32ToBF16(BitsToFloat(0xffffffff)), 0xffff);
}

}  // namespace
}  // namespace llmrt::numerics
