#include "sampling/noise_words.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "numerics/noise.h"

namespace llmrt::sampling {
namespace {

TEST(NoiseWordsTest, EqualTheDefinitionAtEveryLengthAndForEveryKey) {
  std::mt19937_64 random(31);
  for (size_t length = 0; length <= 70; ++length) {
    const NoiseKey key = {random(), static_cast<int64_t>(random()), static_cast<int32_t>(random())};
    const int32_t first = static_cast<int32_t>(random() % 1000000);
    std::vector<uint32_t> words(length);
    NoiseWords(key, first, absl::MakeSpan(words));
    for (size_t i = 0; i < length; ++i) {
      ASSERT_EQ(words[i], numerics::NoiseBits(key.seed, key.position,
                                              first + static_cast<int32_t>(i), key.sample_index));
    }
  }
}

}  // namespace
}  // namespace llmrt::sampling
