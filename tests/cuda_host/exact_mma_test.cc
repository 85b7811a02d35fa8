// The integer arithmetic against the rules written down once more in another way: significands as
// long double, ldexp and trunc.
#include "cuda_host/exact_mma.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "cuda/device/device.h"
#include "numerics/float_types.h"
#include "test_seed.h"

namespace llmrt::cuda_host {
namespace {

using cuda::BFloat16;
using cuda::Half;

constexpr MatrixUnit kUnits[] = {MatrixUnit::kAmpere, MatrixUnit::kHopper};

template <typename Element>
float ToFloat(uint16_t bits) {
  return std::is_same_v<Element, Half> ? numerics::F16ToF32(bits) : numerics::BF16ToF32(bits);
}
template <typename Element>
uint16_t FromFloat(float value) {
  return std::is_same_v<Element, Half> ? numerics::F32ToF16(value) : numerics::F32ToBF16(value);
}

// value = significand * 2^exponent, 1 <= |significand| < 2 unless the exponent is the type's least.
long double Significand(float value, int least_exponent, int* exponent) {
  *exponent = value == 0.0f ? least_exponent : std::max(std::ilogb(value), least_exponent);
  return std::ldexp(static_cast<long double>(value), -*exponent);
}

float CutToFloat(long double value) {
  if (std::fabs(value) >= std::ldexp(1.0L, 128)) {
    return std::copysign(INFINITY, static_cast<float>(value > 0 ? 1 : -1));
  }
  float rounded = static_cast<float>(value);
  if (std::fabs(static_cast<long double>(rounded)) > std::fabs(value)) {
    rounded = std::nextafterf(rounded, 0.0f);
  }
  return rounded;
}

template <typename Element>
float SlowStep(const uint16_t* a, const uint16_t* b, float c, int count, int fraction) {
  const int least = std::is_same_v<Element, Half> ? -14 : -126;
  std::vector<long double> terms(1);
  std::vector<int> exponents(1);
  terms[0] = Significand(c, -126, &exponents[0]);
  double plain = c;  // finds infinities and NaN
  for (int k = 0; k < count; ++k) {
    const float x = ToFloat<Element>(a[k]);
    const float y = ToFloat<Element>(b[k]);
    plain += static_cast<double>(x) * y;
    if (!std::isfinite(x) || !std::isfinite(y) || x == 0.0f || y == 0.0f) continue;
    int exponent_x, exponent_y;
    const long double product =
        Significand(x, least, &exponent_x) * Significand(y, least, &exponent_y);
    terms.push_back(product);
    exponents.push_back(exponent_x + exponent_y);
  }
  if (std::isnan(plain)) return std::bit_cast<float>(0x7fffffffu);
  if (std::isinf(plain)) return static_cast<float>(plain);
  const int largest = *std::max_element(exponents.begin(), exponents.end());
  long double sum = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    sum += std::trunc(std::ldexp(terms[i], exponents[i] - largest + fraction));
  }
  return CutToFloat(std::ldexp(sum, largest - fraction));
}

template <typename Element>
float SlowDot(const uint16_t* a, const uint16_t* b, float c, MatrixUnit unit) {
  if (unit == MatrixUnit::kHopper) return SlowStep<Element>(a, b, c, 16, 25);
  return SlowStep<Element>(a + 8, b + 8, SlowStep<Element>(a, b, c, 8, 24), 8, 24);
}

// Operands of one output: what is not set is zero.
template <typename Element>
struct Dot {
  uint16_t a[16] = {};
  uint16_t b[16] = {};
  float c = 0.0f;

