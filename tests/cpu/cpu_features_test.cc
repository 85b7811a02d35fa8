#include "cpu/cpu_features.h"

#include <sched.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace llmrt::cpu {
namespace {

using backend::CpuTier;

TEST(CpuFeaturesTest, TheBestTierIsTheHighestThatThisProcessorHas) {
  EXPECT_EQ(PickTier(CpuTier::kBest).value(), HasAvx2() ? CpuTier::kAvx2 : CpuTier::kPortable);
  EXPECT_EQ(PickTier(CpuTier::kPortable).value(), CpuTier::kPortable);
}

TEST(CpuFeaturesTest, AForcedTierThatTheMachineLacksIsRefused) {
  const auto tier = PickTier(CpuTier::kAvx2);
  if (HasAvx2()) {
    EXPECT_EQ(*tier, CpuTier::kAvx2);
  } else {
    EXPECT_EQ(tier.status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST(CpuFeaturesTest, TiersWithoutKernelsNameThoseThatExist) {
  for (const CpuTier tier : {CpuTier::kAvx512, CpuTier::kVnni, CpuTier::kAmx}) {
    const absl::Status status = PickTier(tier).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_NE(status.message().find(TierName(tier)), std::string::npos);
    EXPECT_NE(status.message().find("portable and avx2"), std::string::npos);
  }
}

TEST(CpuFeaturesTest, UsableCoresFollowTheAffinityMask) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  const int32_t cores = CountUsableCores();
  EXPECT_GE(cores, 1);
  EXPECT_LE(cores, CPU_COUNT(&all));
  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(CountUsableCores(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

TEST(CpuFeaturesTest, TheLastCacheHasAPlausibleSize) {
  EXPECT_GE(LastLevelCacheBytes(), 0);
  EXPECT_LT(LastLevelCacheBytes(), int64_t{16} << 30);
}

TEST(CpuFeaturesTest, AvailableMemoryIsSomeAndNotAboveAll) {
  const int64_t all = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  EXPECT_GT(AvailableMemoryBytes(), int64_t{1} << 20);
  EXPECT_LE(AvailableMemoryBytes(), all);
}

}  // namespace
}  // namespace llmrt::cpu
