#include "cpu/cpu_features.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/tiers_by_system.h"

namespace llmrt::cpu {
namespace {

using backend::CpuTier;

TEST(CpuFeaturesTest, TheBestTierIsTheHighestThatThisProcessorHas) {
  const CpuTier best = PickTier(CpuTier::kBest).value();
  EXPECT_EQ(best, UseAmx()      ? CpuTier::kAmx
                  : HasVnni()   ? CpuTier::kVnni
                  : HasAvx512() ? CpuTier::kAvx512
                  : HasAvx2()   ? CpuTier::kAvx2
                                : CpuTier::kPortable);
  EXPECT_TRUE(RunsTier(best));
  EXPECT_EQ(PickTier(CpuTier::kPortable).value(), CpuTier::kPortable);
}

TEST(CpuFeaturesTest, ATierHasEverythingOfThoseBelow) {
  EXPECT_TRUE(HasVnni() || !UseAmx());
  EXPECT_TRUE(HasAvx512() || !HasVnni());
  EXPECT_TRUE(HasAvx2() || !HasAvx512());
  EXPECT_EQ(RunsTier(CpuTier::kAvx2), HasAvx2());
  EXPECT_EQ(RunsTier(CpuTier::kAvx512), HasAvx512());
  EXPECT_EQ(RunsTier(CpuTier::kVnni), HasVnni());
  EXPECT_TRUE(RunsTier(CpuTier::kPortable));
  EXPECT_EQ(RunsTier(CpuTier::kAmx), UseAmx());
}

TEST(CpuFeaturesTest, TiersAreThoseThatTheSystemSaysTheProcessorHas) {
  const std::set<std::string> flags = ProcessorFlags();
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo names no flags here";
  std::vector<CpuTier> tiers = TiersOfFlags(flags);
  for (const CpuTier tier :
       {CpuTier::kPortable, CpuTier::kAvx2, CpuTier::kAvx512, CpuTier::kVnni, CpuTier::kAmx}) {
    EXPECT_EQ(RunsTier(tier), std::count(tiers.begin(), tiers.end(), tier) == 1) << TierName(tier);
  }
  // The kernels' tests imitate the tiles that a machine with VNNI lacks.
  if (tiers.back() == CpuTier::kVnni) tiers.push_back(CpuTier::kAmx);
  EXPECT_EQ(TestedTiers(), tiers);
}

TEST(CpuFeaturesTest, ATierNeedsAllOfItsFlagsAndThoseOfTheTiersBelow) {
  std::set<std::string> flags = {"fma", "f16c", "avx512_vnni", "avx512f", "avx512bw", "avx512dq"};
  EXPECT_EQ(TiersOfFlags(flags), std::vector<CpuTier>{CpuTier::kPortable});
  flags.insert("avx2");
  EXPECT_EQ(TiersOfFlags(flags), (std::vector<CpuTier>{CpuTier::kPortable, CpuTier::kAvx2}));
  flags.insert("avx512vl");
  EXPECT_EQ(TiersOfFlags(flags).back(), CpuTier::kVnni);
}

TEST(CpuFeaturesTest, AForcedTierThatTheMachineLacksIsRefused) {
  for (const CpuTier asked : {CpuTier::kAvx2, CpuTier::kAvx512, CpuTier::kVnni, CpuTier::kAmx}) {
    const auto tier = PickTier(asked);
    if (RunsTier(asked)) {
      EXPECT_EQ(*tier, asked);
    } else {
      EXPECT_EQ(tier.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_NE(tier.status().message().find(TierName(asked)), std::string::npos);
    }
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
