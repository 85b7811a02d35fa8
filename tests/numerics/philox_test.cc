// Philox4x32-10 against the known answers that its authors publish with Random123 (kat_vectors).
#include "numerics/philox.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace llmrt::numerics {
namespace {

void ExpectWords(PhiloxCounter got, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  EXPECT_EQ(got.word[0], a);
  EXPECT_EQ(got.word[1], b);
  EXPECT_EQ(got.word[2], c);
  EXPECT_EQ(got.word[3], d);
}

TEST(PhiloxTest, KnownAnswers) {
  ExpectWords(Philox4x32({{0, 0, 0, 0}}, {{0, 0}}), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  const uint32_t ones = 0xffffffff;
  ExpectWords(Philox4x32({{ones, ones, ones, ones}}, {{ones, ones}}), 0x408f276d, 0x41c83b0e,
              0xa20bc7c6, 0x6d5451fd);
  ExpectWords(
      Philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, {{0xa4093822, 0x299f31d0}}),
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

TEST(PhiloxTest, EveryCounterAndKeyBitFlipsAboutHalfTheOutput) {
  const PhiloxCounter base = Philox4x32({{1, 2, 3, 4}}, {{5, 6}});
  for (int bit = 0; bit < 192; ++bit) {
    PhiloxCounter counter = {{1, 2, 3, 4}};
    PhiloxKey key = {{5, 6}};
    uint32_t& word = bit < 128 ? counter.word[bit / 32] : key.word[bit / 32 - 4];
    word ^= 1u << bit % 32;
    const PhiloxCounter changed = Philox4x32(counter, key);
    int flipped = 0;
    for (int i = 0; i < 4; ++i) flipped += __builtin_popcount(base.word[i] ^ changed.word[i]);
    // 128 fair bits: mean 64, deviation 5.7; six deviations either way.
    EXPECT_GT(flipped, 30) << bit;
    EXPECT_LT(flipped, 98) << bit;
  }
}

}  // namespace
}  // namespace llmrt::numerics