  Dot& Set(int k, float x, float y) {
    a[k] = FromFloat<Element>(x);
    b[k] = FromFloat<Element>(y);
    return *this;
  }
  float operator()(MatrixUnit unit) const { return ExactDot16<Element>(a, b, c, unit); }
};

TEST(ExactMmaTest, TermsAreCutBeforeTheyAreSummed) {
  // Four times 1.5 * 2^-25 beside 1: together 1.5 * 2^-23. At 25 bits each keeps 2^-25, which
  // makes 2^-23; at 24 bits nothing is left.
  Dot<BFloat16> dot;
  dot.c = 1.0f;
  for (int k = 0; k < 4; ++k) dot.Set(k, 1.5f, 0x1p-25f);
  EXPECT_EQ(dot(MatrixUnit::kHopper), 1.0f + 0x1p-23f);
  EXPECT_EQ(dot(MatrixUnit::kAmpere), 1.0f);
  // Toward zero, not down.
  dot.c = -1.0f;
  for (int k = 0; k < 4; ++k) dot.Set(k, -1.5f, 0x1p-25f);
  EXPECT_EQ(dot(MatrixUnit::kHopper), -1.0f - 0x1p-23f);
  EXPECT_EQ(dot(MatrixUnit::kAmpere), -1.0f);
}

TEST(ExactMmaTest, TheResultIsCutNotRounded) {
  Dot<BFloat16> dot;
  dot.c = 1.0f;
  dot.Set(0, 1.75f, 0x1p-24f);
  for (const MatrixUnit unit : kUnits) EXPECT_EQ(dot(unit), 1.0f);
  dot.Set(1, 1.0f, 0x1p-24f);  // 1.0 + 2.75 * 2^-24, cut to a multiple of 2^-23
  for (const MatrixUnit unit : kUnits) EXPECT_EQ(dot(unit), 1.0f + 0x1p-23f);
}

TEST(ExactMmaTest, AProductIsNotNormalisedBeforeItIsAligned) {
  // 1.5 * 1.5 = 2.25 has exponent 0 here, so 2^-25 beside it is kept where 25 bits are.
  Dot<BFloat16> dot;
  dot.Set(0, 1.5f, 1.5f).Set(1, -1.5f, 1.5f).Set(2, 0x1p-25f, 1.0f);
  EXPECT_EQ(dot(MatrixUnit::kHopper), 0x1p-25f);
  EXPECT_EQ(dot(MatrixUnit::kAmpere), 0.0f);
}

TEST(ExactMmaTest, AmpereSumsTheSecondHalfAfterTheFirst) {
  Dot<Half> dot;
  dot.Set(0, 1024.0f, 1024.0f).Set(7, -1024.0f, 1024.0f).Set(8, 0x1p-10f, 1.0f);
  EXPECT_EQ(dot(MatrixUnit::kHopper), 0.0f);
  EXPECT_EQ(dot(MatrixUnit::kAmpere), 0x1p-10f);
}

TEST(ExactMmaTest, SubnormalsAreKept) {
  Dot<Half> half;
  half.Set(3, 0x1p-24f, 0x1p-24f);
  for (const MatrixUnit unit : kUnits) EXPECT_EQ(half(unit), 0x1p-48f);
  Dot<BFloat16> bfloat;
  bfloat.c = 0x1p-149f;
  bfloat.Set(3, 0x1p-133f, 0x1p-16f);
  for (const MatrixUnit unit : kUnits) EXPECT_EQ(bfloat(unit), 0x1p-148f);
}

TEST(ExactMmaTest, SpecialValuesGiveInfinityOrTheCanonicalNan) {
  const auto bits = [](float value) { return std::bit_cast<uint32_t>(value); };
  for (const MatrixUnit unit : kUnits) {
    Dot<BFloat16> dot;
    dot.Set(0, INFINITY, 2.0f).Set(9, -1.0f, 3.0f);
    EXPECT_EQ(dot(unit), INFINITY);
    EXPECT_EQ(bits(Dot(dot).Set(9, INFINITY, -1.0f)(unit)), 0x7fffffffu);
    EXPECT_EQ(bits(Dot(dot).Set(0, -INFINITY, 0.0f)(unit)), 0x7fffffffu);
    EXPECT_EQ(bits(Dot(dot).Set(0, NAN, 1.0f)(unit)), 0x7fffffffu);
    dot.c = -INFINITY;
    EXPECT_EQ(bits(dot(unit)), 0x7fffffffu);
    EXPECT_EQ(dot.Set(0, 1.0f, 2.0f)(unit), -INFINITY);
    // Too large for float32 is infinite, cut or not.
    Dot<BFloat16> large;
    EXPECT_EQ(large.Set(0, -0x1p127f, 0x1p2f)(unit), -INFINITY);
    EXPECT_EQ(bits(large.Set(0, 0x1p127f, 1.0f).Set(1, -0x1p127f, 1.0f)(unit)), 0u);
    EXPECT_EQ(bits(Dot<BFloat16>().Set(0, -1.0f, 0.0f)(unit)), 0u);
  }
}

// Exponents far apart, close together and at both ends of the type, cancelling terms, some zeros.
template <typename Element>
uint16_t Adversarial(std::mt19937& random, int style) {
  constexpr int kFraction = std::is_same_v<Element, Half> ? 10 : 7;
  const uint32_t bits = random();
  if (style == 0) return static_cast<uint16_t>(bits);  // everything, specials too
  const int fields = (0x7fff >> kFraction) - 1;
  const int spread = style == 1 ? 2 : fields;
  const int middle = style == 1 ? fields / 2 : 0;
  const uint32_t field =
      static_cast<uint32_t>(middle + static_cast<int>(bits >> 20) % (spread + 1));
  if (bits % 16 == 0) return 0;
  return static_cast<uint16_t>((bits & 0x8000u) | field << kFraction |
                               (bits & ((1u << kFraction) - 1)));
}

template <typename Element>
void CompareRandom(uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < 3000; ++i) {
    uint16_t a[16][16], b[8][16];
    float c[16][8], d[16][8];
    const int style = i % 4;
    for (auto& row : a) {
      for (uint16_t& value : row) value = Adversarial<Element>(random, style == 3 ? 1 : style);
    }
    for (auto& row : b) {
      for (uint16_t& value : row) value = Adversarial<Element>(random, style == 3 ? 1 : style);
    }
    if (style == 0 && i % 8 != 0) {  // most without specials: finite sums must not hide behind them
      for (auto& row : a) row[random() % 16] = 0;
    }
    for (auto& row : c) {
      for (float& value : row) {
        const uint32_t bits = static_cast<uint32_t>(random());
        value = style == 1 ? numerics::BF16ToF32(Adversarial<BFloat16>(random, 1))
                           : std::bit_cast<float>(bits);
        if (bits % 8 == 0) value = 0.0f;
      }
    }
    if (style == 3) {  // neighbours cancel all but their last bits
      for (auto& row : a) {
        for (int k = 0; k < 16; k += 2) row[k + 1] = row[k] ^ 0x8000u ^ (random() % 2);
      }
      for (auto& row : b) {
        for (int k = 0; k < 16; k += 2) row[k + 1] = row[k];
      }
      for (auto& row : c) {
        for (float& value : row) value = std::ldexp(value, 0) * 0x1p-100f;
      }
    }
    for (const MatrixUnit unit : kUnits) {
      std::copy(&c[0][0], &c[0][0] + 128, &d[0][0]);
      ExactMultiplyAccumulate<Element>(a, b, d, unit);
      const int m = static_cast<int>(random() % 16);
      for (int n = 0; n < 8; ++n) {
        const uint32_t want = std::bit_cast<uint32_t>(SlowDot<Element>(a[m], b[n], c[m][n], unit));
        ASSERT_EQ(std::bit_cast<uint32_t>(d[m][n]), want) << style;
        ASSERT_EQ(std::bit_cast<uint32_t>(ExactDot16<Element>(a[m], b[n], c[m][n], unit)), want);
      }
      for (int other = 0; other < 16; ++other) {
        for (int n = 0; n < 8; ++n) {
          const float dot = ExactDot16<Element>(a[other], b[n], c[other][n], unit);
          ASSERT_EQ(std::bit_cast<uint32_t>(d[other][n]), std::bit_cast<uint32_t>(dot));
        }
      }
    }
  }
}

TEST(ExactMmaTest, AgreesWithTheRulesWrittenInAnotherWay) {
  const uint32_t seed = testing::TestSeed();
  CompareRandom<Half>(seed);
  CompareRandom<BFloat16>(seed);
}

// Where nothing is lost, every order and width of summation gives the same.
TEST(ExactMmaTest, AgreesWithDoubleWhereSumsAreExact) {
  std::mt19937 random(testing::TestSeed());
  for (int i = 0; i < 1000; ++i) {
    Dot<Half> dot;
    dot.c = static_cast<float>(static_cast<int>(random() % 4096) - 2048);
    double sum = dot.c;
    for (int k = 0; k < 16; ++k) {
      const float x = static_cast<float>(static_cast<int>(random() % 512) - 256);
      const float y = static_cast<float>(static_cast<int>(random() % 512) - 256);
      dot.Set(k, x, y);
      sum += static_cast<double>(x) * y;
    }
    for (const MatrixUnit unit : kUnits) EXPECT_EQ(dot(unit), static_cast<float>(sum));
  }
}

}  // namespace
}  // namespace llmrt::cuda_host
