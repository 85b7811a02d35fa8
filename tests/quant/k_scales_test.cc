// Packing and unpacking of 6-bit scales are inverses, and no field touches another.
#include "quant/k_scales.h"

#include <cstring>
#include <random>

#include "gtest/gtest.h"

namespace llmrt::quant {
namespace {

TEST(KScalesTest, UnpackInvertsPack) {
  std::mt19937 random(7);
  for (int round = 0; round < 1000; ++round) {
    KScale scales[8];
    for (KScale& scale : scales) {
      scale = {static_cast<uint8_t>(random() & 63), static_cast<uint8_t>(random() & 63)};
    }
    uint8_t packed[12];
    PackKScales(scales, packed);
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(UnpackKScale(packed, i).scale, scales[i].scale);
      EXPECT_EQ(UnpackKScale(packed, i).minimum, scales[i].minimum);
    }
  }
}

TEST(KScalesTest, PackInvertsUnpack) {
  std::mt19937 random(8);
  for (int round = 0; round < 1000; ++round) {
    uint8_t packed[12];
    for (uint8_t& byte : packed) byte = static_cast<uint8_t>(random());
    KScale scales[8];
    for (int i = 0; i < 8; ++i) scales[i] = UnpackKScale(packed, i);
    uint8_t again[12];
    PackKScales(scales, again);
    EXPECT_EQ(std::memcmp(packed, again, 12), 0);
  }
}

}  // namespace
}  // namespace llmrt::quant
