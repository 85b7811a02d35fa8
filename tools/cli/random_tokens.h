// Token ids drawn at random: what benchmarks feed a model, whose speed does not depend on what it
// reads. The engine is the standard's mt19937_64, whose numbers are the same everywhere; its
// distributions are not, so they are avoided.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace llmrt::cli {

// `count` ids below `vocab_size`. The remainder's bias, under 2^-40 for any vocabulary, is of no
// account here.
inline std::vector<int32_t> RandomTokens(std::mt19937_64& random, int32_t vocab_size,
                                         int64_t count) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) {
    token = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab_size));
  }
  return tokens;
}

}  // namespace llmrt::cli
