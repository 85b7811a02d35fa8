// The seed of a randomized test.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace llmrt::testing {

// A new one for each run, printed at once so that a failure can be repeated with LLMRT_TEST_SEED:
// a test that dies in a trap reports nothing that it only meant to say in the end.
inline uint32_t TestSeed() {
  const char* given = std::getenv("LLMRT_TEST_SEED");
  const uint32_t seed = given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                                         : std::random_device()();
  std::printf("LLMRT_TEST_SEED=%u\n", seed);
  std::fflush(stdout);
  return seed;
}

}  // namespace llmrt::testing
