#include "cpu/compute_ceilings.h"

#include <cstring>
#include <set>
#include <string>

#include "cpu/compute_loops.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"

namespace llmrt::cpu {
namespace {

TEST(ComputeCeilingsTest, EveryInstructionOfThisProcessorHasAPlausibleRate) {
  auto pool = ThreadPool::Create(2).value();
  std::set<std::string> names;
  for (const ComputeRate& rate : MeasureComputeRates(*pool)) {
    EXPECT_TRUE(names.insert(std::string(rate.name)).second) << rate.name << " is there twice";
    // From a sanitizer on a busy machine to two cores with a matrix unit each.
    EXPECT_GT(rate.operations_per_second, 1e7) << rate.name;
    EXPECT_LT(rate.operations_per_second, 1e14) << rate.name;
  }
  EXPECT_EQ(names.count("f32 avx2"), HasAvx2() ? 1 : 0);
  EXPECT_EQ(names.count("int8 avx2"), HasAvx2() ? 1 : 0);
}

#if defined(__x86_64__)
// Over operands that are all 1, a loop's sums count its multiply-adds: one that skipped some, or
// did more than it says, shows.
class ComputeLoopsTest : public testing::Test {
 protected:
  ComputeLoopsTest() {
    for (float& value : operands_.floats) value = 1;
    for (uint16_t& value : operands_.bfloats) value = 0x3f80;
    for (uint8_t& value : operands_.nibbles) value = 1;
    for (int8_t& value : operands_.bytes) value = 1;
  }

  ComputeOperands operands_ = {};
};

TEST_F(ComputeLoopsTest, Int8LoopsDoTheOperationsThatTheyCount) {
  if (HasAvx2()) {
    EXPECT_EQ(kInt8Avx2Loop.run(operands_, 3) * 2, 3 * kInt8Avx2Loop.operations_per_round);
  }
  if (HasVnni()) {
    EXPECT_EQ(kInt8VnniLoop.run(operands_, 3) * 2, 3 * kInt8VnniLoop.operations_per_round);
  }
  if (RunsTier(backend::CpuTier::kAmx)) {
    EXPECT_EQ(kInt8AmxLoop.run(operands_, 3) * 2, 3 * kInt8AmxLoop.operations_per_round);
  }
}

// What comes back are the lanes' bits, added modulo 2^32. The lanes of the 12 vectors of a tile (16
// with AVX-512, four of AMX's tiles) share the multiply-adds evenly, so all hold the same.
TEST_F(ComputeLoopsTest, FloatLoopsDoTheOperationsThatTheyCount) {
  const auto check = [&](const ComputeLoop& loop, int64_t lanes) {
    constexpr int64_t kRounds = 3;
    const auto sum = static_cast<float>(kRounds * loop.operations_per_round / 2 / lanes);
    uint32_t bits = 0;
    std::memcpy(&bits, &sum, sizeof(bits));
    EXPECT_EQ(loop.run(operands_, kRounds), bits * static_cast<uint32_t>(lanes));
  };
  if (HasAvx2()) check(kFloatAvx2Loop, 12 * 8);
  if (HasAvx512()) check(kFloatAvx512Loop, 16 * 16);
  if (HasVnni() && __builtin_cpu_supports("avx512bf16")) check(kBFloatVnniLoop, 16 * 16);
  if (RunsTier(backend::CpuTier::kAmx)) check(kBFloatAmxLoop, 4 * 256);
}
#endif

}  // namespace
}  // namespace llmrt::cpu
