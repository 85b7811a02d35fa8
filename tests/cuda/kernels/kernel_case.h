// What the tests of single kernels have in common: arrays in device memory that begin as poison,
// and comparisons by bits.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "cuda/kernels/kernel_list.h"
#include "cuda/kernels/step_view.h"
#include "numerics/host_device.h"
#include "tests/cuda/test_device.h"

namespace llmrt::cuda {

// Row lengths around groups of 16 lanes, vectors of 4, chunks of 512 and the threads of a block.
inline constexpr int64_t kAwkwardDims[] = {1, 15, 16, 17, 64, 172, 288, 511, 512, 513, 2048};

// What outputs hold before: no kernel computes it, and as a float it is an ordinary number.
inline constexpr int kPoisonByte = 0xa5;

template <typename T>
std::vector<T> Poisoned(int64_t count) {
  std::vector<T> values(static_cast<size_t>(count));
  if (count > 0) std::memset(values.data(), kPoisonByte, values.size() * sizeof(T));
  return values;
}

template <typename T>
bool IsPoison(const T* values, size_t count) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(values);
  for (size_t i = 0; i < count * sizeof(T); ++i) {
    if (bytes[i] != kPoisonByte) return false;
  }
  return true;
}

// Index of the first value with other bits, -1 if none. Every NaN is as good as another: which
// payload a sum of two keeps is the machine's business.
inline int64_t FirstDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return static_cast<int64_t>(std::min(a.size(), b.size()));
  for (size_t i = 0; i < a.size(); ++i) {
    const bool both_nan = numerics::IsNan(a[i]) && numerics::IsNan(b[i]);
    if (!both_nan && numerics::FloatBits(a[i]) != numerics::FloatBits(b[i])) {
      return static_cast<int64_t>(i);
    }
  }
  return -1;
}

inline std::string ElementName(Element element) {
  return element == Element::kF32 ? "F32" : element == Element::kF16 ? "F16" : "BF16";
}

inline std::string CaseName(const std::string& kernel, std::initializer_list<int64_t> numbers) {
  std::string name = kernel;
  for (const int64_t number : numbers) name += "_" + std::to_string(number);
  return name;
}

// Runs `test` for each of eight orders in which blocks, warps and lanes take turns; on a GPU, which
// has its own, once.
template <typename Test>
void ForSeeds(Test test) {
  TestDevice& device = TestDevice::Get();
  ASSERT_TRUE(device.ok()) << device.problem();
  const uint64_t seeds = device.emulation() == nullptr ? 1 : 8;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    if (device.emulation() != nullptr) device.emulation()->set_seed(seed);
    test(seed);
  }
}

// As Kernels::Launch: an empty grid is no launch.
template <typename Args>
void Launch(KernelId kernel, const LaunchShape& shape, const Args& args) {
  if (shape.grid_x == 0 || shape.grid_y == 0 || shape.grid_z == 0) return;
  EXPECT_EQ(TestDevice::Get().Launch(kernel, shape, args), "");
}

// For comparison with other devices; one order of the emulation is enough, as all must be equal.
template <typename T>
void Record(uint64_t seed, const std::string& name, std::vector<T> values) {
  if (seed != 1) return;
  if constexpr (std::is_same_v<T, float>) {
    for (float& value : values) {
      if (numerics::IsNan(value)) value = numerics::BitsToFloat(0x7fffffffu);
    }
  }
  EXPECT_EQ(RecordHash(name, values), "");
}

}  // namespace llmrt::cuda
