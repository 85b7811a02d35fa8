// The gated activation against ops::OracleSwiGlu, by equality of bits.
#include "ops/swiglu.h"

#include <gtest/gtest.h>

#include <vector>

#include "cuda/kernels/elementwise.h"
#include "numerics/exact_math.h"
#include "tests/cuda/kernels/kernel_case.h"
#include "tests/ops/random_data.h"

namespace llmrt::cuda {
namespace {

// `tail` values behind the count must stay.
void Check(const std::vector<float>& gate, const std::vector<float>& up, int64_t tail,
           const std::string& name) {
  const int64_t count = static_cast<int64_t>(gate.size()) - tail;
  std::vector<float> expected = Poisoned<float>(gate.size());
  ops::OracleSwiGlu({.gate = gate.data(), .up = up.data(), .dim = count, .out = expected.data()},
                    {0, 1});
  ForSeeds([&](uint64_t seed) {
    DeviceArray<float> device_gate(gate), device_up(up);
    DeviceArray<float> out(Poisoned<float>(gate.size()));
    const SwiGluArgs args = {
        .gate = device_gate.get(), .up = device_up.get(), .count = count, .out = out.get()};
    Launch(KernelId::kSwiGluKernel, SwiGluShape(args), args);
    EXPECT_EQ(FirstDifference(out.Download(), expected), -1) << name;
    Record(seed, name, out.Download());
  });
}

TEST(SwiGluKernelTest, EqualsTheOracle) {
  ops::Random random(1);
  for (const int64_t dim : kAwkwardDims) {
    for (const int64_t rows : {1, 3}) {
      const int64_t count = rows * dim + 5;
      Check(ops::RandomFloats(random, count, ops::Spread::kWide),
            ops::RandomFloats(random, count, ops::Spread::kWide), 5,
            CaseName("swiglu", {dim, rows}));
    }
  }
}

TEST(SwiGluKernelTest, NothingIsWrittenForNoValues) { Check({1, 2}, {3, 4}, 2, "swiglu_none"); }

TEST(SwiGluKernelTest, OutputMayBeAnInput) {
  ops::Random random(2);
  const auto gate = ops::RandomFloats(random, 1000, ops::Spread::kNormal);
  const auto up = ops::RandomFloats(random, 1000, ops::Spread::kNormal);
  std::vector<float> expected(gate.size());
  ops::OracleSwiGlu({.gate = gate.data(), .up = up.data(), .dim = 1000, .out = expected.data()},
                    {0, 1});
  for (const bool over_gate : {false, true}) {
    ForSeeds([&](uint64_t) {
      DeviceArray<float> device_gate(gate), device_up(up);
      const DeviceArray<float>& out = over_gate ? device_gate : device_up;
      const SwiGluArgs args = {
          .gate = device_gate.get(), .up = device_up.get(), .count = 1000, .out = out.get()};
      Launch(KernelId::kSwiGluKernel, SwiGluShape(args), args);
      EXPECT_EQ(FirstDifference(out.Download(), expected), -1) << over_gate;
    });
  }
}

// Around the thresholds of Exp, where Silu underflows and where it is x itself.
TEST(SwiGluKernelTest, GatesOfEverySizeEqualTheOracle) {
  std::vector<float> gate = {0.0f,      -0.0f,      INFINITY, -INFINITY, NAN,
                             88.72283f, -88.72283f, 88.8f,    -88.8f,    87.3365f,
                             -87.3365f, 1e38f,      -1e38f,   1e-38f,    -1e-39f};
  for (int i = -2000; i <= 2000; ++i) gate.push_back(static_cast<float>(i) * 0.05f);
  std::vector<float> up(gate.size(), 1.0f);
  for (size_t i = 0; i < up.size(); i += 3) up[i] = -1.7f;
  Check(gate, up, 0, "swiglu_gates");
}

// Products within a few units of 2^-126, the smallest normal number: here machines that flush
// denormals could differ in whether they round first.
TEST(SwiGluKernelTest, ProductsAtTheEdgeOfTheDenormalsEqualTheOracle) {
  std::vector<float> gate, up;
  for (int i = 0; i < 2000; ++i) {
    gate.push_back(-50.0f - 0.01f * static_cast<float>(i));
    const double exact = 0x1p-126 / static_cast<double>(numerics::Silu(gate.back()));
    const uint32_t bits = numerics::FloatBits(static_cast<float>(exact));
    up.push_back(numerics::BitsToFloat(bits + static_cast<uint32_t>(i % 5) - 2));
  }
  Check(gate, up, 0, "swiglu_edge");
}

}  // namespace
}  // namespace llmrt::cuda
