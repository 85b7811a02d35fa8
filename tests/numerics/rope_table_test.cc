#include "numerics/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "numerics/host_device.h"

namespace llmrt::numerics {
namespace {

double PlainFrequency(double base, int i, int dims) {
  return static_cast<double>(std::pow(static_cast<long double>(base), -2.0L * i / dims));
}

TEST(RopeTableTest, PlainTableEqualsTheFormula) {
  for (int dims : {2, 20, 64, 80, 128}) {
    const RopeParams params = {.dims = dims, .base = 500000.0};
    const std::vector<float> table = BuildRopeTable(params, 300);
    ASSERT_EQ(table.size(), static_cast<size_t>(300 * dims));
    for (int p = 0; p < 300; ++p) {
      for (int i = 0; i < dims / 2; ++i) {
        const double angle = p * PlainFrequency(500000.0, i, dims);
        const size_t at = static_cast<size_t>(p * dims + 2 * i);
        // Half an ulp of a float at 1 is 2^-25; the angle's own error is below 1e-13.
        ASSERT_NEAR(table[at], std::cos(angle), 0x1.01p-25) << p << " " << i;
        ASSERT_NEAR(table[at + 1], std::sin(angle), 0x1.01p-25) << p << " " << i;
      }
    }
  }
}

TEST(RopeTableTest, LinearScalingStretchesPositions) {
  const RopeParams plain = {.dims = 64};
  const RopeParams scaled = {.dims = 64, .scaling = RopeScaling::kLinear, .factor = 4.0};
  const std::vector<float> a = BuildRopeTable(plain, 10);
  const std::vector<float> b = BuildRopeTable(scaled, 37);
  for (size_t p = 0; p < 9; ++p) {
    for (size_t i = 0; i < 64; ++i)
      EXPECT_EQ(a[p * 64 + i], b[4 * p * 64 + i]);  // a factor of 4 is exact
  }
}

TEST(RopeTableTest, Llama3KeepsHighAndDividesLowFrequencies) {
  RopeParams params = {
      .dims = 128, .base = 500000.0, .scaling = RopeScaling::kLlama3, .factor = 8.0};
  const std::vector<double> scaled = RopeFrequencies(params);
  params.scaling = RopeScaling::kNone;
  const std::vector<double> plain = RopeFrequencies(params);
  int kept = 0, divided = 0, between = 0;
  for (size_t i = 0; i < 64; ++i) {
    const double wavelength = 2 * M_PI / plain[i];
    if (wavelength < 2048.0) {
      EXPECT_EQ(scaled[i], plain[i]);
      ++kept;
    } else if (wavelength > 8192.0) {
      EXPECT_EQ(scaled[i], plain[i] / 8.0);
      ++divided;
    } else {
      const double smooth = (8192.0 / wavelength - 1.0) / 3.0;
      EXPECT_NEAR(scaled[i] / plain[i], (1 - smooth) / 8.0 + smooth, 1e-14);
      ++between;
    }
  }
  // Wavelengths 2048 and 8192 lie at i = 64 log(w / 2 pi) / log(500000): 28.2 and 35.0.
  EXPECT_EQ(kept, 29);
  EXPECT_EQ(between, 6);
  EXPECT_EQ(divided, 29);
}

TEST(RopeTableTest, DivisorsOfTheFileEqualExplicitLlama3Parameters) {
  RopeParams explicit_params = {
      .dims = 64, .base = 500000.0, .scaling = RopeScaling::kLlama3, .factor = 32.0};
  const std::vector<double> expected = RopeFrequencies(explicit_params);
  RopeParams from_file = {.dims = 64, .base = 500000.0};
  const std::vector<double> plain = RopeFrequencies(from_file);
  for (size_t i = 0; i < 32; ++i)
    from_file.freq_divisors.push_back(static_cast<float>(plain[i] / expected[i]));
  const std::vector<double> got = RopeFrequencies(from_file);
  // The file's divisors are floats: 2^-24 relative.
  for (size_t i = 0; i < 32; ++i) EXPECT_NEAR(got[i] / expected[i], 1.0, 0x1p-23) << i;
}

uint64_t HashOfTable(const RopeParams& params) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const float value : BuildRopeTable(params, 1000)) {
    hash = (hash ^ FloatBits(value)) * 0x100000001b3u;
  }
  return hash;
}

// FNV-1a of whole tables, one of each kind of scaling.
TEST(RopeTableTest, BitsAreTheRecordedOnes) {
  EXPECT_EQ(HashOfTable({.dims = 64}), 0xbfcfbdfbe7f9236bu);
  EXPECT_EQ(HashOfTable({.dims = 80, .base = 1e6, .scaling = RopeScaling::kLinear, .factor = 2.5}),
            0x149a39437133df32u);
  EXPECT_EQ(
      HashOfTable({.dims = 128, .base = 500000.0, .scaling = RopeScaling::kLlama3, .factor = 8.0}),
      0x9c43e9113f11013fu);
  EXPECT_EQ(HashOfTable({.dims = 4, .freq_divisors = {1.0f, 3.0f}}), 0xf8e91ba7ec24e3c2u);
}

TEST(RopeTableTest, TableFromAPositionEqualsThatPartOfTheWhole) {
  const RopeParams params = {.dims = 20};
  const std::vector<float> whole = BuildRopeTable(params, 100);
  std::vector<float> part(30 * 20);
  FillRopeTable(RopeFrequencies(params), 70, 30, part.data());
  for (size_t i = 0; i < part.size(); ++i)
    EXPECT_EQ(FloatBits(part[i]), FloatBits(whole[70 * 20 + i]));
}

TEST(RopeTableTest, FarPositionsStayRight) {
  const std::vector<double> frequencies = {1.0, 0.123456789};
  float out[4];
  FillRopeTable(frequencies, 10000000, 1, out);
  EXPECT_NEAR(out[0], std::cos(10000000.0L), 0x1.01p-25);
  EXPECT_NEAR(out[1], std::sin(10000000.0L), 0x1.01p-25);
  EXPECT_NEAR(out[2], std::cos(static_cast<long double>(10000000.0 * 0.123456789)), 0x1.01p-25);
}

TEST(RopeTableTest, BadParametersAreNamed) {
  EXPECT_EQ(CheckRopeParams({.dims = 64}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 0}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 63}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 64, .base = 0.0}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 64, .base = NAN}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 64, .factor = 0.0}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 64, .factor = INFINITY}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 4, .freq_divisors = {1.0f}}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 4, .freq_divisors = {1.0f, 0.0f}}), nullptr);
  EXPECT_EQ(CheckRopeParams({.dims = 4, .freq_divisors = {1.0f, 8.0f}}), nullptr);
  EXPECT_NE(CheckRopeParams({.dims = 64, .scaling = RopeScaling::kLlama3, .low_freq_factor = 4.0}),
            nullptr);
}

}  // namespace
}  // namespace llmrt::numerics
