// Shuffles, ballots, matrix loads and products, and warps that do not agree on them.
#include <bit>
#include <numeric>
#include <random>

#include "cuda_host/emulation_fixture.h"
#include "numerics/float_types.h"
#include "test_seed.h"

namespace llmrt::cuda_host {
namespace {

using WarpFunctionsTest = EmulationTest;
using cuda::kCuLaunchFailed;
using cuda::kCuSuccess;

TEST_F(WarpFunctionsTest, ShufflesAndBallotsReachTheLanesOfTheirWarp) {
  std::vector<uint32_t> words(64);
  for (uint32_t i = 0; i < 64; ++i) words[i] = i * i + 5 * i / 3;
  uint32_t* in = Device(words);
  uint32_t* out = Device(std::vector<uint32_t>(64));
  const auto run = [&](int64_t n, uint32_t what) {
    EXPECT_EQ(Run("ShuffleKernel", 1, 64, {in, out, n, what}), kCuSuccess) << message();
    return Words(out, 64);
  };
  const std::vector<uint32_t> exchanged = run(5, 0);
  const std::vector<uint32_t> from = run(9, 1);
  const std::vector<uint32_t> wide = run(0, 2);
  const std::vector<uint32_t> ballot = run(0, 3);
  for (uint32_t i = 0; i < 64; ++i) {
    EXPECT_EQ(exchanged[i], words[i ^ 5]);
    EXPECT_EQ(from[i], words[i / 32 * 32 + 9]);
    EXPECT_EQ(wide[i], words[i ^ 1]);
    uint32_t mask = 0;
    for (uint32_t lane = 0; lane < 32; ++lane) mask |= (words[i / 32 * 32 + lane] & 1) << lane;
    EXPECT_EQ(ballot[i], mask);
  }
}

TEST_F(WarpFunctionsTest, LanesInDifferentFunctionsFailTheLaunch) {
  uint32_t* out = Device({0});
  const char* const parts[] = {"is in ", "is in Ballot at", "16 lanes of this warp ended without",
                               "is in MultiplyAccumulate at"};
  for (uint32_t wrong = 1; wrong <= 4; ++wrong) {
    EXPECT_EQ(Run("DivergeKernel", 1, 32, {nullptr, out, 0, wrong}), kCuLaunchFailed) << wrong;
    EXPECT_NE(message().find(parts[wrong - 1]), std::string::npos) << message();
    EXPECT_NE(message().find("DivergeKernel: block (0, 0, 0), thread "), std::string::npos);
    EXPECT_EQ(message().find('\n'), std::string::npos);
    Restart();
    out = Device({0});
  }
}

// Small integers: every product and sum is exact in any order.
TEST_F(WarpFunctionsTest, FragmentsLieAsTheMatrixProductNeedsThem) {
  std::mt19937 random(testing::TestSeed());
  float a[16][16], b[16][8];
  for (auto& row : a) {
    for (float& value : row) value = static_cast<float>(static_cast<int>(random() % 17) - 8);
  }
  for (auto& row : b) {
    for (float& value : row) value = static_cast<float>(static_cast<int>(random() % 17) - 8);
  }
  for (const bool bfloat : {false, true}) {
    for (const int64_t transposed : {0, 1}) {
      std::vector<uint16_t> halves(384);
      const auto round = bfloat ? numerics::F32ToBF16 : numerics::F32ToF16;
      for (int k = 0; k < 16; ++k) {
        for (int m = 0; m < 16; ++m) halves[transposed ? k * 16 + m : m * 16 + k] = round(a[m][k]);
        for (int n = 0; n < 8; ++n) {
          halves[256 + (transposed ? k * 8 + n : n * 16 + k)] = round(b[k][n]);
        }
      }
      std::vector<uint32_t> words(192);
      std::memcpy(words.data(), halves.data(), 768);
      uint32_t* out = Device(std::vector<uint32_t>(128));
      ASSERT_EQ(Run(bfloat ? "MultiplyBFloatKernel" : "MultiplyHalfKernel", 1, 32,
                    {Device(words), out, transposed, 0}),
                kCuSuccess)
          << message();
      const std::vector<uint32_t> result = Words(out, 128);
      for (int m = 0; m < 16; ++m) {
        for (int n = 0; n < 8; ++n) {
          float sum = 0.5f;
          for (int k = 0; k < 16; ++k) sum += a[m][k] * b[k][n];
          EXPECT_EQ(std::bit_cast<float>(result[m * 8 + n]), sum) << m << " " << n;
        }
      }
    }
  }
}

// 2^10 * 2^10 - 2^10 * 2^10 + 2^-10: what is left of the last product depends on whether it is
// summed with the others (products 0 and 1) or after them (product 8).
TEST_F(WarpFunctionsTest, TheArchitectureDecidesHowProductsAreSummed) {
  const auto run = [this](int major, int minor) {
    EXPECT_EQ(llmrt_emulation_set_architecture(major, minor), 1);
    std::vector<uint16_t> halves(384);
    const auto set = [&](int k, float x, float y) {
      halves[k] = numerics::F32ToF16(x);
      halves[256 + k] = numerics::F32ToF16(y);
    };
    set(0, 1024.0f, 1024.0f);
    set(1, -1024.0f, 1024.0f);
    set(8, 0.03125f, 0.03125f);
    std::vector<uint32_t> words(192);
    std::memcpy(words.data(), halves.data(), 768);
    uint32_t* out = Device(std::vector<uint32_t>(128));
    EXPECT_EQ(Run("MultiplyHalfKernel", 1, 32, {Device(words), out}), kCuSuccess) << message();
    return std::bit_cast<float>(Words(out, 1)[0]);
  };
  for (const int minor : {0, 6, 9}) EXPECT_EQ(run(8, minor), 0.5f + 0x1p-10f);
  EXPECT_EQ(run(9, 0), 0.5f);
  EXPECT_EQ(run(12, 0), 0.5f);
  EXPECT_EQ(llmrt_emulation_set_architecture(7, 5), 0);
}

TEST_F(WarpFunctionsTest, PairsRoundToNearestAndDenormalsAreFlushedInFloat32) {
  const auto bits = [](float value) { return std::bit_cast<uint32_t>(value); };
  uint32_t* in = Device({bits(1.0f + 0x1p-11f), bits(-0x1p-20f), bits(0x1p-100f), bits(0x1p-40f)});
  uint32_t* out = Device({1, 1, 1});
  ASSERT_EQ(Run("RoundKernel", 1, 32, {in, out}), kCuSuccess) << message();
  // A tie goes to the even neighbour; a float16 subnormal is kept.
  EXPECT_EQ(Words(out, 3), (std::vector<uint32_t>{0x80103c00u, 0xb5803f80u, 0u}));
  in = Device({0x7f800001u, bits(70000.0f), 0, 0});
  ASSERT_EQ(Run("RoundKernel", 1, 32, {in, out}), kCuSuccess) << message();
  EXPECT_EQ(Words(out, 1)[0], 0x7c007fffu);
}

}  // namespace
}  // namespace llmrt::cuda_host
