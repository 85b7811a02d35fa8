// Feeds the fuzz target with random bytes, so that it runs everywhere and not only where a fuzzer
// is at hand.
#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

TEST(AbiFuzzTest, RandomCallSequencesGiveStatuses) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int run = 0; run < 1000; ++run) {
    std::vector<uint8_t> bytes(random() % 2000);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    ASSERT_EQ(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()), 0);
  }
}

TEST(AbiFuzzTest, UniformBytesGiveStatuses) {
  for (int value = 0; value < 256; ++value) {
    const std::vector<uint8_t> bytes(300, static_cast<uint8_t>(value));
    ASSERT_EQ(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()), 0);
  }
}

}  // namespace
