// The kernel that brings activations into the type of a product, against ops::OraclePrepare
// (float32) and the conversions of numerics/float_types.h (16 bits), by equality of bits.
#include "ops/prepare.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "numerics/float_types.h"
#include "tests/cuda/kernels/kernel_case.h"
#include "tests/ops/random_data.h"

namespace llmrt::cuda {
namespace {

constexpr int64_t ElementBytes(Element element) { return element == Element::kF32 ? 4 : 2; }

uint16_t Rounded(Element element, float value) {
  return element == Element::kF16 ? numerics::F32ToF16(value) : numerics::F32ToBF16(value);
}

bool IsNan(Element element, uint16_t bits) {
  return (bits & 0x7fff) > (element == Element::kF16 ? 0x7c00 : 0x7f80);
}

struct Case {
  Element element;
  std::vector<float> in;  // [rows, cols]
  int64_t cols;
  int64_t padded_cols;
  int32_t first;
  int32_t count;
};

std::vector<uint8_t> Expected(const Case& c) {
  const int64_t rows = static_cast<int64_t>(c.in.size()) / c.cols;
  const int64_t row_bytes = c.padded_cols * ElementBytes(c.element);
  std::vector<uint8_t> out = Poisoned<uint8_t>(rows * row_bytes);
  for (int64_t row = c.first; row < c.first + c.count; ++row) {
    uint8_t* to = out.data() + row * row_bytes;
    std::memset(to, 0, row_bytes);
    for (int64_t k = 0; k < c.cols; ++k) {
      const float value = c.in[row * c.cols + k];
      if (c.element == Element::kF32) {
        std::memcpy(to + k * 4, &value, 4);
      } else {
        const uint16_t bits = Rounded(c.element, value);
        std::memcpy(to + k * 2, &bits, 2);
      }
    }
  }
  return out;
}

// The byte where they differ, -1 if none. Rounded NaN are NaN with any payload: `out` gets the
// expected one.
int64_t FirstDifference(Element element, std::vector<uint8_t>& out,
                        const std::vector<uint8_t>& expected) {
  for (size_t i = 0; i + 1 < out.size(); i += 2) {
    uint16_t a, b;
    std::memcpy(&a, &out[i], 2);
    std::memcpy(&b, &expected[i], 2);
    const bool both_nan = element != Element::kF32 && IsNan(element, a) && IsNan(element, b);
    if (both_nan) std::memcpy(&out[i], &b, 2);
    if (a != b && !both_nan) return static_cast<int64_t>(i);
  }
  return -1;
}

void Check(const Case& c, const std::string& name) {
  const std::vector<uint8_t> expected = Expected(c);
  ForSeeds([&](uint64_t seed) {
    DeviceArray<float> in(c.in);
    DeviceArray<uint8_t> out(Poisoned<uint8_t>(expected.size()));
    const PrepareArgs args = {.in = in.get(),
                              .first = c.first,
                              .count = c.count,
                              .cols = c.cols,
                              .padded_cols = c.padded_cols,
                              .element = c.element,
                              .out = out.get()};
    Launch(KernelId::kPrepareKernel, PrepareShape(args), args);
    std::vector<uint8_t> bytes = out.Download();
    EXPECT_EQ(FirstDifference(c.element, bytes, expected), -1) << name;
    Record(seed, name, bytes);
  });
}

constexpr int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

class PrepareKernelTest : public testing::TestWithParam<Element> {};

TEST_P(PrepareKernelTest, EqualsTheHostsConversion) {
  ops::Random random(1);
  for (const int64_t cols : kAwkwardDims) {
    for (const int64_t padding : {16, 64}) {
      const Case c = {.element = GetParam(),
                      .in = ops::RandomFloats(random, 5 * cols, ops::Spread::kWide),
                      .cols = cols,
                      .padded_cols = RoundUp(cols, padding),
                      .first = padding == 16 ? 0 : 2,
                      .count = padding == 16 ? 5 : 2};
      Check(c, CaseName("prepare", {static_cast<int>(GetParam()), cols, padding}));
    }
  }
}

TEST_P(PrepareKernelTest, ManyRowsEqualTheHostsConversion) {
  ops::Random random(2);
  for (const int64_t cols : {17, 64}) {
    const Case c = {.element = GetParam(),
                    .in = ops::RandomFloats(random, 33 * cols, ops::Spread::kNormal),
                    .cols = cols,
                    .padded_cols = RoundUp(cols, 64),
                    .first = 0,
                    .count = 33};
    Check(c, CaseName("prepare_rows", {static_cast<int>(GetParam()), cols}));
  }
}

// Ties and their neighbours, the ends of both ranges, denormals, infinities, NaN.
TEST_P(PrepareKernelTest, RoundingEqualsTheHostsAtTheEdges) {
  std::vector<float> values = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN};
  for (const uint32_t bits :
       {0x3f801000u, 0x3f803000u, 0x3f808000u, 0x3f818000u, 0x477fefffu, 0x477ff000u, 0x38800000u,
        0x387fffffu, 0x33000000u, 0x33000001u, 0x33800000u, 0x33c00000u, 0x7f7fffffu, 0x7f7f7fffu,
        0x7f7f8000u, 0x00000001u, 0x00008000u, 0x00018000u, 0x007fffffu, 0x00800000u}) {
    for (int step = -1; step <= 1; ++step) {
      values.push_back(numerics::BitsToFloat(bits + static_cast<uint32_t>(step)));
      values.push_back(-values.back());
    }
  }
  const auto cols = static_cast<int64_t>(values.size());
  Check({GetParam(), values, cols, RoundUp(cols, 16), 0, 1},
        CaseName("prepare_edges", {static_cast<int>(GetParam())}));
}

TEST(PrepareFloat32Test, EqualsTheOracle) {
  ops::Random random(3);
  for (const int64_t cols : kAwkwardDims) {
    const auto format = backend::ActivationFormat::kF32;
    const int64_t row_bytes = backend::ActivationRowBytes(format, cols);
    const Case c = {.element = Element::kF32,
                    .in = ops::RandomFloats(random, 3 * cols, ops::Spread::kWide),
                    .cols = cols,
                    .padded_cols = row_bytes / 4,
                    .first = 1,
                    .count = 2};
    std::vector<uint8_t> expected = Poisoned<uint8_t>(3 * row_bytes);
    ops::OraclePrepare({.in = c.in.data(), .cols = cols, .format = format, .out = expected.data()},
                       {1, 3});
    EXPECT_EQ(Expected(c), expected);
    Check(c, CaseName("prepare_f32", {cols}));
  }
}

INSTANTIATE_TEST_SUITE_P(Elements, PrepareKernelTest,
                         testing::Values(Element::kF32, Element::kF16, Element::kBF16),
                         [](const auto& info) { return ElementName(info.param); });

}  // namespace
}  // namespace llmrt::cuda
